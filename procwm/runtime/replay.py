"""What a controller would have done over a log, beside what was done, and what surprised the model."""

import time as wall
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.measurement import utc
from procwm.control.modes import Mode
from procwm.control.state import ControllerState
from procwm.data.series import CODES, Log
from procwm.data.window import Grid, WindowRule, grid
from procwm.errors import LinkError, LinkRefusedError, SpecError
from procwm.learning.calibration.surprise_limits import surprises
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec
from procwm.runtime.hindcast import half_widths, hindcast
from procwm.runtime.surprised import SurprisedStretch, surprised_stretches
from procwm.world.model import WorldModel
from procwm.world.threads import one_thread

_HINDCAST_SHARE = 0.5
"""Of the progress that is reported."""


class LogPlant:
    """A log as a plant: link and clock. It reports what was reported then, and takes no setpoints."""

    def __init__(self, spec: PlantSpec, log: Log, rule: WindowRule) -> None:
        """Args: spec: of the plant. log: its samples. rule: whose rows are the ticks."""
        self._spec = spec
        self._samples = log.samples()
        self._times = grid(log, rule).time_ns
        self._next, self._now_ns = 0, -1

    @property
    def spec(self) -> PlantSpec:
        """The plant that was recorded."""
        return self._spec

    def drain(self) -> Sequence[Sample]:
        """Samples up to the present tick that were not drained before."""
        first = self._next
        while self._next < len(self._samples) and self._samples[self._next].source_ns <= self._now_ns:
            self._next += 1
        return self._samples[first : self._next]

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Refuse: the past cannot be changed.

        Raises:
            LinkRefusedError: always.
        """
        raise LinkRefusedError(f"{', '.join(setpoints)}: a log takes no setpoints; replay it in mode shadow")

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Yield the time of every row of the log's grid.

        Raises:
            LinkError: `interval_s` is not the plant's control interval.
        """
        if interval_s != self._spec.interval_s:
            raise LinkError(f"the log is replayed at {self._spec.interval_s:g} s, not at {interval_s:g} s")
        for time_ns in self._times.tolist():
            self._now_ns = time_ns
            yield time_ns


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayResult:
    """A replay over the rows of a log's grid, engineering units; NaN where there is nothing to say.

    Attributes:
        plant: whose targets the controller had.
        grid: the log on the control grid.
        output: measured, over `plant.outputs`.
        mv: in force during the interval that ended at each row.
        target: setpoints of the plant file.
        suggested_mv: what the controller would have written at each row; made at some rows only.
        predicted: by lead in intervals, outputs predicted for each row that many intervals before.
        half_width: of the error band about `predicted` at the longest lead, wider where the model is less
            sure; NaN where it was not looked at, +inf where it is not known.
        surprise: how far readings are from what the model expected, 1 being what ordinary operation reaches
            once a day.
        told_by: the tag that told most of a surprise above 1, or `None`.
        surprised_stretches: when they were further, the furthest first.
        watched: tags whose readings count there; training left the others out.
        guard: the model's guardrails at each row; safe where `<= 0`.
        guard_names: of the axis `guard`.
        decisions: those made, oldest first, each with its time and plan.
        reasons: how often each reason was given for not suggesting a move.
        seconds: wall time it took.
    """

    plant: PlantSpec
    grid: Grid
    output: Float[np.ndarray, "row output"]
    mv: Float[np.ndarray, "row mv"]
    target: Float[np.ndarray, "row output"]
    suggested_mv: Float[np.ndarray, "row mv"]
    predicted: Mapping[int, Float[np.ndarray, "row output"]]
    half_width: Float[np.ndarray, "row output"]
    surprise: Float[np.ndarray, " row"]
    told_by: tuple[str | None, ...]
    surprised_stretches: tuple[SurprisedStretch, ...]
    watched: tuple[str, ...]
    guard: Float[np.ndarray, "row guard"]
    guard_names: tuple[str, ...]
    decisions: tuple[Decision, ...]
    reasons: Counter[str]
    seconds: float

    @property
    def surprised(self) -> float:
        """Share of the rows with a surprise above 1; NaN where it is not known of any."""
        known = self.surprise[np.isfinite(self.surprise)]
        return float((known > 1.0).mean()) if len(known) else float("nan")


@one_thread()
def replay(
    model: WorldModel,
    log: Log,
    *,
    controller: Controller | None = None,
    decisions: int = 500,
    leads: Sequence[int] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> ReplayResult:
    """Let a controller look over the shoulder of whoever ran the plant.

    Predictions are made for every row, in batches. Decisions cost a plan each, so they are made at evenly
    spread rows, each by a controller that starts there and is given what was before, as far as it looks back.

    Args:
        model: a finished world model.
        log: of the plant it was made for.
        controller: in mode shadow or advisory; one with the targets of the model's plant where `None`.
        decisions: the most decisions to make.
        leads: prediction leads in intervals; 1, 5, 20 and the model's horizon where `None`.
        on_progress: told the share that is done.

    Raises:
        LogError: the log is nowhere long enough for a window.
        SpecError: the controller would write.
    """
    began = wall.perf_counter()
    controller = controller or Controller(model.plant, model, mode=Mode.SHADOW)
    if controller.mode not in (Mode.SHADOW, Mode.ADVISORY):
        raise SpecError(f"a log cannot be replayed in mode {controller.mode}; use shadow or advisory")
    report = on_progress or (lambda share: None)
    rows = grid(log, model.rule)
    wanted = leads or [lead for lead in (1, 5, 20, model.horizon) if lead <= model.horizon]
    past = hindcast(model, rows, wanted, on_progress=lambda share: report(_HINDCAST_SHARE * share))
    output = rows.values[:, rows.columns(model.output_names)]
    made = _decide(
        controller,
        log,
        rows,
        decisions,
        lambda share: report(_HINDCAST_SHARE + (1 - _HINDCAST_SHARE) * share),
    )
    names = model.plant.mv_names
    suggested = np.full((len(rows), len(names)), np.nan)
    for row, decision in made.items():
        if decision.proposed is not None:
            suggested[row] = [decision.proposed[name] for name in names]
    surprise, column = surprises(model, rows)
    watched = () if model.surprise is None else model.surprise.tags
    told_by = tuple(
        watched[place] if value > 1.0 else None
        for value, place in zip(surprise.tolist(), column.tolist(), strict=True)
    )
    target = [tag.setpoint if tag.setpoint is not None else np.nan for tag in controller.plant.outputs]
    return ReplayResult(
        plant=controller.plant,
        grid=rows,
        output=output,
        mv=rows.values[:, rows.columns(names)],
        target=np.repeat(np.array([target], dtype=float), len(rows), axis=0),
        suggested_mv=suggested,
        predicted={lead: past.predicted[lead] for lead in wanted},
        half_width=half_widths(model, rows, max(wanted)),
        surprise=surprise,
        told_by=told_by,
        surprised_stretches=surprised_stretches(
            rows.time_ns, surprise, told_by, apart_ns=rows.rule.span_ns + rows.rule.interval_ns
        ),
        watched=watched,
        guard=past.guard,
        guard_names=model.guard_names,
        decisions=tuple(made.values()),
        reasons=Counter(decision.reason for decision in made.values() if decision.proposed is None),
        seconds=wall.perf_counter() - began,
    )


def _decide(
    controller: Controller, log: Log, rows: Grid, count: int, report: Callable[[float], None]
) -> dict[int, Decision]:
    """Decisions at up to `count` evenly spread rows that end a whole window, by row."""
    ready = np.flatnonzero(rows.ready)
    if count < 1 or not len(ready):
        return {}
    chosen = ready[np.unique(np.linspace(0, len(ready) - 1, min(count, len(ready))).round().astype(int))]
    made: dict[int, Decision] = {}
    for number, row in enumerate(chosen.tolist()):
        # As one that starts there with what was before: a matter of the row alone.
        state = _begun(controller, log, rows, row)
        now_ns = int(rows.time_ns[row])
        samples = log.samples(_before(rows, row), now_ns + 1)
        made[row], _ = controller.step(samples, state, time=utc(now_ns))
        report((number + 1) / len(chosen))
    return made


def _begun(controller: Controller, log: Log, rows: Grid, row: int) -> ControllerState:
    """A controller that knows what was before `row`, as far back as it looks."""
    columns = rows.columns(controller.plant.mv_names)
    center, _ = controller.model.scaler.part(controller.plant.mv_names)
    mv = np.where(rows.valid[row, columns], rows.values[row, columns], center)
    end_ns = _before(rows, row)
    start_ns = end_ns - (controller.memory + 1) * rows.rule.interval_ns - rows.rule.span_ns
    history = [*_last_before(log, start_ns), *log.samples(start_ns, end_ns)]
    return controller.start(dict(zip(controller.plant.mv_names, mv.tolist(), strict=True)), history=history)


def _last_before(log: Log, start_ns: int) -> Iterator[Sample]:
    """What the tags of `log` read at `start_ns`: by exception they may not have been reported since."""
    for name, series in log.series.items():
        place = int(np.searchsorted(series.time_ns, start_ns)) - 1
        while place >= 0 and series.quality[place] != CODES[Quality.GOOD]:
            place -= 1
        if place >= 0:
            yield Sample(name, float(series.value[place]), Quality.GOOD, int(series.time_ns[place]))


def _before(rows: Grid, row: int) -> int:
    """When the interval that ends at `row` began, exclusive."""
    return int(rows.time_ns[row]) - rows.rule.interval_ns + 1
