"""A process with its base layer, instruments, disturbances and operators, as a plant that owns time."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from procwm.errors import LinkError, LinkRefusedError
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import Equations, TruthRow
from procwm.plant.tags import PlantSpec, Role
from procwm_scenarios.disturbances import Load
from procwm_scenarios.instruments import Stiction, Transmitter
from procwm_scenarios.integration import Integrator, PlantState
from procwm_scenarios.operators import Crew, TestMoves

_ENTRY_NS = 1_000_000
"""A value entered at a tick is stamped this much later: it acts after the tick, not at it."""


class Simulation:
    """A simulated plant: `PlantLink` and `Clock`, advanced one control interval at a time.

    A row of `history`, like a row of a log, shows the MVs and disturbances that were in force during
    the interval that ended there. Every MV is reported at every tick, and again when it is entered.
    """

    def __init__(
        self,
        plant: PlantSpec,
        equations: Equations,
        integrator: Integrator,
        *,
        transmitters: Mapping[str, Transmitter],
        loads: Sequence[Load],
        valves: Mapping[str, Stiction],
        operators: Crew | None,
        test_moves: TestMoves | None,
        start_ns: int,
    ) -> None:
        """Args: transmitters: by tag, of every tag but the MVs. loads: in the order of the equations."""
        self._plant = plant
        self._equations = equations
        self._integrator = integrator
        self._transmitters = transmitters
        self._loads = loads
        self._valves = valves
        self._operators = operators
        self._test_moves = test_moves
        self._start_ns = start_ns
        self._interval_ns = round(plant.interval_s * 1e9)
        self._mv = np.asarray(equations.nominal_mv, dtype=float)
        self._acting = self._mv.copy()
        self._disturbance = np.asarray(equations.nominal_disturbance, dtype=float)
        self._queue: deque[Sample] = deque()
        self._readings: dict[str, float] = {}
        self._history: list[TruthRow] = []
        self._entries = 0
        state = np.asarray(equations.steady_state, dtype=float)
        self._now = integrator.look(state, self._acting, self._disturbance)
        self._report()

    @property
    def spec(self) -> PlantSpec:
        """The plant as a controller sees it."""
        return self._plant

    @property
    def truth(self) -> TruthRow:
        """The present instant."""
        return self._history[-1]

    @property
    def history(self) -> Sequence[TruthRow]:
        """One row for every tick so far, the present included."""
        return self._history

    def drain(self) -> Sequence[Sample]:
        """Samples since the last call, oldest first."""
        samples = tuple(self._queue)
        self._queue.clear()
        return samples

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Enter MVs; values are clipped to the instrument's range, as the plant's own limits do.

        While operators hold the MVs nothing is taken over, and the answer is what they left in force.

        Raises:
            LinkRefusedError: a tag is not an MV of this plant, or a value is not finite.
        """
        names = [tag.name for tag in self._plant.mvs]
        for name, value in setpoints.items():
            if name not in names:
                raise LinkRefusedError(
                    f"{name}: not an MV of {self._plant.name}; its MVs are {', '.join(names)}"
                )
            if not math.isfinite(value):
                raise LinkRefusedError(f"{name}: {value} was written; a setpoint must be a finite number")
        if self._operators is None:
            ranges = np.array([tag.range for tag in self._plant.mvs])
            asked = [setpoints.get(name, held) for name, held in zip(names, self._mv, strict=True)]
            self._enter(np.clip(asked, ranges[:, 0], ranges[:, 1]), entered=set(setpoints))
        return {name: float(self._mv[names.index(name)]) for name in setpoints}

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Yield the present time, then advance by one interval before every further tick.

        Raises:
            LinkError: `interval_s` is not the plant's control interval.
        """
        if interval_s != self._plant.interval_s:
            raise LinkError(
                f"{self._plant.name} runs at a control interval of {self._plant.interval_s} s, "
                f"not {interval_s} s; use the plant file's interval_s"
            )
        while True:
            yield self.truth.time_ns
            self.advance()
            await asyncio.sleep(0)

    def advance(self) -> None:
        """Integrate one control interval and queue the samples measured at its end.

        Raises:
            SimulationError: the plant's equations have no finite answer.
        """
        tick = len(self._history) - 1
        if self._operators is not None:
            self._operate(self._operators, tick * self._plant.interval_s)
        self._acting = np.array(
            [
                self._valves[tag.name].follow(held, asked, tick * self._plant.interval_s)
                if tag.name in self._valves
                else asked
                for tag, held, asked in zip(self._plant.mvs, self._acting, self._mv, strict=True)
            ]
        )
        self._disturbance = np.array([load.over(tick) for load in self._loads])
        self._now = self._integrator.advance(self._now.state, self._acting, self._disturbance)
        self._entries = 0
        self._report()

    def _operate(self, operators: Crew, time_s: float) -> None:
        wanted = operators.values(time_s, self._readings, self.truth.guards)
        if self._test_moves is not None:
            wanted = self._test_moves.around(wanted, time_s)
        moved = {t.name for t, a, b in zip(self._plant.mvs, wanted, self._mv, strict=True) if a != b}
        self._enter(wanted, entered=moved)

    def _enter(self, mv: Float[np.ndarray, " mv"], *, entered: set[str]) -> None:
        if not entered:
            return
        self._mv = mv
        self._entries += 1
        stamp_ns = self.truth.time_ns + self._entries * _ENTRY_NS
        for tag, value in zip(self._plant.mvs, mv, strict=True):
            if tag.name in entered:
                self._queue.append(Sample(tag.name, float(value), Quality.GOOD, stamp_ns))

    def _report(self) -> None:
        time_ns = self._start_ns + len(self._history) * self._interval_ns
        self._history.append(self._truth_row(time_ns, self._now))
        mvs = dict(zip((tag.name for tag in self._plant.mvs), self._mv.tolist(), strict=True))
        for tag in self._plant.tags:
            if tag.role is Role.MV:
                self._queue.append(Sample(tag.name, mvs[tag.name], Quality.GOOD, time_ns))
                continue
            sample = self._transmitters[tag.name].read(self.truth.outputs[tag.name], time_ns)
            if sample is not None:
                self._queue.append(sample)
                if sample.quality is Quality.GOOD:
                    self._readings[tag.name] = sample.value

    def _truth_row(self, time_ns: int, now: PlantState) -> TruthRow:
        equations = self._equations
        return TruthRow(
            time_ns=time_ns,
            state=tuple(now.state.tolist()),
            mv=tuple(self._mv.tolist()),
            disturbance=tuple(self._disturbance.tolist()),
            outputs=dict(zip(equations.output_names, now.outputs.tolist(), strict=True)),
            guards=dict(zip(equations.guard_names, now.guards.tolist(), strict=True)),
        )
