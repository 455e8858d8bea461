"""`procwm bench perception`: sensors of many channels, a handful of laboratory values, and who reads them."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from procwm.errors import SpecError
from procwm.world.threads import one_thread
from procwm_studies import Progress
from procwm_studies.perception.readers import (
    Reading,
    read_with_pls,
    read_with_supervision,
    representations,
)
from procwm_studies.perception.sensed import (
    HORIZON,
    SCENARIO,
    TAUGHT_HOURS,
    SensedLog,
    fermentation_log,
    reactor_log,
)
from procwm_studies.results import Row, command_line, spread, table, write_results

FERMENTATION = "fermentation"
PLACES = (SCENARIO, FERMENTATION)
NUISANCES = (0.1, 10.0, 100.0)
LABELS = (4, 8, 16, 32, 128)
SEEDS = (90, 91)


def run_perception(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure how well laboratory quantities are read from spectra; write `out/perception.json` and `.md`.

    Args:
        out: a folder; its files grow with every log.
        scenarios: of `PLACES`; all where empty.
        seeds: of the log and of what is learned; `SEEDS` where empty.
        hours: of the reactor's log that is learned from.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    for name in scenarios:
        if name not in PLACES:
            raise SpecError(f"bench perception knows no {name}; it knows {', '.join(PLACES)}")
    places, command = tuple(scenarios) or PLACES, command_line("perception", scenarios, seeds, hours)
    rows: list[Row] = []
    with one_thread():
        for seed in tuple(seeds) or SEEDS:
            for nuisance in NUISANCES if SCENARIO in places else ():
                say(f"{SCENARIO}, seed {seed}, nuisance {nuisance:g}")
                log = reactor_log(nuisance, seed, hours or TAUGHT_HOURS)
                named = {"plant": SCENARIO, "seed": seed, "nuisance": nuisance}
                rows += [{**named, **row} for row in measured(log, seed, LABELS)]
                write_results(out, "perception", rows, report(rows, command))
            if FERMENTATION in places:
                say(f"{FERMENTATION}, seed {seed}")
                log = fermentation_log()
                named = {"plant": FERMENTATION, "seed": seed, "nuisance": None}
                rows += [{**named, **row} for row in measured(log, seed, (len(log.labelled),))]
                write_results(out, "perception", rows, report(rows, command))
    return out / "perception.json"


def measured(log: SensedLog, seed: int, labels: Sequence[int]) -> Iterator[Row]:
    """One row for each method, count of labels and quantity."""
    moved = log.mv.shape[1] > 0
    found = representations(log, seed, twins=moved)
    for count in labels:
        rows = log.labels(count)
        for method, represented in found.items():
            yield from _rows(log, method, count, represented.read(log, rows), represented.train_s)
        yield from _rows(log, "PLS", count, read_with_pls(log, rows), np.nan)
        if moved:
            began = time.process_time()
            reading = read_with_supervision(log, rows, seed)
            yield from _rows(log, "supervised twin", count, reading, time.process_time() - began)


def _rows(log: SensedLog, method: str, count: int, reading: Reading, train_s: float) -> Iterator[Row]:
    now, ahead = reading
    spreads = np.nanstd(log.values, axis=0)
    for place, quantity in enumerate(log.quantities):
        true = log.values[:, place]
        later = log.tested[log.tested + HORIZON < len(true)]
        yield {
            "method": method,
            "labels": count,
            "quantity": quantity,
            "now": _size(now[log.tested, place] - true[log.tested]) / float(spreads[place]),
            "ahead": _size(ahead[later, place] - true[later + HORIZON]) / float(spreads[place]),
            "train_s": train_s,
        }


def _size(errors: np.ndarray) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: one table a nuisance, and one of the fermentation."""
    parts = [f"# Perception\n\n`{command}`\n"]
    simulated = [row for row in rows if row["plant"] == SCENARIO]
    for nuisance in dict.fromkeys(row["nuisance"] for row in simulated):
        of = [row for row in simulated if row["nuisance"] == nuisance]
        parts.append(
            f"\n## {SCENARIO}, nuisance {nuisance:g} times the signal's variance\n\n" + _by_labels(of)
        )
    real = [row for row in rows if row["plant"] == FERMENTATION]
    if real:
        parts.append(f"\n## {FERMENTATION}, {real[0]['labels']} labels\n\n" + _by_quantity(real))
    return "".join(parts)


def _by_labels(rows: Sequence[Row]) -> str:
    """Errors now for every count of labels and ahead for some, mean over quantities and seeds."""
    counts = tuple(dict.fromkeys(row["labels"] for row in rows))
    far = tuple(count for count in (8, 32) if count in counts)
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        now = [spread(_means(own, count, "now"), 2) for count in counts]
        ahead = [spread(_means(own, count, "ahead"), 2) for count in far]
        lines.append([method, *now, *ahead, spread([row["train_s"] for row in own], 0)])
    header = [
        "method",
        *(f"now, {count}" for count in counts),
        *(f"ahead, {count}" for count in far),
        "train s",
    ]
    return table(header, lines)


def _means(rows: Sequence[Row], count: int, figure: str) -> list[float]:
    """Of the quantities, one for each seed."""
    own = [row for row in rows if row["labels"] == count]
    return [
        float(np.mean([row[figure] for row in own if row["seed"] == seed]))
        for seed in dict.fromkeys(row["seed"] for row in own)
    ]


def _by_quantity(rows: Sequence[Row]) -> str:
    quantities = tuple(dict.fromkeys(row["quantity"] for row in rows))
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        errors = [spread([row["now"] for row in own if row["quantity"] == name], 2) for name in quantities]
        lines.append([method, *errors, spread([row["train_s"] for row in own], 0)])
    return table(["method", *quantities, "train s"], lines)
