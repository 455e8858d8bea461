"""`procwm bench replay`: how long the answers from a long log take, and how much memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from procwm.comparison.operating import operate
from procwm.data.log import write_log
from procwm.data.series import Log
from procwm.errors import ProcwmError
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Scenario
from procwm_studies import PLANTS, Progress
from procwm_studies.results import Row, command_line, spread, table, write_results

YEAR_HOURS = 8766.0
TAUGHT_HOURS = 20.0
"""Simulated; the long log is this one, repeated."""
SEEDS = (0,)
_LOG_SEED = 1000
_COMMAND = "from procwm.cli import main; main()"


def run_replay(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Replay a long log with `procwm replay`, a process of its own, and write `out/replay.json` and `.md`.

    Args:
        out: a folder.
        scenarios: by name; `PLANTS` where empty.
        seeds: of the log; `SEEDS` where empty.
        hours: of the log that is replayed; a year where `None`.
        progress: told what is being done.
    """
    chosen = installed(scenarios or PLANTS)
    say = progress or (lambda _: None)
    rows: list[Row] = []
    for scenario in chosen.values():
        for seed in seeds or SEEDS:
            rows.append(_replayed(scenario, seed, hours or YEAR_HOURS, say))
            write_results(out, "replay", rows, _text(rows, command_line("replay", scenarios, seeds, hours)))
    return out / "replay.json"


def _replayed(scenario: Scenario, seed: int, hours: float, say: Progress) -> Row:
    where = f"{scenario.name}, seed {seed}"
    say(f"{where}: learning from {TAUGHT_HOURS:g} h")
    taught = operate(scenario, seed=seed + _LOG_SEED, hours=TAUGHT_HOURS).log
    with tempfile.TemporaryDirectory() as folder:
        model, log, answers = (Path(folder) / name for name in ("model", "log.parquet", "answers"))
        train(scenario.plant, taught, seed=seed).save(model)
        say(f"{where}: writing {hours:g} h")
        write_log(log, repeated(taught, hours, scenario.plant.interval_s), scenario.plant)
        say(f"{where}: replaying them")
        ended = subprocess.run(
            [sys.executable, "-c", _COMMAND, "replay", str(model), str(log), "--out", str(answers)],
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise ProcwmError(f"{where}: the replay ended with {ended.returncode}: {ended.stderr.strip()}")
        facts = json.loads((answers / "replay.json").read_text(encoding="utf-8"))
        kept = ("rows", "tags", "seconds", "rows_per_s", "whole_s", "peak_mb", "decisions")
        measured = {name: facts[name] for name in kept}
        report_mb = (answers / "report.html").stat().st_size / 1e6
    return {"scenario": scenario.name, "seed": seed, "hours": hours, "report_mb": report_mb} | measured


def repeated(log: Log, hours: float, interval_s: float) -> Log:
    """`log` again and again, the next beginning a whole number of intervals after the last.

    Args:
        hours: of what comes out.
        interval_s: the control interval.
    """
    interval_ns = round(interval_s * 1e9)
    length_ns = ((log.end_ns - log.start_ns) // interval_ns + 1) * interval_ns
    times = int(np.ceil(hours * 3600e9 / length_ns))
    series = {
        name: replace(
            one,
            time_ns=(one.time_ns + length_ns * np.arange(times)[:, None]).ravel(),
            value=np.tile(one.value, times),
            quality=np.tile(one.quality, times),
        )
        for name, one in log.series.items()
    }
    return replace(log, series=series).between(log.start_ns, log.start_ns + round(hours * 3600e9))


def _text(rows: Sequence[Row], command: str) -> str:
    header = ["plant", "tags", "rows", "decisions", "whole command, s", "replay alone, s", "rows a second"]
    lines = []
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        of = [row for row in rows if row["scenario"] == scenario]
        counts = [str(of[0]["tags"]), str(of[0]["rows"]), str(of[0]["decisions"])]
        shown = (("whole_s", 1), ("seconds", 1), ("rows_per_s", 0), ("peak_mb", 0), ("report_mb", 1))
        measured = [spread([row[key] for row in of], digits) for key, digits in shown]
        lines.append([scenario, *counts, *measured])
    return f"# Replay\n\n`{command}`\n\n" + table([*header, "peak MB", "report MB"], lines)
