"""What each tag of a log probably is to a controller: what moves others, what answers, what does neither."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from procwm.data.drafting.leading import Leading, leading
from procwm.data.drafting.regular_rows import RegularRows
from procwm.data.drafting.step_answers import StepAnswer, step_answers
from procwm.plant.tags import Role
from procwm.plant.units import canonical_unit

_STILL = 0.5
"""Share of the rows in which what is stepped stays exactly as it is."""
_TENTH = 0.1
_JUMPS = 0.9
"""Share of the squares of its moves that the largest tenth of them has."""
_WRITTEN = re.compile(r"(?:^|[._ \-/:])(?:SP|SPT|OP|OUT|CO|MV|SETPOINT)\d*$", re.IGNORECASE)
"""Names of what a person, a loop or a program writes."""
_AT_ONCE = 2
"""Rows; what has answered within them, where other tags take three times as long, is what the MV sets."""
_SLOWER = 3
_FOLLOWS = (0.85, 1.15)
"""Gain of a loop's measurement to its setpoint."""
_MOVERS = 8


@dataclass(frozen=True, kw_only=True)
class LikelyRole:
    """What a tag probably is.

    Attributes:
        role: as the log has it.
        reason: why, a sentence.
        question: what the log cannot tell, or empty.
        setpoint_of: the tag whose loop has this one as its setpoint.
        answers: to the tags that move it.
    """

    role: Role
    reason: str
    question: str = ""
    setpoint_of: str | None = None
    answers: Mapping[str, StepAnswer]


def likely_roles(rows: RegularRows, units: Mapping[str, str]) -> dict[str, LikelyRole]:
    """What each tag probably is, by tag; at least one is an MV, and one a CV."""
    stepped = {name for name in rows.names if _stepped(rows.column(name))}
    leads = leading(rows.names, rows.values, np.array([name in stepped for name in rows.names]))
    mvs = _mvs(rows, leads, stepped)
    answers = {name: _answers(rows, leads, name) for name in rows.names if name not in mvs}
    found = {
        name: _mv(name, leads, stepped) if name in mvs else _other(name, leads, mvs, stepped, answers[name])
        for name in rows.names
    }
    found = _at_once(found, mvs, rows.apart_s)
    if not any(one.role is Role.CV for one in found.values()):
        name = next((name for name in rows.names if name not in mvs and leads.moved_by(name)), None)
        name = name or next(name for name in rows.names if name not in mvs)
        found[name] = replace(
            found[name],
            role=Role.CV,
            question=f"what is to be held? nothing answers {_listed(mvs)} in this log",
        )
    return _with_setpoints(found, rows, units)


def _stepped(column: Float64[np.ndarray, " row"]) -> bool:
    """Whether a tag stays where it is, and then goes elsewhere at once."""
    moves = np.diff(column[np.isfinite(column)])
    if not moves.any():
        return False
    squares = np.sort(moves**2)[::-1]
    jumps = squares[: max(1, round(_TENTH * len(squares)))].sum() / squares.sum()
    return bool((moves == 0.0).mean() >= _STILL and jumps >= _JUMPS)


def _mvs(rows: RegularRows, leads: Leading, stepped: set[str]) -> tuple[str, ...]:
    """What nothing moves, and what moves others: by steps if any does."""
    free = [name for name in rows.names if not leads.moved_by(name)]
    movers = [name for name in free if leads.moved(name)]
    for offered in (
        [name for name in movers if name in stepped or _WRITTEN.search(name)],
        movers,
        [name for name in rows.names if _WRITTEN.search(name)],
        [name for name in free if name in stepped],
        list(rows.names[-1:]),
    ):
        if offered and len(offered) < len(rows.names):
            return tuple(offered)
    return rows.names[:1]


def _answers(rows: RegularRows, leads: Leading, name: str) -> dict[str, StepAnswer]:
    movers = [other for other in leads.moved_by(name) if not leads.moved_by(other)][:_MOVERS]
    return step_answers({other: rows.column(other) for other in movers}, rows.column(name)) if movers else {}


def _mv(name: str, leads: Leading, stepped: set[str]) -> LikelyRole:
    moved = leads.moved(name)
    how = "it is stepped, " if name in stepped else ""
    question = "may procwm write it? if not, make it a DV" if name in stepped else ""
    if not moved:
        return LikelyRole(
            role=Role.MV,
            reason=f"MV: {how}and no tag is seen to answer it",
            question="what may procwm write? this log does not tell",
            answers={},
        )
    return LikelyRole(
        role=Role.MV,
        reason=f"MV: {how}nothing moves it, and it moves {_listed(moved)}",
        question=question or "may procwm write it? it is not stepped; if it only is measured, make it a DV",
        answers={},
    )


def _other(
    name: str, leads: Leading, mvs: tuple[str, ...], stepped: set[str], answers: Mapping[str, StepAnswer]
) -> LikelyRole:
    by, moved = leads.moved_by(name), leads.moved(name)
    movers = tuple(other for other in by if other in mvs)
    if movers and _WRITTEN.search(name):
        return LikelyRole(
            role=Role.PV,
            reason=f"PV: by its name it is written, and it is moved by {_listed(movers)}, as by a loop",
            answers=answers,
        )
    if movers:
        return LikelyRole(
            role=Role.CV,
            reason=f"CV: it is moved by {_listed(movers)}{_timing(answers)}",
            answers=answers,
        )
    if by:
        return LikelyRole(
            role=Role.PV, reason=f"PV: it is moved by {_listed(by)}, and by no MV", answers=answers
        )
    if moved:
        return LikelyRole(
            role=Role.DV,
            reason=f"DV: nothing in the log moves it, and it moves {_listed(moved)}",
            answers=answers,
        )
    if name in stepped:
        return LikelyRole(
            role=Role.DV,
            reason="DV: it is stepped, and no tag is seen to answer it",
            question="is it a status that changes what the plant does? if not, leave it out",
            answers=answers,
        )
    return LikelyRole(
        role=Role.PV,
        reason="PV: nothing in the log moves it, and it moves nothing",
        question="is it to be held? then it is a CV, and the log must show what moves it",
        answers=answers,
    )


def _at_once(found: Mapping[str, LikelyRole], mvs: tuple[str, ...], apart_s: float) -> dict[str, LikelyRole]:
    """`found` with what follows an MV at once as a PV, where other tags take their time."""
    takes = {
        name: min(answer.constant_rows for answer in one.answers.values())
        for name, one in found.items()
        if one.role is Role.CV and one.answers
    }
    slowest = max(takes.values(), default=0)
    quick = {
        name
        for name, taken in takes.items()
        if taken <= _AT_ONCE and slowest >= _SLOWER * taken and slowest > _AT_ONCE
    }
    return {
        name: replace(
            one,
            role=Role.PV,
            reason=f"PV: it follows {_listed(tuple(one.answers))} within {takes[name] * apart_s:g} s, sooner "
            "than the others: it is what the MV sets, or near to it",
        )
        if name in quick
        else one
        for name, one in found.items()
    }


def _with_setpoints(
    found: Mapping[str, LikelyRole], rows: RegularRows, units: Mapping[str, str]
) -> dict[str, LikelyRole]:
    """`found` with each MV that a tag of the same unit follows as the setpoint of that tag's loop."""
    whole = dict(found)
    for name, one in found.items():
        for mv, answer in one.answers.items():
            loop = (
                found[mv].role is Role.MV
                and whole[mv].setpoint_of is None
                and _follows(rows, mv, name, answer)
            )
            if loop and canonical_unit(units.get(mv, "")) == canonical_unit(units.get(name, "")):
                whole[mv] = replace(whole[mv], setpoint_of=name)
                whole[name] = replace(
                    one, role=Role.CV, reason=f"CV: it comes to rest at {mv}, as the loop of that"
                )
    return whole


def _follows(rows: RegularRows, mv: str, name: str, answer: StepAnswer) -> bool:
    """Whether a tag answers by as much as an MV moves, and lies about where that is."""
    apart = np.nanmedian(np.abs(rows.column(name) - rows.column(mv)))
    width = np.subtract(*np.nanquantile(rows.column(mv), (0.99, 0.01)))
    return bool(_FOLLOWS[0] <= answer.gain <= _FOLLOWS[1] and apart < 0.25 * width)


def _timing(answers: Mapping[str, StepAnswer]) -> str:
    gains = ", ".join(f"{answer.gain:+.3g} per unit of {mv}" for mv, answer in answers.items())
    return f" ({gains})" if gains else ""


def _listed(names: tuple[str, ...] | list[str]) -> str:
    shown = list(names[:4]) + ([f"{len(names) - 4} more"] if len(names) > 4 else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
