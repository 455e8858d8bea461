"""`procwm bench replay`: how long the answers from a long log take, and how much memory."""

import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from procwm.comparison.operating import operate
from procwm.data.log import read_log, write_log
from procwm.data.series import Log
from procwm.errors import ProcwmError, SpecError
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Scenario
from procwm_studies import PLANTS, Progress
from procwm_studies.results import Row, command_line, spread, table, write_results
from procwm_studies.runtime.long_logs import INTERVAL_S, long_plant, write_long_log

YEAR_HOURS = 8766.0
TAUGHT_HOURS = 20.0
"""Simulated; the long log is this one, repeated."""
MANY_TAUGHT_HOURS = 72.0
"""Of a plant of many tags, from its beginning: what a model is learned from that is to replay a year."""
SEEDS = (0,)
_LOG_SEED = 1000
_COMMAND = "from procwm.cli import main; main()"
_READERS = {
    "pandas": "import pandas; pandas.read_parquet(path).set_index('time').resample('5min').mean()",
    "polars": "import polars; polars.scan_parquet(path).group_by_dynamic('time', every='5m')"
    ".agg(polars.all().exclude('time').mean()).collect()",
    "duckdb": "import duckdb; duckdb.sql(f\"select time_bucket(interval '5 minutes', time) as began, "
    "avg(columns(* exclude (time))) from '{path}' group by began order by began\").fetchnumpy()",
}
"""Read a wide log and take means of five intervals: what others need for that alone."""
_PEAK = "; print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def run_replay(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
    tags: int | None = None,
) -> Path:
    """Replay a long log with `procwm replay`, a process of its own, and write `out/replay.json` and `.md`.

    Args:
        out: a folder.
        scenarios: by name; `PLANTS` where empty.
        seeds: of the log; `SEEDS` where empty.
        hours: of the log that is replayed; a year where `None`.
        progress: told what is being done.
        tags: of a plant that is made for them, in place of `scenarios`, with a log that others read as well.
    """
    if tags is not None and scenarios:
        raise SpecError("bench replay takes --tags or --scenario, not both")
    if tags is not None:
        return _many(out, tags, seeds, hours, progress or (lambda _: None))
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
        measured = _answered(where, model, log, answers)
    return {"scenario": scenario.name, "seed": seed, "hours": hours} | measured


def _answered(where: str, model: Path, log: Path, answers: Path) -> dict[str, Any]:
    """What `procwm replay` measures of itself, and its processor time."""
    command = [sys.executable, "-c", _COMMAND, "replay", str(model), str(log), "--out", str(answers)]
    cpu_s, _ = _processor_s(where, command)
    facts = json.loads((answers / "replay.json").read_text(encoding="utf-8"))
    kept = ("rows", "tags", "seconds", "rows_per_s", "whole_s", "peak_mb", "decisions")
    report_mb = (answers / "report.html").stat().st_size / 1e6
    return {name: facts[name] for name in kept} | {"cpu_s": cpu_s, "report_mb": report_mb}


def _processor_s(where: str, command: Sequence[str]) -> tuple[float, str]:
    """Processor time of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise ProcwmError(f"{where}: {command[2]} ended with {ended.returncode}: {ended.stderr.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout


def _many(out: Path, tags: int, seeds: Sequence[int], hours: float | None, say: Progress) -> Path:
    """The same for a plant of many tags, beside what others need to read its log."""
    rows: list[Row] = []
    for seed in seeds or SEEDS:
        where = f"{tags} tags, seed {seed}"
        with tempfile.TemporaryDirectory() as folder:
            model, taught, log = (Path(folder) / name for name in ("model", "taught.parquet", "log.parquet"))
            plant = long_plant(tags)
            say(f"{where}: learning from {MANY_TAUGHT_HOURS:g} h")
            write_long_log(taught, tags, _intervals(MANY_TAUGHT_HOURS), wide=True, seed=seed + _LOG_SEED)
            train(plant, read_log(taught, plant), seed=seed).save(model)
            say(f"{where}: writing and replaying the log")
            write_long_log(log, tags, _intervals(hours or YEAR_HOURS), wide=True, seed=seed)
            row: dict[str, Any] = {"scenario": plant.name, "seed": seed, "hours": hours or YEAR_HOURS}
            rows.append(row | _answered(where, model, log, Path(folder) / "answers") | _read(where, log))
        command = f"{command_line('replay', (), seeds, hours)} --tags {tags}"
        write_results(out, "replay", rows, _text(rows, command) + _beside(rows))
    return out / "replay.json"


def _intervals(hours: float) -> int:
    return round(hours * 3600.0 / INTERVAL_S)


def _read(where: str, log: Path) -> dict[str, Any]:
    """Processor time and memory of every other reader that is installed."""
    row: dict[str, Any] = {}
    for name, read in _READERS.items():
        if importlib.util.find_spec(name) is not None:
            command = [sys.executable, "-c", f"path = {str(log)!r}; {read}{_PEAK}"]
            cpu_s, printed = _processor_s(f"{where}, {name}", command)
            row |= {f"{name}_cpu_s": cpu_s, f"{name}_peak_mb": float(printed.split()[-1]) / 1e3}
    return row


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
    header = [
        "plant",
        "tags",
        "rows",
        "decisions",
        "processor, s",
        "whole command, s",
        "replay alone, s",
        "rows a second",
    ]
    lines = []
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        of = [row for row in rows if row["scenario"] == scenario]
        counts = [str(of[0]["tags"]), str(of[0]["rows"]), str(of[0]["decisions"])]
        shown = (
            ("cpu_s", 1),
            ("whole_s", 1),
            ("seconds", 1),
            ("rows_per_s", 0),
            ("peak_mb", 0),
            ("report_mb", 1),
        )
        measured = [spread([row[key] for row in of], digits) for key, digits in shown]
        lines.append([scenario, *counts, *measured])
    return f"# Replay\n\n`{command}`\n\n" + table([*header, "peak MB", "report MB"], lines)


def _beside(rows: Sequence[Row]) -> str:
    """What reading the same logs and taking means of five intervals takes elsewhere."""
    lines = [
        [name, *(spread([row[f"{name}_{key}"] for row in rows], 1) for key in ("cpu_s", "peak_mb"))]
        for name in _READERS
        if f"{name}_cpu_s" in rows[0]
    ]
    return "\n\n" + table(["reading and resampling alone", "processor, s", "peak MB"], lines)
