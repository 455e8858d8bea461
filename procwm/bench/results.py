"""Benchmark rows as files: JSON for scripts, Markdown for people."""

import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def write_results(out: Path, name: str, rows: Sequence[Row], text: str) -> Path:
    """Write `out/NAME.json` and `out/NAME.md`, each complete or not at all; the JSON file's path."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / f"{name}.md", text)
    path = out / f"{name}.json"
    write_text(path, json.dumps([_plain(row) for row in rows], indent=1) + "\n")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it: JSON has no number for what is not finite."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def command_line(name: str, scenarios: Sequence[str], seeds: Sequence[int], hours: float | None) -> str:
    """The command that measures this again."""
    words = [f"procwm bench {name} --out DIR"]
    words += [f"--scenario {scenario}" for scenario in scenarios]
    words += [f"--seed {seed}" for seed in seeds]
    words += [f"--hours {hours:g}"] if hours is not None else []
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
