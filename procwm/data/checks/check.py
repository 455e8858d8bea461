"""What is wrong with a log, in sentences for the person who has to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from procwm.data.anchors import LEAST_MOMENTS, SHORTEST_HISTORY, SHORTEST_HORIZON, enough
from procwm.data.cadence import default_hold_s
from procwm.data.checks.answer_time import slow_answers
from procwm.data.checks.excitation import ExcitationVerdict, excitation
from procwm.data.checks.feedback_moves import feedback_moves
from procwm.data.checks.screening import Reason, screen
from procwm.data.checks.shutdown import shutdown_sentences, without_shutdowns
from procwm.data.checks.silence import silence_sentences
from procwm.data.series import Log, iso_utc
from procwm.data.window import Grid, WindowRule, grid
from procwm.plant.tags import PlantSpec, Role, Tag

_BAD_SHARE = 0.05
SHORTEST_INTERVALS = 500
"""A log of fewer control intervals is short."""
_COARSE = 5.0


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The log cannot teach what it should."""
    WARNING = "warning"
    """A model can be learned, and will be worse for it."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing worth knowing about a log.

    Attributes:
        severity: how much it matters.
        tag: the tag it is about, or `None` where it is about the whole log.
        sentence: for the person who has to mend it.
    """

    severity: Severity
    tag: str | None
    sentence: str


def check_plant(plant: PlantSpec) -> list[Finding]:
    """CVs of which a valid plant file asks nothing, and targets where limits do not let a CV be."""
    found = [_aimless(tag) for tag in plant.cvs if _asks_nothing(tag)]
    for tag in plant.cvs:
        low, high = tag.bounds
        targets = {
            "setpoint": tag.setpoint,
            **dict(zip(("zone from", "zone to"), tag.zone or (), strict=False)),
        }
        for label, value in targets.items():
            if value is not None and not low <= value <= high:
                sentence = (
                    f"{tag.name}: {label} {value:g} is outside limits [{low:g}, {high:g}], which go first"
                )
                found.append(Finding(severity=Severity.WARNING, tag=tag.name, sentence=sentence))
    return found


def _asks_nothing(tag: Tag) -> bool:
    asked = (tag.setpoint, tag.zone, tag.limits, tag.forecast_node, tag.setpoint_of)
    return all(item is None for item in asked) and not (tag.price or tag.price_quadratic)


def _aimless(tag: Tag) -> Finding:
    sentence = (
        f"{tag.name} has no setpoint, zone, limits or price: it is predicted, and held nowhere until a "
        "setpoint or zone is given"
    )
    return Finding(severity=Severity.NOTE, tag=tag.name, sentence=sentence)


def check_log(plant: PlantSpec, log: Log) -> list[Finding]:
    """What is worth knowing about `log` before a model of `plant` is learned from it, the worst first."""
    rule = WindowRule(
        tags=plant.names, interval_s=plant.interval_s, history=1, hold_s=default_hold_s(plant, log)
    )
    rows = grid(log, rule)
    run = without_shutdowns(rows, plant)
    found = [
        *check_plant(plant),
        *_excitation(run, plant),
        *_answers(run, plant),
        *instrument_findings(log, plant),
        *_shutdowns(rows, plant),
        *_gaps(rows, plant),
        *_silences(log, plant),
        *_sampling(log, plant),
        *_file(log),
    ]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def _excitation(rows: Grid, plant: PlantSpec) -> Iterator[Finding]:
    severity = {
        ExcitationVerdict.NONE: Severity.ERROR,
        ExcitationVerdict.LITTLE: Severity.WARNING,
        ExcitationVerdict.ENOUGH: Severity.NOTE,
    }
    for found in excitation(rows, plant):
        yield Finding(severity=severity[found.verdict], tag=found.tag, sentence=found.sentence)


def _answers(rows: Grid, plant: PlantSpec) -> Iterator[Finding]:
    """MVs that a loop moves, and CVs that answer later than any horizon sees."""
    for moved in feedback_moves(rows, plant):
        yield Finding(severity=Severity.WARNING, tag=moved.mv, sentence=moved.sentence)
    for slow in slow_answers(rows, plant):
        severity = Severity.WARNING if slow.unseen else Severity.NOTE
        yield Finding(severity=severity, tag=slow.cv, sentence=slow.sentence)


def instrument_findings(log: Log, plant: PlantSpec) -> Iterator[Finding]:
    """What each instrument should not have sent: readings out of range, stuck, spiking, or not Good."""
    screening = screen(log, plant)
    for tag in plant.tags:
        series, masks = log.series[tag.name], screening.masks(tag.name)
        nothing_left = bool(np.any(list(masks.values()), axis=0).all())
        for reason in Reason:
            count = int(masks[reason].sum())
            if count:
                share = count / len(series)
                first = iso_utc(int(series.time_ns[np.argmax(masks[reason])]))
                severity = Severity.WARNING if share > _BAD_SHARE else Severity.NOTE
                yield Finding(
                    severity=Severity.ERROR if nothing_left else severity,
                    tag=tag.name,
                    sentence=f"{tag.name}: {count} samples ({share:.1%}): {reason.value}, first at {first}",
                )
        if tag.role is not Role.MV and np.ptp(series.usable.value) == 0:
            yield Finding(
                severity=Severity.ERROR if tag.role is Role.CV else Severity.WARNING,
                tag=tag.name,
                sentence=f"{tag.name} never changes in this log: nothing can be learned about it",
            )


def _shutdowns(rows: Grid, plant: PlantSpec) -> Iterator[Finding]:
    for sentence in shutdown_sentences(rows, plant):
        yield Finding(severity=Severity.NOTE, tag=None, sentence=sentence)


def _gaps(rows: Grid, plant: PlantSpec) -> Iterator[Finding]:
    if not enough(rows, plant):
        around = SHORTEST_HISTORY + SHORTEST_HORIZON
        yield Finding(
            severity=Severity.ERROR,
            tag=None,
            sentence=f"the log is too short: without its last fifth, {len(rows)} control intervals hold "
            f"fewer than {LEAST_MOMENTS} moments with {around} intervals around them that miss nothing",
        )
    elif len(rows) < SHORTEST_INTERVALS:
        yield Finding(
            severity=Severity.WARNING,
            tag=None,
            sentence=f"the log is short: {len(rows)} control intervals of {plant.interval_s:g} s",
        )
    jumps = [
        (one.stop - 1, other.start) for one, other in zip(rows.stretches, rows.stretches[1:], strict=False)
    ]
    if jumps:
        last, first = max(jumps, key=lambda jump: int(rows.time_ns[jump[1]] - rows.time_ns[jump[0]]))
        longest_s = int(rows.time_ns[first] - rows.time_ns[last]) / 1e9
        yield Finding(
            severity=Severity.NOTE,
            tag=None,
            sentence=f"{len(jumps)} {'gap' if len(jumps) == 1 else 'gaps'} without any measurement; the "
            f"longest is {longest_s:.12g} s from {iso_utc(int(rows.time_ns[last]))}",
        )
    for tag in plant.tags:
        missing = 1.0 - float(rows.valid[:, rows.rule.tags.index(tag.name)].mean())
        if missing > _BAD_SHARE:
            yield Finding(
                severity=Severity.WARNING,
                tag=tag.name,
                sentence=f"{tag.name} has no fresh Good sample in {missing:.1%} of the control intervals",
            )


def _silences(log: Log, plant: PlantSpec) -> Iterator[Finding]:
    for sentence in silence_sentences(log, plant):
        yield Finding(severity=Severity.NOTE, tag=None, sentence=sentence)


def _sampling(log: Log, plant: PlantSpec) -> Iterator[Finding]:
    for tag in plant.cvs:
        series = log.series[tag.name].usable
        if len(series) > 1:
            usual_s = float(np.median(np.diff(series.time_ns))) / 1e9
            if usual_s > _COARSE * plant.interval_s:
                yield Finding(
                    severity=Severity.NOTE,
                    tag=tag.name,
                    sentence=f"{tag.name} is sampled every {usual_s:g} s, the control interval is "
                    f"{plant.interval_s:g} s",
                )


def _file(log: Log) -> Iterator[Finding]:
    if log.duplicates:
        yield Finding(
            severity=Severity.NOTE, tag=None, sentence=f"{log.duplicates} repeated samples were dropped"
        )
    if log.ignored:
        shown = [name.strip() or "one without a heading" for name in log.ignored[:10]]
        names = ", ".join(shown) + (" ..." if len(log.ignored) > 10 else "")
        yield Finding(
            severity=Severity.NOTE,
            tag=None,
            sentence=f"ignored, because the plant file does not name them: {names}",
        )
    for note in log.notes:
        yield Finding(severity=Severity.NOTE, tag=None, sentence=note)
