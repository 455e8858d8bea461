"""Simulated plants that are no longer what they were: an MV that does more, a sensor that reads otherwise."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.data.series import Log
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import Scenario, SimulatedPlant, TargetChange, TruthRow
from procwm.plant.tags import PlantSpec, names_of

_STEPS, _STEP = (15, 40), 0.1
"""Intervals that an MV of a step test is held, and its steps as a share of its limits."""


@dataclass(frozen=True, kw_only=True)
class Alteration:
    """What is otherwise at some tick; the defaults are a plant as it was.

    Attributes:
        gain: by which the first MV acts more, about its nominal value.
        every_gain: the same of all MVs.
        late: intervals that the first MV acts later.
        reads: by which the first CV reads more, about its nominal value.
    """

    gain: float = 1.0
    every_gain: float = 1.0
    late: int = 0
    reads: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class AlteredScenario:
    """A scenario and what happens to it.

    Attributes:
        scenario: as it was.
        at: what is otherwise, by tick of the simulation.
    """

    scenario: Scenario
    at: Callable[[int], Alteration]

    @property
    def plant(self) -> PlantSpec:
        """That of the scenario: nobody has changed the plant file."""
        return self.scenario.plant

    def program(self, *, seed: int, intervals: int) -> tuple[TargetChange, ...]:
        """That of the scenario."""
        return self.scenario.program(seed=seed, intervals=intervals)

    def simulate(self, *, seed: int, **given: Any) -> "AlteredPlant":
        """The plant, with nobody but the link moving its MVs."""
        return AlteredPlant(self.scenario, self.scenario.simulate(seed=seed, **given), self.at)


class AlteredPlant:
    """A simulated plant between whose equations and link something was altered."""

    def __init__(self, scenario: Scenario, plant: SimulatedPlant, at: Callable[[int], Alteration]) -> None:
        self.spec, self._plant, self._at = plant.spec, plant, at
        self._nominal = np.array(scenario.equations.nominal_mv)
        self._names, self._range = names_of(self.spec.mvs), np.array([t.range for t in self.spec.mvs])
        # The last one is in force; before the first tick the plant was at rest.
        self._asked: list[Float[np.ndarray, " mv"]] = [self._nominal, self._nominal.copy()]
        self._cv = self.spec.cvs[0].name
        self._usual = plant.truth.outputs[self._cv]
        self.history: list[TruthRow] = [self._shown(plant.truth)]

    @property
    def truth(self) -> TruthRow:
        """The present instant, MVs as asked for, and the first CV as a faultless instrument reads it."""
        return self.history[-1]

    def drain(self) -> Sequence[Sample]:
        """Samples since the last call; MVs are reported as they were asked for."""
        asked = dict(zip(self._names, self._asked[-1].tolist(), strict=True))
        return [self._read(sample, asked) for sample in self._plant.drain()]

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Ask for MVs within their range."""
        asked = [setpoints.get(name, was) for name, was in zip(self._names, self._asked[-1], strict=True)]
        self._asked[-1] = np.clip(np.array(asked, dtype=float), self._range[:, 0], self._range[:, 1])
        return {name: float(self._asked[-1][self._names.index(name)]) for name in setpoints}

    def advance(self) -> None:
        """One control interval."""
        _finished(self._plant.write(dict(zip(self._names, self._acting().tolist(), strict=True))))
        self._plant.advance()
        self.history.append(self._shown(self._plant.truth))
        self._asked.append(self._asked[-1])

    @property
    def _now(self) -> Alteration:
        return self._at(len(self._asked) - 2)

    def _acting(self) -> Float[np.ndarray, " mv"]:
        acting, now = self._asked[-1].copy(), self._now
        acting[0] = self._asked[max(len(self._asked) - 1 - now.late, 0)][0]
        factor = np.full(len(acting), now.every_gain)
        factor[0] *= now.gain
        found: Float[np.ndarray, " mv"] = self._nominal + factor * (acting - self._nominal)
        return found

    def _read(self, sample: Sample, asked: Mapping[str, float]) -> Sample:
        if sample.tag in asked:
            return replace(sample, value=asked[sample.tag])
        return replace(sample, value=self._reading(sample.value)) if sample.tag == self._cv else sample

    def _reading(self, value: float) -> float:
        return self._usual + self._now.reads * (value - self._usual)

    def _shown(self, row: TruthRow) -> TruthRow:
        outputs = {**row.outputs, self._cv: self._reading(row.outputs[self._cv])}
        return replace(row, mv=tuple(self._asked[-1].tolist()), outputs=outputs)


def _finished(entry: Coroutine[Any, Any, Setpoints]) -> None:
    """A write into a simulation in process, which waits for nothing."""
    try:
        entry.send(None)
    except StopIteration:
        return
    raise AssertionError("a simulated plant waits for nothing")


def step_test(altered: AlteredScenario, *, seed: int, intervals: int) -> Log:
    """A log of the plant with every MV stepped up and down by itself, about where it rests."""
    rng, plant = np.random.default_rng(seed), altered.simulate(seed=seed)
    samples = list(plant.drain())
    mvs = plant.spec.mvs
    nominal = np.array(plant.truth.mv)
    size = np.array([_STEP * (tag.bounds[1] - tag.bounds[0]) for tag in mvs])
    until, at = np.zeros(len(mvs)), nominal.copy()
    for tick in range(intervals):
        due = until <= tick
        at = np.where(due, nominal + size * rng.choice([-1.0, 0.0, 1.0], len(mvs)), at)
        until = np.where(due, tick + rng.integers(*_STEPS, len(mvs)), until)
        _finished(plant.write(dict(zip(names_of(mvs), at.tolist(), strict=True))))
        plant.advance()
        samples += plant.drain()
    return Log.from_samples(samples, plant.spec)
