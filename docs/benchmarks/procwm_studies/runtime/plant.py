"""A plant with as many tags as one likes, which all change in every interval, and its exact model."""

import time
from collections.abc import AsyncIterator, Sequence

import numpy as np

from procwm.errors import LinkError, SpecError
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import TargetChange, TruthRow
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.testing import exact_model
from procwm.world.model import WorldModel

INTERVAL_S = 1.0
_SHARE = 20
"""Every twentieth tag is a CV, as many are MVs and DVs; the rest are PVs."""
_POLE, _GAIN, _COUPLING = 0.95, 0.05, 0.005
_NOISE = 0.05
_HORIZON, _HISTORY = 20, 20
_CHANGE_EVERY = 30
"""Intervals between two changes of a setpoint."""


def wide_plant(tags: int) -> PlantSpec:
    """A plant of `tags` tags, all 0 to 100 %, with a control interval of 1 s."""
    each = tags // _SHARE
    if each < 1:
        raise SpecError(f"--tags {tags}: at least {_SHARE} are needed")
    found = [
        Tag(
            name=f"C{number}",
            role=Role.CV,
            unit="%",
            range=(0.0, 100.0),
            setpoint=50.0,
            limits=(5.0, 95.0),
        )
        for number in range(each)
    ]
    found += [
        Tag(
            name=f"M{number}",
            role=Role.MV,
            unit="%",
            range=(0.0, 100.0),
            limits=(10.0, 90.0),
            max_move=2.0,
            move_weight=0.1,
        )
        for number in range(each)
    ]
    found += [Tag(name=f"D{number}", role=Role.DV, unit="%", range=(0.0, 100.0)) for number in range(each)]
    found += [
        Tag(name=f"P{number}", role=Role.PV, unit="%", range=(0.0, 100.0))
        for number in range(tags - 3 * each)
    ]
    return PlantSpec(name=f"{tags} tags", interval_s=INTERVAL_S, tags=tuple(found))


def _matrices(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A and B of `x' = A x + B u` in deviations: lags that act on their neighbours a little."""
    a = _POLE * np.eye(count)
    b = _GAIN * np.eye(count) + _COUPLING * np.eye(count, k=1)
    return a, b


def wide_model(plant: PlantSpec) -> WorldModel:
    """The exact model of `WidePlant`."""
    a, b = _matrices(len(plant.cvs))
    center = np.full(len(plant.cvs), 50.0)
    return exact_model(
        plant,
        state_matrix=a,
        input_matrix=b,
        offset=center - a @ center - b @ center,
        horizon=_HORIZON,
        history=_HISTORY,
    )


def programme(plant: PlantSpec, intervals: int) -> list[TargetChange]:
    """Setpoint changes that keep the planner at work: one CV after the other, up and down."""
    names = names_of(plant.cvs)
    return [
        TargetChange(
            tick=tick,
            tag=names[number % len(names)],
            value=55.0 if number // len(names) % 2 == 0 else 45.0,
        )
        for number, tick in enumerate(range(_CHANGE_EVERY, intervals, _CHANGE_EVERY))
    ]


class WidePlant:
    """A `SimulatedPlant` in wall time whose every tag has a new value in every interval."""

    def __init__(self, plant: PlantSpec, *, seed: int) -> None:
        self._spec = plant
        self._rng = np.random.default_rng(seed)
        self._a, self._b = _matrices(len(plant.cvs))
        self._cv = np.full(len(plant.cvs), 50.0)
        self._mv = dict.fromkeys(names_of(plant.mvs), 50.0)
        self._now_ns = time.time_ns()
        self._queue: list[Sample] = []
        self._measure()

    @property
    def spec(self) -> PlantSpec:
        """Its plant file."""
        return self._spec

    @property
    def truth(self) -> TruthRow:
        """The present instant."""
        return TruthRow(
            time_ns=self._now_ns,
            state=tuple(self._cv.tolist()),
            mv=tuple(self._mv.values()),
            disturbance=(),
            outputs={},
            guards={},
        )

    @property
    def history(self) -> Sequence[TruthRow]:
        """The present alone: what is measured here is not the plant."""
        return (self.truth,)

    def drain(self) -> Sequence[Sample]:
        """Samples since the last call."""
        samples, self._queue = self._queue, []
        return samples

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Take every setpoint as it is."""
        unknown = setpoints.keys() - self._mv.keys()
        if unknown:
            raise LinkError(f"not an MV: {', '.join(sorted(unknown))}")
        self._mv.update(setpoints)
        return dict(setpoints)

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The present, then one interval more with every tick."""
        yield self._now_ns
        while True:
            self.advance()
            yield self._now_ns

    def advance(self) -> None:
        """One control interval."""
        moved = np.array(list(self._mv.values())) - 50.0
        self._cv = 50.0 + self._a @ (self._cv - 50.0) + self._b @ moved
        self._now_ns = time.time_ns()
        self._measure()

    def _measure(self) -> None:
        noise = _NOISE * self._rng.standard_normal(len(self._spec.tags))
        values = dict(zip(names_of(self._spec.cvs), self._cv.tolist(), strict=True)) | self._mv
        for tag, error in zip(self._spec.tags, noise.tolist(), strict=True):
            value = values.get(tag.name, 50.0)
            # An MV is what it was told to be.
            value += 0.0 if tag.role is Role.MV else error
            self._queue.append(Sample(tag.name, value, Quality.GOOD, self._now_ns))
