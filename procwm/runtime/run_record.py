"""A run's folder read back, as arrays over its cycles: what pages and comparisons are made from.

DIR/plant.toml   the plant as the run had it
DIR/about.json   hashes of model and plant, and every guardrail in a few words
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64

from procwm.control.steerable import SteerableController
from procwm.data.files import write_json, write_text
from procwm.data.log import read_log
from procwm.data.window import held
from procwm.errors import LogError
from procwm.plant.plantfile.specfile import dump_plant, load_plant
from procwm.plant.tags import PlantSpec, names_of
from procwm.runtime.recorder import read_decisions

_log = logging.getLogger(__name__)

_HEAD_FACTS = re.compile(r" \((?:margin|coverage) ")
"""What follows the name where a guardrail is told in a few words."""
_SURPRISED = "the model is surprised"
"""How a note ends that names the tag of a surprise."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """A line of the audit log; `kind` is its `event`."""

    time_ns: int
    kind: str
    text: str
    who: str


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
    """What a run kept, a row a cycle; engineering units, NaN where there is nothing.

    Attributes:
        plant: as the run had it.
        time_ns: of the ticks.
        mode: in force, in words.
        reason: of every decision.
        wrote: whether setpoints were written.
        measured, target: over `plant.outputs`; `target` are setpoints in force.
        mv: as the plant reported them.
        proposed: what was written or would have been.
        guard: what the plan foresaw of each guardrail one interval ahead, margin included; safe where `<= 0`.
        guard_names: of the axis `guard`.
        surprise: 1 is what ordinary operation reaches once a day.
        surprised_by: the tag that told most of a surprise above 1, or empty.
        step_s: what every step took.
        events: of the audit log, oldest first.
        kpis: as the run counted them; empty where it did not end by itself.
    """

    plant: PlantSpec
    time_ns: Int64[np.ndarray, " row"]
    mode: tuple[str, ...]
    reason: tuple[str, ...]
    wrote: Bool[np.ndarray, " row"]
    measured: Float[np.ndarray, "row output"]
    target: Float[np.ndarray, "row output"]
    mv: Float[np.ndarray, "row mv"]
    proposed: Float[np.ndarray, "row mv"]
    guard: Float[np.ndarray, "row guard"]
    guard_names: tuple[str, ...]
    surprise: Float[np.ndarray, " row"]
    surprised_by: tuple[str, ...]
    step_s: Float[np.ndarray, " row"]
    events: tuple[AuditEvent, ...]
    kpis: Mapping[str, Any]


def describe_run(directory: Path, controller: SteerableController) -> None:
    """Write what is needed to read the run back; a disk that takes none is told, and stops nothing."""
    about = {**vars(controller.identity), "guardrails": list(controller.guardrails)}
    try:
        write_text(directory / "plant.toml", dump_plant(controller.plant))
        write_json(directory / "about.json", about)
    except OSError as error:
        _log.warning("%s: the run is not described in it: %s", directory, error.strerror or error)


def read_run(directory: str | Path, plant: PlantSpec | None = None) -> RunRecord:
    """Read the folder of a run, one that goes on or has ended.

    Args:
        directory: as `procwm run --out` writes it.
        plant: as the run had it; from the folder where `None`.

    Raises:
        LogError: there is no recording, or neither the folder nor the caller knows the plant.
    """
    folder = Path(directory)
    frame = read_decisions(folder)
    if plant is None:
        if not (folder / "plant.toml").exists():
            raise LogError(f"{folder}: an older run, which kept no plant file; name it with --plant")
        plant = load_plant(folder / "plant.toml")
    time_ns = frame["time"].astype("int64").to_numpy()
    outputs = names_of(plant.outputs)
    guard = _guards(frame["plan_guard"])
    return RunRecord(
        plant=plant,
        time_ns=time_ns,
        mode=tuple(frame["mode"]),
        reason=tuple(frame["reason"]),
        wrote=np.array([bool(_pairs(row)) for row in frame["setpoints"]], dtype=np.bool_),
        measured=_columns(frame["measured"], outputs),
        target=_columns(frame["target"], outputs),
        mv=_reported(folder, plant, time_ns),
        proposed=_columns(frame["proposed"], plant.mv_names),
        guard=guard,
        guard_names=_guard_names(folder, guard.shape[1]),
        surprise=frame["surprise"].to_numpy(dtype=float),
        surprised_by=tuple(_surprised_by(list(notes)) for notes in frame["notes"]),
        step_s=frame["step_s"].to_numpy(dtype=float),
        events=_events(folder / "audit.jsonl"),
        kpis=_json(folder / "kpis.json"),
    )


def _pairs(row: Any) -> dict[str, float]:
    return {} if row is None else dict(row)


def _columns(rows: pd.Series, names: Sequence[str]) -> Float[np.ndarray, "row column"]:
    """Maps by tag as columns."""
    values = [[pairs.get(name, np.nan) for name in names] for pairs in map(_pairs, rows)]
    return np.array(values, dtype=float).reshape(len(rows), len(names))


def _guards(plans: pd.Series) -> Float[np.ndarray, "row guard"]:
    """What the plans foresaw one interval ahead; no columns where there is no guardrail."""
    first = [None if plan is None or not len(plan) else np.asarray(plan[0], dtype=float) for plan in plans]
    count = max((len(row) for row in first if row is not None), default=0)
    found = np.full((len(first), count), np.nan)
    for place, row in enumerate(first):
        if row is not None and len(row) == count:
            found[place] = row
    return found


def _guard_names(folder: Path, count: int) -> tuple[str, ...]:
    told: Sequence[str] = _json(folder / "about.json").get("guardrails", ())
    known = tuple(_HEAD_FACTS.split(text)[0] for text in told)
    return known if len(known) == count else tuple(f"guardrail {place + 1}" for place in range(count))


def _reported(folder: Path, plant: PlantSpec, time_ns: Int64[np.ndarray, " row"]) -> np.ndarray:
    """The MVs in force at each tick, as the plant reported them last."""
    log = read_log([folder / "samples.parquet"], plant)
    return np.stack([held(log.series[name].usable, time_ns, np.inf) for name in plant.mv_names], axis=1)


def _surprised_by(notes: Sequence[str]) -> str:
    """The tag of the note that tells of a surprise; empty where there is none."""
    return next((note.partition(": ")[0] for note in notes if note.endswith(_SURPRISED)), "")


def _events(path: Path) -> tuple[AuditEvent, ...]:
    """Lines of an audit log; one that is no event is passed over, `check_run` tells of it."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
            time_ns = int(np.datetime64(entry["time"].removesuffix("Z"), "ns").astype(np.int64))
            found.append(
                AuditEvent(time_ns=time_ns, kind=entry["event"], text=entry["text"], who=entry["who"])
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return tuple(found)


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise LogError(f"{path}: not a JSON file") from None
    return found if isinstance(found, dict) else {}
