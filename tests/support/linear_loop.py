"""A linear plant that owns time, its exact model, and a loop around both: doubles for closed-loop tests."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hand_clock import HandClock

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.measurement import utc
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.model import WorldModel

START_NS = 1_760_000_000_000_000_000
INTERVAL_S = 10.0
INTERVAL_NS = 10_000_000_000
HISTORY = 6


def plant_spec(
    *, limits: tuple[float, float] = (5.0, 95.0), mv_limits: tuple[float, float] = (10.0, 90.0)
) -> PlantSpec:
    """Two levels, two valves, one measured inflow; everything in percent, everything at 50 %."""
    return PlantSpec(
        name="two levels",
        interval_s=INTERVAL_S,
        tags=(
            Tag(name="L1", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0, limits=limits),
            Tag(name="L2", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0, limits=limits),
            Tag(
                name="V1",
                role=Role.MV,
                unit="%",
                range=(0.0, 100.0),
                limits=mv_limits,
                max_move=8.0,
                move_weight=0.05,
            ),
            Tag(
                name="V2",
                role=Role.MV,
                unit="%",
                range=(0.0, 100.0),
                limits=mv_limits,
                max_move=8.0,
                move_weight=0.05,
            ),
            Tag(name="F1", role=Role.DV, unit="%", range=(0.0, 100.0)),
        ),
    )


@dataclass(frozen=True)
class Dynamics:
    """`x' = A x + gain B u + E f + load` in deviations from 50 %; both states are measured."""

    gain: float = 1.0
    pole: float = 0.9
    coupling: float = 0.03

    @property
    def a(self) -> np.ndarray:
        return np.array([[self.pole, self.coupling], [0.0, self.pole - 0.05]])

    @property
    def b(self) -> np.ndarray:
        return self.gain * np.array([[0.12, 0.02], [0.03, 0.15]])

    @property
    def e(self) -> np.ndarray:
        return np.array([[0.05], [0.02]])


def model_of(plant: PlantSpec, *, guard_above: float | None = None, horizon: int = 10) -> WorldModel:
    """The exact model of `Dynamics()`; with a guardrail where level 1 is above `guard_above`."""
    dynamics, center = Dynamics(), np.full(2, 50.0)
    a, b, e = dynamics.a, dynamics.b, dynamics.e
    guards = {} if guard_above is None else {"high level": (np.array([0.1, 0.0]), -0.1 * guard_above)}
    return exact_model(
        plant,
        state_matrix=a,
        input_matrix=b,
        disturbance_matrix=e,
        offset=center - a @ center - b @ center - e @ np.full(1, 50.0),
        guards=guards,
        horizon=horizon,
        history=HISTORY,
    )


class LinearPlant:
    """`PlantLink` and `Clock` over `Dynamics`, with noise, an unmeasured load and faults.

    `change` maps samples to what the link delivers of them at a tick: the place for faults.
    """

    def __init__(
        self,
        spec: PlantSpec,
        dynamics: Dynamics | None = None,
        *,
        load: Callable[[int], Sequence[float]] = lambda tick: (0.0, 0.0),
        noise: float = 0.0,
        seed: int = 0,
        change: Callable[[int, list[Sample]], list[Sample]] = lambda tick, samples: samples,
    ) -> None:
        self._spec, self._dynamics = spec, dynamics or Dynamics()
        self._load, self._noise, self._change = load, noise, change
        self._rng = np.random.default_rng(seed)
        self.x, self.mv, self.dv = np.full(2, 50.0), np.full(2, 50.0), np.full(1, 50.0)
        self.tick = 0
        self.levels, self.moves = [self.x], [self.mv]
        self._queue: list[Sample] = []
        self._measure()

    @property
    def spec(self) -> PlantSpec:
        return self._spec

    @property
    def time_ns(self) -> int:
        return START_NS + self.tick * INTERVAL_NS

    def drain(self) -> Sequence[Sample]:
        samples, self._queue = self._queue, []
        return self._change(self.tick, samples)

    async def write(self, setpoints: Setpoints) -> Setpoints:
        return self.enter(setpoints)

    def enter(self, setpoints: Setpoints) -> Setpoints:
        self.mv = np.array([setpoints.get("V1", self.mv[0]), setpoints.get("V2", self.mv[1])])
        return dict(setpoints)

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        assert interval_s == INTERVAL_S
        while True:
            yield self.time_ns
            self.advance()

    def advance(self) -> None:
        dynamics, deviation = self._dynamics, self.x - 50.0
        change = dynamics.a @ deviation + dynamics.b @ (self.mv - 50.0) + dynamics.e @ (self.dv - 50.0)
        self.x = 50.0 + change + np.asarray(self._load(self.tick))
        self.tick += 1
        self.levels.append(self.x)
        self.moves.append(self.mv)
        self._measure()

    def _measure(self) -> None:
        read = self.x + self._noise * self._rng.standard_normal(2)
        values = {"L1": read[0], "L2": read[1], "V1": self.mv[0], "V2": self.mv[1], "F1": self.dv[0]}
        self._queue += [Sample(tag, float(v), Quality.GOOD, self.time_ns) for tag, v in values.items()]


@dataclass
class Loop:
    """A controller and a plant, run step by step."""

    plant: LinearPlant
    controller: Any
    state: Any = None
    decisions: list[Decision] | None = None

    def run(self, intervals: int, *, setpoints: Mapping[str, float] | None = None) -> "Loop":
        """`intervals` more cycles; `setpoints` are given with the first of them."""
        if self.state is None:
            self.state = self.controller.start({"V1": 50.0, "V2": 50.0})
        self.decisions = self.decisions or []
        for index in range(intervals):
            decision, self.state = self.controller.step(
                self.plant.drain(),
                self.state,
                time=utc(self.plant.time_ns),
                setpoints=setpoints if index == 0 else None,
            )
            self.decisions.append(decision)
            if decision.setpoints is not None:
                self.plant.enter(decision.setpoints)
            self.plant.advance()
        return self

    @property
    def levels(self) -> np.ndarray:
        """True levels at every tick, the present included."""
        return np.array(self.plant.levels)

    @property
    def moves(self) -> np.ndarray:
        """Valve positions in force up to every tick."""
        return np.array(self.plant.moves)


def loop(
    spec: PlantSpec | None = None, *, model: WorldModel | None = None, planner: Any = None, **plant: Any
) -> Loop:
    """A controller with the exact model around a plant that may differ from it."""
    spec = spec or plant_spec()
    controller = Controller(spec, model or model_of(spec), planner=planner, clock=HandClock())
    return Loop(LinearPlant(spec, **plant), controller)


def with_setpoint(spec: PlantSpec, tag: str, setpoint: float) -> PlantSpec:
    """`spec` with another setpoint in the plant file."""
    tags = tuple(replace(t, setpoint=setpoint) if t.name == tag else t for t in spec.tags)
    return replace(spec, tags=tags)
