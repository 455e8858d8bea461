"""What `procwm replay` does once its model is read."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.data.checks.check import instrument_findings
from procwm.data.files import replacing, write_json, write_text
from procwm.data.log import read_log
from procwm.data.series import Log, iso_utc
from procwm.data.tabular.spreadsheets import inert
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.labelled.soft_sensor import sensed
from procwm.plant.tags import PlantSpec
from procwm.report import build_replay_report, words
from procwm.runtime.replay import replay
from procwm.runtime.replay_table import replay_table
from procwm.world.fitness import kept_verdict
from procwm.world.model import WorldModel

_TEXTS = ("surprised by",)
"""Columns of `replay_table` that hold words from a plant file."""


def replayed(
    plant: PlantSpec,
    model: WorldModel,
    logs: Sequence[Path],
    out: Path,
    decisions: int,
    advance: Callable[[float], None],
) -> dict[str, Any]:
    """Replay `logs`, write report, tables and `out/replay.json`, and return the latter's content."""
    began = time.perf_counter()
    log = read_log(logs, plant)
    controller = Controller(plant, model, mode=Mode.SHADOW)
    result = replay(model, log, controller=controller, decisions=decisions, on_progress=advance)
    scores = evaluate(model, log)
    by_model = {"nrmse": scores.nrmse, "persistence": scores.persistence, "linear": scores.linear}
    texts = {
        name: {str(lead): value for lead, value in curve.items()} for name, curve in by_model.items() if curve
    }
    kept = kept_verdict(model.metrics)
    verdict = scores.verdict if kept is None or scores.counts(kept) else kept
    how = [
        f"Log: {words.duration(log.hours)}, {', '.join(path.name for path in logs)}.",
        f"Model: {verdict.sentence}.",
    ]
    instruments = [*scores.unlike, *(finding.sentence for finding in instrument_findings(log, plant))]
    page = build_replay_report(
        plant,
        result,
        scores=scores.curves,
        beside=scores.beside,
        verdict=verdict,
        seen=scores.seen,
        how=how,
        instruments=instruments,
    )
    write_text(out / "report.html", page)
    facts = {
        "plant": plant.name,
        "rows": len(result.grid),
        "tags": len(plant.tags),
        "seconds": result.seconds,
        "rows_per_s": len(result.grid) / result.seconds,
        "whole_s": time.perf_counter() - began,
        "peak_mb": _peak_mb(),
        "decisions": len(result.decisions),
        "without_move": dict(result.reasons),
        "surprised": result.surprised,
        "surprises": [
            {
                "from": iso_utc(stretch.start_ns),
                "to": iso_utc(stretch.end_ns),
                "peak": stretch.peak,
                "tag": stretch.tag,
            }
            for stretch in result.surprised_stretches
        ],
        "watched": list(result.watched),
        "unlike": list(scores.unlike),
        "model": texts,
    }
    write_json(out / "replay.json", facts)
    write_tables(out, replay_table(result))
    if model.sensor_heads:
        with replacing(out / "sensors.csv") as partial:
            _sensed(model, log).rename(columns=inert).to_csv(partial, index=False)
    return facts


def write_tables(out: Path, table: pd.DataFrame) -> None:
    """The same table as Parquet and as CSV; in the latter no text is a formula to a spreadsheet."""
    with replacing(out / "intervals.parquet") as partial:
        table.to_parquet(partial)
    texts = table.assign(**{name: table[name].map(inert, na_action="ignore") for name in _TEXTS})
    texts.index = pd.DatetimeIndex(texts.index, name="time").strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with replacing(out / "intervals.csv") as partial:
        texts.rename(columns=inert).to_csv(partial)


def _sensed(model: WorldModel, log: Log) -> pd.DataFrame:
    """What every soft sensor reads, and the ends of its band."""
    found = sensed(model, log)
    table: dict[str, Any] = {}
    for head in model.sensor_heads:
        series = found[head.name]
        table["time"] = pd.to_datetime(series.time_ns, utc=True).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        table[head.name] = series.value
        table[f"{head.name} low"] = series.value - head.half_width
        table[f"{head.name} high"] = series.value + head.half_width
    return pd.DataFrame(table)


def _peak_mb() -> float | None:
    """Most memory that this process has held; `None` where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    # Linux counts in kB, macOS in bytes.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
