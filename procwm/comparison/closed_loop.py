"""A controller on a simulated plant, in process, scored on the truth."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.comparison import metrics
from procwm.control.decision import SteppedController
from procwm.control.measurement import utc
from procwm.plant.scenario import LoadChange, Scenario, SimulatedPlant, TargetChange
from procwm.plant.tags import PlantSpec, names_of

WARM_UP = 64
"""Intervals at nominal MVs before the first scored one, so that every history is full."""


ControllerFactory = Callable[[SimulatedPlant], SteppedController]
"""Builds a controller for one run; only an oracle looks at the plant it is given."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClosedLoopRun:
    """What one controller did, and what the plant truly did.

    Rows of the axis `present` are instants, the first being the one at which control began;
    row `k` of the axis `interval` belongs to the interval that ends at instant `k + 1`.

    Attributes:
        plant: the plant file.
        seed: of disturbances and instruments.
        time_ns: UTC time of every instant.
        cv: true outputs, over `plant.outputs`.
        mv: MVs in force when the instant came.
        guard: true guardrails; safe where `<= 0`.
        guard_names: names of the axis `guard`.
        state, disturbance: of the true equations.
        target: setpoints in force; NaN where an output has none.
        step_s: wall time of every controller step.
        held: count of steps that wrote nothing.
    """

    plant: PlantSpec
    seed: int
    time_ns: tuple[int, ...]
    cv: Float[np.ndarray, "present output"]
    mv: Float[np.ndarray, "present mv"]
    guard: Float[np.ndarray, "present guard"]
    guard_names: tuple[str, ...]
    state: Float[np.ndarray, "present state"]
    disturbance: Float[np.ndarray, "present disturbance"]
    target: Float[np.ndarray, "interval output"]
    step_s: Float[np.ndarray, " interval"]
    held: int

    @cached_property
    def interval_costs(self) -> Float[np.ndarray, " interval"]:
        """As `metrics.interval_costs` defines them."""
        return metrics.interval_costs(self.plant, self.cv[1:], self.mv, self.target)

    @property
    def cost(self) -> float:
        """Of the whole run."""
        return float(self.interval_costs.sum())

    @cached_property
    def limit_violations(self) -> int:
        """Intervals and outputs that ended outside a limit."""
        return int(metrics.limit_violations(self.plant, self.cv[1:]).sum())

    @cached_property
    def guard_violations(self) -> int:
        """Intervals and guardrails that ended above 0."""
        return int(metrics.guard_violations(self.guard[1:]).sum())

    @property
    def guard_deepest(self) -> float:
        """The largest true value of any guardrail, 0 where none was broken."""
        return float(self.guard[1:].max(initial=0.0))

    @property
    def violations(self) -> int:
        """Broken limits and guardrails together."""
        return self.limit_violations + self.guard_violations

    def step_ms(self, percentile: float) -> float:
        """Wall time of a controller step that `percentile` % of the steps stayed within."""
        return float(np.percentile(self.step_s, percentile) * 1e3)


def closed_loop(
    scenario: Scenario,
    controller_factory: ControllerFactory,
    *,
    seed: int,
    intervals: int,
    warm_up: int = WARM_UP,
    program: Sequence[TargetChange] | None = None,
    loads: Sequence[LoadChange] = (),
    unmeasured: bool = True,
    noise: bool = True,
) -> ClosedLoopRun:
    """Let a controller run a fresh simulated plant.

    The plant first stays `warm_up` intervals at its nominal MVs; the controller sees those samples
    at its first step, and they are not scored. A setpoint is known from its tick on, never before.
    The same seed gives every controller the same disturbances, noise and dropouts.

    Args:
        scenario: what to simulate.
        controller_factory: builds the controller.
        seed: of the plant and of the setpoint programme.
        intervals: scored control intervals.
        warm_up: control intervals before them.
        program: setpoint changes; those of the scenario where `None`. Tick 0 is the first scored one.
        loads: disturbances set from outside; tick 0 is the first scored one.
        unmeasured: whether unmeasured disturbances act by themselves.
        noise: whether instruments add noise, quantisation and dropouts.
    """
    changes = scenario.program(seed=seed, intervals=intervals) if program is None else program
    plant = scenario.simulate(
        seed=seed,
        unmeasured=unmeasured,
        noise=noise,
        loads=[
            LoadChange(tick=load.tick + warm_up, disturbance=load.disturbance, value=load.value)
            for load in loads
        ],
    )
    return asyncio.run(_drive(plant, controller_factory(plant), changes, seed, intervals, warm_up))


async def _drive(
    plant: SimulatedPlant,
    controller: SteppedController,
    program: Sequence[TargetChange],
    seed: int,
    intervals: int,
    warm_up: int,
) -> ClosedLoopRun:
    spec = plant.spec
    for _ in range(warm_up):
        plant.advance()
    last_mv = dict(zip(names_of(spec.mvs), plant.truth.mv, strict=True))
    state = controller.start(last_mv)
    setpoints = {tag.name: tag.setpoint for tag in spec.cvs if tag.setpoint is not None}
    target, step_s, held = [], [], 0
    for tick in range(intervals):
        setpoints |= {change.tag: change.value for change in program if change.tick == tick}
        samples = plant.drain()
        now = utc(plant.truth.time_ns)
        began = time.perf_counter()
        decision, state = controller.step(samples, state, time=now, setpoints=setpoints)
        step_s.append(time.perf_counter() - began)
        if decision.setpoints is None:
            held += 1
        else:
            await plant.write(decision.setpoints)
        target.append([setpoints.get(tag.name, np.nan) for tag in spec.outputs])
        plant.advance()
    rows = plant.history[-intervals - 1 :]
    guard_names = tuple(rows[0].guards)
    return ClosedLoopRun(
        plant=spec,
        seed=seed,
        time_ns=tuple(row.time_ns for row in rows),
        cv=np.array([[row.outputs[tag.name] for tag in spec.outputs] for row in rows]),
        mv=np.array([row.mv for row in rows]),
        guard=np.array([[row.guards[name] for name in guard_names] for row in rows]).reshape(len(rows), -1),
        guard_names=guard_names,
        state=np.array([row.state for row in rows]),
        disturbance=np.array([row.disturbance for row in rows]),
        target=np.array(target),
        step_s=np.array(step_s),
        held=held,
    )
