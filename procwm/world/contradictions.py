"""Where a model's step responses are not what the plant file knows of the effects of MVs."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.plant.known_effects import KnownEffects
from procwm.plant.roles import Interval
from procwm.plant.tags import PlantSpec
from procwm.world.effects import shown_effects
from procwm.world.model import WorldModel
from procwm.world.step_responses import ANSWERED, rows_until, step_responses

_FELT = 0.1
"""Standard deviations that one of the MV moves an output: less is taken for none."""
_FOLLOWS: Interval = (0.75, 1.33)
"""Gains at rest that a setpoint may have on what its loop holds: learned, it is never exactly 1."""
_LATE, _MOVING = 0.25, 0.1
"""An answer goes on where more than this share of it comes in this share of the horizon, the last."""
_RISEN = 0.63
"""Share of its largest change that a lag comes to in its time constant."""
_EARLY, _SLOW = 1.0, 2.0
"""Intervals by which a dead time may be too short, or too long, in the model."""


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """What a model has of one effect beside what the plant file says.

    Attributes:
        sentence: naming the MV, the output, the key and both.
        opposite: whether the model's effect goes the other way.
    """

    sentence: str
    opposite: bool = False


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """An output's answer to an MV.

    Attributes:
        size: largest change, standard deviations per standard deviation.
        gain: at the end of the horizon, output units per MV unit.
        still: change over the last part of the horizon, likewise, where the answer goes on; else 0.
        begun_s, risen_s: after which it comes to `ANSWERED`, and to `_RISEN`, of its largest.
        shown: whether the model's log shows it.
    """

    size: float
    gain: float
    still: float
    begun_s: float
    risen_s: float
    shown: bool


def contradictions(model: WorldModel, plant: PlantSpec) -> tuple[Contradiction, ...]:
    """What of `model` is not what `plant` knows, which may have been written after the training."""
    if not any(tag.known_effects.beyond_signs for tag in plant.mvs):
        return ()
    scaled, shown = step_responses(model), shown_effects(model)
    response = torch.as_tensor(model.per_unit(scaled))
    found: list[Contradiction] = []
    for column, tag in enumerate(plant.mvs):
        for row, output in enumerate(plant.output_names):
            answer = _answer(
                scaled[:, column, row], response[:, column, row], plant.interval_s, bool(shown[column, row])
            )
            found += _against(tag.known_effects, output, answer, plant.interval_s)
    return tuple(found)


def _answer(
    scaled: Float[Tensor, " horizon"], response: Float[Tensor, " horizon"], interval_s: float, shown: bool
) -> _Answer:
    late = float(response[-1] - response[-1 - int(_LATE * len(response))])
    return _Answer(
        size=float(scaled.abs().max()),
        gain=float(response[-1]),
        still=late if abs(late) > _MOVING * float(response.abs().max()) else 0.0,
        begun_s=rows_until(ANSWERED, scaled) * interval_s,
        risen_s=rows_until(_RISEN, scaled) * interval_s,
        shown=shown,
    )


def _against(known: KnownEffects, output: str, answer: _Answer, interval_s: float) -> Iterator[Contradiction]:
    mv = known.mv
    if output in known.no_effect and answer.shown and answer.size > _FELT:
        yield Contradiction(
            sentence=f"by the plant file's no_effect {mv} does not move {output}; in the model it does, by "
            f"{answer.gain:+.3g} per unit"
        )
    if output in known.gains:
        low, high = known.gains[output]
        told = f"by the plant file's gains {mv} moves {output} by {low:g} to {high:g} per unit at rest"
        yield from _of_gain((low, high), answer, told)
    elif output == known.setpoint_of:
        told = f"by the plant file's setpoint_of {output} comes to rest at {mv}, a gain of 1"
        yield from _of_gain(_FOLLOWS, answer, told)
    if output in known.dead_times_s:
        dead_s = known.dead_times_s[output]
        # A lag, too, keeps an output from answering at once, for no longer than it then takes to rise.
        slack_s = max(_SLOW * interval_s, answer.risen_s - answer.begun_s)
        if not dead_s - _EARLY * interval_s <= answer.begun_s <= dead_s + slack_s:
            yield Contradiction(
                sentence=f"by the plant file's dead_times_s {output} begins to answer {mv} after {dead_s:g} "
                f"s; in the model after {answer.begun_s:g} s"
            )


def _of_gain(allowed: Interval, answer: _Answer, told: str) -> Iterator[Contradiction]:
    """An answer that goes on beyond the horizon is judged only where it has left the range already."""
    low, high = allowed
    below, above = answer.gain < low and answer.still <= 0.0, answer.gain > high and answer.still >= 0.0
    if below or above:
        opposite = (low > 0.0 > answer.gain) or (high < 0.0 < answer.gain)
        yield Contradiction(sentence=f"{told}; in the model by {answer.gain:+.3g}", opposite=opposite)
