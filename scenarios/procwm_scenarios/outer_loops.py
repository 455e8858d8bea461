"""Operators above an outer layer of control: its loops move the MVs, and they move its setpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.plant.scenario import Equations
from procwm.plant.tags import PlantSpec
from procwm_scenarios.operators import Operators
from procwm_scenarios.region import OperatingRegion


@dataclass(frozen=True, kw_only=True)
class OuterLoop:
    """A PI controller that moves one MV by one CV.

    Attributes:
        cv, mv: tag names.
        gain: MV units per CV unit.
        integral_s: integral time.
    """

    cv: str
    mv: str
    gain: float
    integral_s: float


class CascadeOperators:
    """Decides like `Operators`, but enters where the CVs would come to rest as setpoints of the loops.

    An MV without a loop is moved by hand. A loop keeps its MV's limits and largest move; it is in
    velocity form, which cannot wind up.
    """

    def __init__(
        self,
        plant: PlantSpec,
        equations: Equations,
        region: OperatingRegion,
        loops: Sequence[OuterLoop],
        operators: Operators,
    ) -> None:
        self._plant, self._region, self._operators = plant, region, operators
        self._loops = {loop.mv: loop for loop in loops}
        self._rows = {name: row for row, name in enumerate(equations.output_names)}
        self._mv = np.asarray(equations.nominal_mv, dtype=float)
        self._wished = self._mv
        self._targets = self._resting(self._mv)
        self._errors: dict[str, float] = {}

    def values(
        self, time_s: float, readings: Mapping[str, float], guards: Mapping[str, float]
    ) -> Float[np.ndarray, " mv"]:
        """The MVs in force from `time_s` on, seeing the latest good readings."""
        wished = self._operators.values(time_s, readings, guards)
        if not np.array_equal(wished, self._wished):
            self._wished = wished
            self._targets = self._resting(wished) or self._targets
        self._mv = np.array(
            [self._moved(index, wished, readings) for index in range(len(self._plant.mvs))], dtype=float
        )
        return self._mv

    def _moved(self, index: int, wished: Float[np.ndarray, " mv"], readings: Mapping[str, float]) -> float:
        tag, last = self._plant.mvs[index], float(self._mv[index])
        loop = self._loops.get(tag.name)
        if loop is None:
            return float(wished[index])
        if loop.cv not in readings:
            return last
        error = self._targets[loop.cv] - readings[loop.cv]
        growth = error * self._plant.interval_s / loop.integral_s
        move = loop.gain * (error - self._errors.get(loop.cv, error) + growth)
        self._errors[loop.cv] = error
        reach = np.inf if tag.max_move is None else tag.max_move
        return float(np.clip(last + np.clip(move, -reach, reach), *tag.bounds))

    def _resting(self, mv: Float[np.ndarray, " mv"]) -> dict[str, float]:
        rest = self._region.rest(mv)
        if rest is None:
            return {}
        return {loop.cv: float(rest.outputs[self._rows[loop.cv]]) for loop in self._loops.values()}
