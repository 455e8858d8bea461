"""`procwm bench surprise`: how soon the model notices that a plant breaks, and how often it is wrong."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

from procwm.comparison.operating import operate
from procwm.data.anchors import HELD_OUT
from procwm.data.cadence import default_hold_s
from procwm.data.checks.screening import screen
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.errors import SpecError
from procwm.learning.calibration.surprise_limits import surprises
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Breakable
from procwm.world.model import WorldModel
from procwm_studies import PLANTS, Progress
from procwm_studies.model.cases import SEEDS
from procwm_studies.model.model import HOURS
from procwm_studies.model.pca_monitor import fit_pca
from procwm_studies.results import Row, command_line, spread, table, write_results

ORDINARY_HOURS, SOUND_HOURS, BROKEN_HOURS = 24.0, 4.0, 8.0
"""Of the log that false alarms are counted in; before a fault begins; and after that."""
_LOG_SEED, _ORDINARY_SEED, _FAULT_SEED = 1000, 5000, 7000
_APART_S = 1800.0
"""Alarms nearer to each other are one."""
_PCA_LAGS = {"pca": 0, "dynamic_pca": 2}


@dataclass(frozen=True, eq=False)
class Watched:
    """What a monitor says of every row of a log: an alarm where it exceeds its limit, 1 as a rule."""

    time_ns: Int64[np.ndarray, " row"]
    ratio: Float[np.ndarray, " row"]

    def alarms(self, limit: float = 1.0) -> int:
        """How many there are; those nearer to each other than `_APART_S` are one."""
        at = self.time_ns[self.ratio > limit]
        return len(at) and 1 + int((np.diff(at) > _APART_S * 1e9).sum())

    def delay_min(self, since_ns: int, limit: float = 1.0) -> float:
        """Minutes from `since_ns` to the first alarm after it; NaN where there is none."""
        at = self.time_ns[(self.ratio > limit) & (self.time_ns >= since_ns)]
        return float(at[0] - since_ns) / 60e9 if len(at) else math.nan

    @property
    def matched(self) -> float:
        """The limit that brings one alarm."""
        highest = int(np.nanargmax(self.ratio))
        apart = np.abs(self.time_ns - self.time_ns[highest]) > _APART_S * 1e9
        return float(np.nanmax(self.ratio[apart]))


Monitor = Callable[[Log], Watched]


def run_surprise(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure detection and write `out/surprise.json` and `out/surprise.md`.

    A routine log teaches the model and PCA monitors, whose limits come from the same held-out part of it by
    the same rule. Another routine log counts false alarms; then, for every fault of the scenario, a log in
    which it begins after `SOUND_HOURS` is watched.

    Args:
        out: a folder.
        scenarios: by name; all that can break where empty.
        seeds: `procwm_studies.model.cases.SEEDS` where empty.
        hours: of routine log; those of `procwm bench model` where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("surprise", scenarios, seeds, hours)
    rows: list[Row] = []
    sentences: dict[str, Mapping[str, str]] = {}
    for name, scenario in _breakable(scenarios).items():
        sentences[name] = scenario.faults
        for seed in seeds or SEEDS:
            say(f"{name}, seed {seed}: learning")
            rows += _measured(name, scenario, seed, hours or HOURS)
            write_results(out, "surprise", rows, report(rows, sentences, command))
    return out / "surprise.json"


def _breakable(names: Sequence[str]) -> Mapping[str, Breakable]:
    chosen = installed(names or PLANTS)
    found = {name: scenario for name, scenario in chosen.items() if isinstance(scenario, Breakable)}
    for name in names:
        if name not in found:
            raise SpecError(f"{name} has no faults to be noticed")
    return found


def _measured(name: str, scenario: Breakable, seed: int, hours: float) -> list[Row]:
    """One row for every monitor and fault."""
    taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours).log
    ordinary = operate(scenario, seed=seed + _ORDINARY_SEED, hours=ORDINARY_HOURS).log
    begins_s = 3600.0 * SOUND_HOURS
    broken = {
        fault: operate(
            scenario.broken(fault, start_s=begins_s),
            seed=seed + _FAULT_SEED,
            hours=SOUND_HOURS + BROKEN_HOURS,
        ).log
        for fault in scenario.faults
    }
    rows: list[Row] = []
    for monitor, watch in monitors(train(scenario.plant, taught, seed=seed), taught).items():
        usual = watch(ordinary)
        for fault, log in broken.items():
            watched, since_ns = watch(log), log.start_ns + round(begins_s * 1e9)
            rows.append(
                {
                    "plant": name,
                    "seed": seed,
                    "monitor": monitor,
                    "fault": fault,
                    "delay_min": watched.delay_min(since_ns),
                    "alarms_per_day": usual.alarms() * 24.0 / ORDINARY_HOURS,
                    "matched_delay_min": watched.delay_min(since_ns, usual.matched),
                }
            )
    return rows


def monitors(model: WorldModel, taught: Log) -> Mapping[str, Monitor]:
    """The model's surprise, and PCA of the same log with limits by the same rule.

    Args:
        model: learned from `taught`.
    """
    if model.surprise is None:
        raise SpecError("so short a log does not say what is ordinary; give more --hours")
    plant = model.plant

    def surprise(log: Log) -> Watched:
        rows = grid(log, model.rule)
        return Watched(rows.time_ns, surprises(model, rows)[0])

    rule = replace(model.rule, tags=plant.names, hold_s=default_hold_s(plant, taught), due_s=())
    rows = grid(screen(taught, plant).trusted(), rule)
    cut = int((1.0 - HELD_OUT) * len(rows))
    per_day = 86_400.0 / plant.interval_s / model.horizon

    def components(lags: int) -> Monitor:
        seen = fit_pca(rows.slice(0, cut), lags=lags)
        limits = seen.limits(rows.slice(cut, len(rows)), block=model.horizon, period=per_day)
        whole = fit_pca(rows, lags=lags, limits=limits)

        def watch(log: Log) -> Watched:
            seen = grid(log, rule)
            return Watched(seen.time_ns, whole.ratios(seen))

        return watch

    return {"procwm": surprise} | {name: components(lags) for name, lags in _PCA_LAGS.items()}


def report(rows: Sequence[Row], faults: Mapping[str, Mapping[str, str]], command: str) -> str:
    """The rows as Markdown: delays by fault, and false alarms.

    Args:
        faults: by plant and name, what breaks.
    """
    parts = [
        "# Surprise\n\n",
        f"`{command}`\n\n",
        f"Minutes from the fault to the first alarm, of {BROKEN_HOURS:g} h: the median over seeds, and in "
        "how many of them there was one. First with the limits that each monitor has from its training log, "
        f"then with those at which it gives one alarm in {ORDINARY_HOURS:g} h of ordinary operation.\n",
    ]
    for plant in dict.fromkeys(row["plant"] for row in rows):
        own = [row for row in rows if row["plant"] == plant]
        kinds = list(dict.fromkeys(row["monitor"] for row in own))
        parts.append(f"\n## {plant}\n\n")
        header = ["fault", *kinds, *(f"{kind}, one alarm" for kind in kinds)]
        lines = [
            [
                sentence,
                *(
                    _delays(row[key] for row in own if (row["fault"], row["monitor"]) == (fault, kind))
                    for key in ("delay_min", "matched_delay_min")
                    for kind in kinds
                ),
            ]
            for fault, sentence in faults[plant].items()
        ]
        alarms = [
            {row["seed"]: row["alarms_per_day"] for row in own if row["monitor"] == kind} for kind in kinds
        ]
        lines.append(
            [
                "alarms a day without a fault",
                *(spread(list(by.values()), 1) for by in alarms),
                *["1"] * len(kinds),
            ]
        )
        parts.append(table(header, lines))
    return "".join(parts)


def _delays(minutes: Iterable[float]) -> str:
    """Median, those without an alarm being the longest, and count of alarms."""
    found = sorted(math.inf if math.isnan(value) else value for value in minutes)
    median = found[len(found) // 2]
    seen = sum(math.isfinite(value) for value in found)
    return (
        f"{median:.0f} ({seen} of {len(found)})"
        if math.isfinite(median)
        else f"none ({seen} of {len(found)})"
    )
