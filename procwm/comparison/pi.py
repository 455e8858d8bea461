"""Decentralised PI control from CVs to MVs: what a plant without MPC would run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from procwm.comparison.closed_loop import closed_loop
from procwm.comparison.pi_tuning import Loop, detuned, tuned_loops
from procwm.control.decision import Decision
from procwm.errors import SimulationError
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec

_DETUNINGS = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 16.0)
_PROGRAMME_SEED = 9_000
_INTERVALS = 360


@dataclass(frozen=True, kw_only=True)
class PiState:
    """What a `ProportionalIntegral` remembers.

    Attributes:
        last_mv: what it wrote last.
        setpoints: in force, by CV.
        latest: last Good value of every tag.
        integral: of every loop; `None` before its first error.
    """

    last_mv: Mapping[str, float]
    setpoints: Mapping[str, float]
    latest: Mapping[str, float]
    integral: tuple[float | None, ...]


class ProportionalIntegral:
    """One PI loop for every paired CV and MV, in positional form.

    An MV keeps its range and its largest move. The integral stops where a limit of the range is
    reached and the error pushes further into it (clamping); it starts so that the first move is 0.
    A CV without a fresh sample keeps its last Good value. MVs without a loop stay where they are.
    """

    def __init__(self, plant: PlantSpec, loops: Sequence[Loop]) -> None:
        self._plant = plant
        self.loops = tuple(loops)

    @classmethod
    def tuned(cls, scenario: Scenario) -> "ProportionalIntegral":
        """For `scenario`, by `tuned_loops`, and then all loops detuned together as far as it helps.

        Loops upset each other, and a plant is not the same everywhere: of several factors, and of pairings
        that are tied, the one with the least cost counts, over a setpoint programme of its own, without
        noise.
        """
        tried = [
            cls(scenario.plant, detuned(loops, factor))
            for loops in tuned_loops(scenario)
            for factor in _DETUNINGS
        ]
        costs = [_cost(scenario, controller) for controller in tried]
        return tried[int(np.argmin(costs))]

    def start(self, last_mv: Mapping[str, float]) -> PiState:
        """The state before the first step."""
        setpoints = {tag.name: tag.setpoint for tag in self._plant.cvs if tag.setpoint is not None}
        return PiState(
            last_mv=dict(last_mv), setpoints=setpoints, latest={}, integral=(None,) * len(self.loops)
        )

    def step(
        self,
        samples: Sequence[Sample],
        state: PiState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, PiState]:
        """One control cycle."""
        good = sorted((s for s in samples if s.quality is Quality.GOOD), key=lambda s: s.source_ns)
        latest = {**state.latest, **{sample.tag: sample.value for sample in good}}
        targets = {**state.setpoints, **(setpoints or {})}
        mv = dict(state.last_mv)
        integral = list(state.integral)
        for index, loop in enumerate(self.loops):
            if loop.cv in latest:
                wanted = self._wanted(loop.cv, latest[loop.cv], targets)
                mv[loop.mv], integral[index] = self._act(
                    loop, wanted - latest[loop.cv], state.last_mv[loop.mv], integral[index]
                )
        after = replace(state, last_mv=mv, setpoints=targets, latest=latest, integral=tuple(integral))
        return Decision(setpoints=mv), after

    def _wanted(self, cv: str, value: float, targets: Mapping[str, float]) -> float:
        zone = self._plant.tag(cv).zone
        inside = value if zone is None else min(max(value, zone[0]), zone[1])
        return targets.get(cv, inside)

    def _act(self, loop: Loop, error: float, last: float, integral: float | None) -> tuple[float, float]:
        tag = self._plant.tag(loop.mv)
        low, high = tag.bounds
        before = last - loop.gain * error if integral is None else integral
        growth = loop.gain * error * self._plant.interval_s / loop.integral_s
        wanted = loop.gain * error + before + growth
        pushes_further = (wanted > high and growth > 0) or (wanted < low and growth < 0)
        reach = np.inf if tag.max_move is None else tag.max_move
        moved = float(np.clip(np.clip(wanted, low, high), last - reach, last + reach))
        return moved, before if pushes_further else before + growth


def _cost(scenario: Scenario, controller: ProportionalIntegral) -> float:
    """Cost of a run that no comparison is made with; infinite where the plant runs away."""
    try:
        run = closed_loop(
            scenario, lambda _: controller, seed=_PROGRAMME_SEED, intervals=_INTERVALS, noise=False
        )
    except SimulationError:
        return math.inf
    return run.cost
