"""What a recorded run came to: limits and guardrails kept or broken, errors at equal setpoints, modes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Bool, Float

from procwm.runtime.run_record import RunRecord

_FEWEST = 10
"""Cycles at a setpoint, with moves and without, that a comparison takes."""


@dataclass(frozen=True, kw_only=True)
class Breach:
    """How one limit or guardrail was kept.

    Attributes:
        name, unit: what it is of.
        known: cycles in which its value is known.
        times: how often it was broken, neighbouring cycles counted once.
        cycles: in how many it was.
        deepest: by how much at most; 0 where it was kept.
    """

    name: str
    unit: str
    known: int
    times: int
    cycles: int
    deepest: float


@dataclass(frozen=True, kw_only=True)
class EqualSetpoint:
    """Root mean square distance of a CV from one setpoint, with the moves of the controller and without.

    Attributes:
        tag, unit, setpoint: of the CV.
        cycles, error: by whether moves were written; NaN where there are too few cycles.
    """

    tag: str
    unit: str
    setpoint: float
    cycles: tuple[int, int]
    error: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ModeStretch:
    """Neighbouring cycles in one mode."""

    mode: str
    start_ns: int
    end_ns: int
    cycles: int
    wrote: int


def breaches(run: RunRecord) -> list[Breach]:
    """Every limit of a measured output, and every guardrail as the plans foresaw it one interval ahead."""
    found = []
    for column, tag in enumerate(run.plant.outputs):
        if tag.limits is not None:
            low, high = tag.limits
            beyond = np.maximum(low - run.measured[:, column], run.measured[:, column] - high)
            found.append(_breach(f"{tag.name} within {low:g} to {high:g}", tag.unit, beyond))
    names = (name.replace("_", " ") for name in run.guard_names)
    found += [
        _breach(f"guardrail {name}", "", column) for name, column in zip(names, run.guard.T, strict=True)
    ]
    return found


def _breach(name: str, unit: str, beyond: Float[np.ndarray, " row"]) -> Breach:
    known = np.isfinite(beyond)
    broken: Bool[np.ndarray, " row"] = np.where(known, beyond, 0.0) > 0.0
    begins = broken & ~np.append(False, broken[:-1])
    return Breach(
        name=name,
        unit=unit,
        known=int(known.sum()),
        times=int(begins.sum()),
        cycles=int(broken.sum()),
        deepest=float(beyond[broken].max(initial=0.0)),
    )


def equal_setpoints(run: RunRecord) -> Iterator[EqualSetpoint]:
    """Every CV at each setpoint that it had for long, the longest first."""
    for column, tag in enumerate(run.plant.outputs):
        target, off = run.target[:, column], run.measured[:, column] - run.target[:, column]
        values, counts = np.unique(target[np.isfinite(off)], return_counts=True)
        for setpoint in values[np.argsort(-counts, kind="stable")].tolist():
            at = np.isfinite(off) & (target == setpoint)
            both = [off[at & run.wrote], off[at & ~run.wrote]]
            if max(map(len, both)) >= _FEWEST:
                yield EqualSetpoint(
                    tag=tag.name,
                    unit=tag.unit,
                    setpoint=setpoint,
                    cycles=(len(both[0]), len(both[1])),
                    error=(_rms(both[0]), _rms(both[1])),
                )


def _rms(off: Float[np.ndarray, " row"]) -> float:
    return float(np.sqrt(np.mean(np.square(off)))) if len(off) >= _FEWEST else float("nan")


def mode_stretches(run: RunRecord) -> list[ModeStretch]:
    """The modes of a run, in order of time."""
    found = []
    for mode, rows in groupby(range(len(run.mode)), key=lambda row: run.mode[row]):
        each = list(rows)
        found.append(
            ModeStretch(
                mode=mode,
                start_ns=int(run.time_ns[each[0]]),
                end_ns=int(run.time_ns[each[-1]]),
                cycles=len(each),
                wrote=int(run.wrote[each].sum()),
            )
        )
    return found
