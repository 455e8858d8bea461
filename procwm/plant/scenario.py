"""What a simulated plant offers: equations for those who may know them, and a plant to control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from procwm.plant.link import Clock, PlantLink
from procwm.plant.tags import PlantSpec


@dataclass(frozen=True, kw_only=True)
class Equations:
    """The true plant with its base layer, as one symbolic model. Time is in seconds.

    The three functions are `casadi.Function` of `(x, mv, d)`, engineering units throughout:

    Attributes:
        states: names of the entries of `x` (process, then base layer).
        steady_state: `x` at the nominal point.
        disturbances: names of the entries of `d`, measured and unmeasured.
        nominal_disturbance: `d` at the nominal point.
        nominal_mv: MVs at the nominal point, in plant-file order.
        rhs: `dx/dt`.
        outputs: true value of every CV, PV and DV tag, in the order of `output_names`.
        output_names: tag names.
        guards: true value of each guardrail, safe where `<= 0`, in the order of `guard_names`.
        guard_names: names of the guardrails.
    """

    states: tuple[str, ...]
    steady_state: tuple[float, ...]
    disturbances: tuple[str, ...]
    nominal_disturbance: tuple[float, ...]
    nominal_mv: tuple[float, ...]
    rhs: Any
    outputs: Any
    output_names: tuple[str, ...]
    guards: Any
    guard_names: tuple[str, ...]


class Operation(StrEnum):
    """Who moves the MVs of a simulated plant."""

    EXTERNAL = "external"
    """Whoever writes through the link; disturbances as in a log."""
    ROUTINE = "routine"
    """Operators stepping MVs now and then, as a real log shows; no test signal."""
    STEP_TEST = "step-test"
    """Routine operation with small designed moves added."""


class OperatorHabits(StrEnum):
    """How the operators of routine operation move MVs."""

    LIVELY = "lively"
    """Every MV anew every few minutes, as far as its limits allow."""
    ORDINARY = "ordinary"
    """Every MV anew every 1 to 3 hours, by at most an eighth of its limits."""
    QUIET = "quiet"
    """Another grade once a shift, small moves against what disturbs it, and most hours nothing."""
    CASCADE = "cascade"
    """An outer loop moves every MV; operators move that loop's setpoints."""


@dataclass(frozen=True, kw_only=True)
class TargetChange:
    """From control interval `tick` on, CV `tag` has setpoint `value` (engineering units)."""

    tick: int
    tag: str
    value: float


@dataclass(frozen=True, kw_only=True)
class LoadChange:
    """From control interval `tick` on, `disturbance` is `value` (engineering units)."""

    tick: int
    disturbance: str
    value: float


@dataclass(frozen=True, kw_only=True)
class TruthRow:
    """What a simulator knows at one instant, free of noise.

    Like a row of a log, it shows the `mv` and the `disturbance` that were in force during the
    interval that ended at `time_ns`; the first row shows the nominal ones.
    """

    time_ns: int
    state: tuple[float, ...]
    mv: tuple[float, ...]
    disturbance: tuple[float, ...]
    outputs: Mapping[str, float]
    guards: Mapping[str, float]


@runtime_checkable
class SimulatedPlant(PlantLink, Clock, Protocol):
    """A simulated plant: it owns time and tells the truth to those who may know it."""

    @property
    def truth(self) -> TruthRow:
        """The present instant."""
        ...

    @property
    def history(self) -> Sequence[TruthRow]:
        """One row for every tick so far, the present included."""
        ...

    def advance(self) -> None:
        """Integrate one control interval and queue the samples measured at its end."""
        ...


@runtime_checkable
class Scenario(Protocol):
    """A plant that can be simulated."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str:
        """One sentence for a list."""
        ...

    @property
    def source(self) -> str:
        """Where the equations and parameters come from."""
        ...

    @property
    def plant(self) -> PlantSpec: ...
    @property
    def equations(self) -> Equations: ...

    def simulate(
        self,
        *,
        seed: int,
        operation: Operation = Operation.EXTERNAL,
        unmeasured: bool = True,
        noise: bool = True,
        loads: Sequence[LoadChange] = (),
        start_ns: int | None = None,
    ) -> SimulatedPlant:
        """A plant at its nominal point. The same arguments give the same trajectory.

        Args:
            seed: of operators, disturbances and instruments.
            operation: who moves the MVs.
            unmeasured: whether unmeasured disturbances act by themselves.
            noise: whether instruments add noise, quantisation and dropouts.
            loads: disturbances set by the caller, in place of what they would do by themselves.
            start_ns: UTC time of the first tick; a fixed default date where `None`.
        """
        ...

    def program(self, *, seed: int, intervals: int) -> tuple[TargetChange, ...]:
        """The setpoint programme of a closed-loop benchmark run of that many intervals."""
        ...


@runtime_checkable
class Staffed(Scenario, Protocol):
    """A scenario whose operators can have other habits; not every one is."""

    @property
    def kind(self) -> OperatorHabits:
        """The habits of its operators."""
        ...

    def with_habits(self, habits: OperatorHabits) -> Scenario:
        """The same plant with operators of these habits; `SpecError` where it has none such."""
        ...


def habits_name(scenario: Scenario) -> str:
    """The habits of the operators of `scenario`, `own` where they have no others."""
    return str(scenario.kind) if isinstance(scenario, Staffed) else "own"


@runtime_checkable
class Breakable(Scenario, Protocol):
    """A scenario of which parts can break; not every one is."""

    @property
    def faults(self) -> Mapping[str, str]:
        """By name, what breaks, for a table."""
        ...

    def broken(self, fault: str, *, start_s: float) -> Scenario:
        """The same plant with that fault, which begins `start_s` after the start."""
        ...
