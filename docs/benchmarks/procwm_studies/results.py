"""Benchmark rows as files: JSON for scripts, Markdown for people."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from procwm.data.files import write_json, write_text

Row = Mapping[str, Any]


def write_results(out: Path, name: str, rows: Sequence[Row], text: str) -> Path:
    """Write `out/NAME.json` and `out/NAME.md`, each complete or not at all; the JSON file's path."""
    write_text(out / f"{name}.md", text)
    path = out / f"{name}.json"
    write_json(path, rows)
    return path


def command_line(
    name: str,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    logs: Path | None = None,
    plants: Path | None = None,
    habits: str | None = None,
) -> str:
    """The command that measures this again."""
    words = [f"procwm bench {name} --out DIR"]
    words += [f"--scenario {scenario}" for scenario in scenarios]
    words += [f"--seed {seed}" for seed in seeds]
    words += [f"--hours {hours:g}"] if hours is not None else []
    words += ["--logs LOGS"] if logs is not None else []
    words += ["--plants PLANTS"] if plants is not None else []
    words += [f"--habits {habits}"] if habits is not None else []
    return " ".join(words)


def spread(values: Sequence[float | int], digits: int = 3) -> str:
    """Mean and, of several values, standard deviation; a dash where nothing is known."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.{digits}f}"
    return mean if len(known) == 1 else f"{mean} ± {statistics.stdev(known):.{digits}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, ending in a newline."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
