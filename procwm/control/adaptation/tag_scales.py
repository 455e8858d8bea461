"""By how much tags of a plant answer otherwise than its model learned, and how far that may go."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel
from procwm.world.rescaled import rescaled
from procwm.world.step_responses import step_responses

LEAST, MOST = 0.4, 2.5
"""Factors beyond are no matter of scale any more: train the model anew."""


@dataclass(frozen=True)
class TagScales:
    """Factors of MVs, then of outputs; hashable.

    Attributes:
        factor: by which outputs answer more to an MV, or an output more to all of them; above 0, so that no
            gain changes its sign. 1 is as learned.
        about: readings that mean what they meant when the model was trained, engineering units.
        mvs: how many are of MVs.
    """

    factor: tuple[float, ...]
    about: tuple[float, ...]
    mvs: int

    @classmethod
    def as_trained(cls, plant: PlantSpec) -> "TagScales":
        """No tag otherwise."""
        count = len(plant.mvs) + len(plant.outputs)
        return cls((1.0,) * count, (0.0,) * count, len(plant.mvs))

    @property
    def trained(self) -> bool:
        """Whether the model is as it was trained."""
        return all(factor == 1.0 for factor in self.factor)

    def with_factor(self, index: int, factor: float, reading: float) -> "TagScales":
        """These with another factor of tag number `index`; its present `reading` means what it meant."""
        times = self._times(index, factor)
        meant = self.about[index] + self._times(index, self.factor[index]) * (reading - self.about[index])
        # Where `about + times * (reading - about)` is what was meant.
        about = 0.0 if factor == 1.0 else (times * reading - meant) / (times - 1.0)
        factors, abouts = list(self.factor), list(self.about)
        factors[index], abouts[index] = factor, about
        return replace(self, factor=tuple(factors), about=tuple(abouts))

    def _times(self, index: int, factor: float) -> float:
        """By how much a change of the reading counts more, where outputs answer more by `factor`."""
        return factor if index < self.mvs else 1.0 / factor

    def applied(self, model: WorldModel) -> WorldModel:
        """`model` as it would have learned the plant; itself where nothing is otherwise."""
        if self.trained:
            return model
        width = [1.0 / self._times(index, factor) for index, factor in enumerate(self.factor)]
        return rescaled(model, np.array(width), np.array(self.about))


class KnownRange:
    """Factors that leave signs and gains where the plant file has them."""

    def __init__(self, plant: PlantSpec, model: WorldModel) -> None:
        self._mvs, self._outputs = len(plant.mvs), len(plant.outputs)
        gain = model.per_unit(step_responses(model))[-1]
        shape = (self._mvs, self._outputs)
        self._low, self._high = np.full(shape, LEAST), np.full(shape, MOST)
        self._fixed = np.zeros(shape, dtype=bool)
        for row, mv in enumerate(plant.mvs):
            for column, output in enumerate(plant.output_names):
                self._fixed[row, column] = output == mv.setpoint_of
                if output in (mv.gains or {}):
                    low, high = _factors((mv.gains or {})[output], float(gain[row, column]))
                    self._low[row, column] = max(low, LEAST)
                    self._high[row, column] = min(high, MOST)
        # A guardrail was learned on readings as they were; nothing here can tell what it says of others.
        self._guarded = bool(model.guard_names)

    def free(self, index: int) -> bool:
        """Whether tag number `index`, MVs first, may have another factor at all."""
        if index < self._mvs:
            return not self._fixed[index].any()
        return not self._guarded and not self._fixed[:, index - self._mvs].any()

    def clipped(self, scales: TagScales, index: int, factor: float) -> float:
        """`factor` of tag number `index` as near as what is known lets it be, beside the other factors."""
        factors = np.array(scales.factor)
        mv, output = factors[: self._mvs, None], factors[None, self._mvs :]
        other: Float[np.ndarray, " other"]
        if index < self._mvs:
            other, low, high = output[0], self._low[index], self._high[index]
        else:
            column = index - self._mvs
            other, low, high = mv[:, 0], self._low[:, column], self._high[:, column]
        least, most = float((low / other).max()), float((high / other).min())
        return float(np.clip(factor, least, most)) if least <= most else scales.factor[index]


def _factors(known: tuple[float, float], gain: float) -> tuple[float, float]:
    """Factors that bring `gain` to the ends of its `known` range; none but 1 where it lies outside."""
    if not known[0] <= gain <= known[1] or gain == 0.0:
        return 1.0, 1.0
    low, high = sorted((known[0] / gain, known[1] / gain))
    return low, high
