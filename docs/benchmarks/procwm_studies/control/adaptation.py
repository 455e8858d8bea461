"""`procwm bench adaptation`: plants that change, under a controller that follows and others that do not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch

from procwm.comparison.closed_loop import WARM_UP, ClosedLoopRun, closed_loop
from procwm.comparison.linear_model import identify_linear
from procwm.comparison.linear_mpc import LinearMpc
from procwm.comparison.operating import operate
from procwm.control.controller import Controller
from procwm.control.decision import Decision, SteppedController
from procwm.data.series import Log
from procwm.errors import SpecError
from procwm.learning.train import train
from procwm.plant.contract import Adapt
from procwm.plant.registry import scenario as registered
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import Scenario
from procwm.world.model import WorldModel
from procwm.world.storage.model_files import load_model
from procwm_studies import PLANTS, Progress
from procwm_studies.control.altered_plants import Alteration, AlteredScenario, step_test
from procwm_studies.results import Row, command_line, table, write_results

SEEDS = (0, 1, 2)
HOURS = 20.0
DAYS = 30
DAY = 480
"""Control intervals of a day, with five to eight setpoints: shorter than one of the clock."""
_TESTED = 1500
"""Control intervals of the step test that a linear model is identified from."""
_AS_IT_WAS = Alteration()
CHANGES: Mapping[str, Callable[[float], Alteration]] = MappingProxyType(
    {
        "one gain doubled": lambda share: Alteration(gain=2.0),
        "nothing": lambda share: _AS_IT_WAS,
        "all gains -30 %, slowly": lambda share: Alteration(every_gain=1.0 - 0.3 * share),
        "sensor reads 1.3 times": lambda share: Alteration(reads=1.3),
        "2 intervals later": lambda share: Alteration(late=2),
    }
)
"""What happens after the first third, by the share of the rest that is over."""
_HEADER = ("plant", "change", "controller", "cost", "relative", "adaptations", "guardrails broken")


@dataclass(frozen=True, kw_only=True)
class Lived:
    """One controller under one change: a row of `adaptation.json`.

    Attributes:
        relative: cost over that of `identified_daily`.
        adaptations: switches to another version of the model.
        guard_violations: intervals and guardrails of the plant that were broken; no controller was told them.
        largest_move: of any MV in the interval after a switch, over `max_move`; 0 without a switch.
        told: what was told of the model, by interval.
    """

    plant: str
    seed: int
    change: str
    controller: str
    cost: float
    relative: float
    adaptations: int
    guard_violations: int
    largest_move: float
    told: tuple[str, ...]


class Told:
    """A controller that is listened to: what it says of its model, and when it moves after a switch."""

    def __init__(self, controller: SteppedController) -> None:
        self._controller, self.told, self.largest = controller, list[str](), 0.0
        self._tick, self.versions, self._switched = 0, 0, False

    def start(self, last_mv: Mapping[str, float]) -> Any:
        """As the controller."""
        self._last = dict(last_mv)
        return self._controller.start(last_mv)

    def step(
        self, samples: Sequence[Sample], state: Any, *, time: datetime, setpoints: Setpoints | None = None
    ) -> tuple[Decision, Any]:
        """As the controller."""
        decision, state = self._controller.step(samples, state, time=time, setpoints=setpoints)
        written = decision.setpoints or {}
        plant = getattr(self._controller, "plant", None)
        if self._switched and plant is not None:
            moves = (abs(written[t.name] - self._last[t.name]) / (t.max_move or t.span) for t in plant.mvs)
            self.largest = max(self.largest, *moves) if written else self.largest
        self._switched = decision.version != self.versions
        self.versions = decision.version
        if decision.adapted:
            self.told.append(f"{self._tick}: {decision.adapted}")
        self._last |= written
        self._tick += 1
        return decision, state


class DailyController:
    """Another controller every day, the plant going on."""

    def __init__(self, by_day: Callable[[int], SteppedController]) -> None:
        self._by_day, self._tick = by_day, 0

    def start(self, last_mv: Mapping[str, float]) -> Any:
        """The first day's state."""
        self._last, self._controller = dict(last_mv), self._by_day(0)
        return self._controller.start(last_mv)

    def step(
        self, samples: Sequence[Sample], state: Any, *, time: datetime, setpoints: Setpoints | None = None
    ) -> tuple[Decision, Any]:
        """One control cycle of the day's controller; it is shown the last window of the day before."""
        if self._tick and self._tick % DAY == 0:
            controller = self._by_day(self._tick // DAY)
            if controller is not self._controller:
                self._controller = controller
                state = replace(controller.start(self._last), buffer=state.buffer)
        self._tick += 1
        decision, state = self._controller.step(samples, state, time=time, setpoints=setpoints)
        self._last |= decision.setpoints or {}
        return decision, state


def run_adaptation(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    days: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Live through the changes, and write `out/adaptation.json` and `out/adaptation.md`.

    Args:
        out: a folder.
        scenarios: `PLANTS` where empty.
        seeds: of log, training, noise, loads and setpoints; `SEEDS` where empty.
        hours: of the log that the model is learned from; `HOURS` where `None`.
        days: of `DAY` control intervals; `DAYS` where `None`.
        progress: told what is being done.

    Raises:
        SpecError: fewer than 3 `days`.
    """
    days, say = DAYS if days is None else days, progress or (lambda _: None)
    if days < 3:
        raise SpecError(f"--days is {days}; a change comes after a third of them, so at least 3 are needed")
    command = f"{command_line('adaptation', scenarios, seeds, hours)} --days {days}"
    rows: list[Row] = []
    for name in list(scenarios) or list(PLANTS):
        for seed in list(seeds) or list(SEEDS):
            scenario = registered(name)
            say(f"{name}, seed {seed}: learning")
            log = operate(scenario, seed=seed, hours=hours or HOURS).log
            model = _learned(scenario, log, seed, out / f"{name}-{seed}")
            linear = LinearMpc(identify_linear(scenario.plant, log, history=WARM_UP + 1))
            for lived in lives(scenario, model, linear, seed=seed, days=days, say=say):
                rows.append(asdict(lived))
                write_results(out, "adaptation", rows, report(rows, command))
    return out / "adaptation.json"


def _learned(scenario: Scenario, log: Log, seed: int, path: Path) -> WorldModel:
    """The model in `path`, where a run that was cut short left it there; else it is learned."""
    if not path.exists():
        train(scenario.plant, log, seed=seed).save(path)
    return load_model(path, scenario.plant)


def lives(
    scenario: Scenario, model: WorldModel, linear: LinearMpc, *, seed: int, days: int, say: Progress
) -> Iterator[Lived]:
    """Every controller under every change; the one identified afresh comes first, and is the measure."""
    torch.set_num_threads(1)
    for change, what in CHANGES.items():
        altered = AlteredScenario(scenario=scenario, at=_at(what, days))
        controllers: dict[str, Callable[[], SteppedController]] = {
            "identified_daily": partial(DailyController, _identified(scenario, what, days, seed)),
            "linear_mpc_frozen": lambda: linear,
            "frozen": lambda: _procwm(scenario, model, Adapt.OFF),
            "adaptive": lambda: _procwm(scenario, model, Adapt.ON),
        }
        yardstick = 0.0
        for name, made in controllers.items():
            say(f"{scenario.name}, seed {seed}, {change}: {name}")
            told = Told(made())
            run = closed_loop(
                cast(Scenario, altered),
                lambda _, told=told: told,  # type: ignore[misc]
                seed=seed,
                intervals=days * DAY,
            )
            yardstick = yardstick or run.cost
            yield _lived(scenario, seed, change, name, run, told, run.cost / yardstick)


def _lived(
    scenario: Scenario, seed: int, change: str, name: str, run: ClosedLoopRun, told: Told, relative: float
) -> Lived:
    return Lived(
        plant=scenario.name,
        seed=seed,
        change=change,
        controller=name,
        cost=run.cost,
        relative=relative,
        adaptations=told.versions,
        guard_violations=run.guard_violations,
        largest_move=told.largest,
        told=tuple(told.told),
    )


def _procwm(scenario: Scenario, model: WorldModel, adapt: Adapt) -> Controller:
    plant = scenario.plant
    return Controller(
        replace(plant, control=replace(plant.control, adapt=adapt)), model, despite_verdict=True
    )


def _at(what: Callable[[float], Alteration], days: int) -> Callable[[int], Alteration]:
    """What is otherwise by tick of the simulation, which begins with the warm-up."""
    first, last = WARM_UP + days // 3 * DAY, WARM_UP + days * DAY

    def at(tick: int) -> Alteration:
        return what((tick - first) / (last - first)) if tick >= first else _AS_IT_WAS

    return at


def _identified(
    scenario: Scenario, what: Callable[[float], Alteration], days: int, seed: int
) -> Callable[[int], SteppedController]:
    """By day, a linear MPC identified from a step test of the plant as it is that morning."""
    at, known = _at(what, days), dict[Alteration, LinearMpc]()

    def by_day(day: int) -> SteppedController:
        morning = at(WARM_UP + day * DAY)
        if morning not in known:
            log = step_test(
                AlteredScenario(scenario=scenario, at=lambda tick: morning), seed=seed, intervals=_TESTED
            )
            known[morning] = LinearMpc(identify_linear(scenario.plant, log, history=WARM_UP + 1))
        return known[morning]

    return by_day


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown, means over the seeds."""

    def place(row: Row) -> tuple[str, str, str]:
        return row["plant"], row["change"], row["controller"]

    lines = []
    for key, group in groupby(sorted(rows, key=place), key=place):
        members = list(group)
        means = [sum(float(row[name]) for row in members) / len(members) for name in ("cost", "relative")]
        counts = [sum(int(row[name]) for row in members) for name in ("adaptations", "guard_violations")]
        lines.append([*key, *(f"{mean:.3f}" for mean in means), *map(str, counts)])
    seeds = len({row["seed"] for row in rows})
    return f"`{command}`\n\n{table(_HEADER, lines)}\n{seeds} seeds; counts are sums over them.\n"
