"""A plant file drafted from a log, and from what the plant's server says of its tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from procwm.data.drafting.likely_roles import LikelyRole, likely_roles
from procwm.data.drafting.regular_rows import RegularRows, regular_rows
from procwm.data.drafting.suggested_numbers import (
    suggested_interval,
    suggested_limits,
    suggested_move,
    suggested_range,
)
from procwm.data.drafting.table_survey import Survey
from procwm.data.series import Log
from procwm.plant.browsing import ServedTag
from procwm.plant.plantfile.plant_notes import DECIDE, PlantNotes
from procwm.plant.tags import OpcUaSettings, PlantSpec, Role, Tag

READ_ONLY = "read_only in [opcua]: nothing is written to the plant; take it out once you mean to"
_NO_TAGS: Mapping[str, ServedTag] = {}


@dataclass(frozen=True, kw_only=True)
class PlantDraft:
    """A plant file that nobody has looked at yet.

    Attributes:
        plant: what it describes.
        notes: why, and what is left to decide.
    """

    plant: PlantSpec
    notes: PlantNotes


def drafted(
    name: str,
    survey: Survey,
    *,
    served: Mapping[str, ServedTag] = _NO_TAGS,
    opcua: OpcUaSettings | None = None,
) -> PlantDraft:
    """The plant that a log shows.

    Args:
        name: of the plant.
        survey: the log.
        served: by tag, what its server says of it.
        opcua: how the server is reached.
    """
    still = {tag: _constant(survey.log, tag) for tag in survey.log.series}
    moving = {tag: series for tag, series in survey.log.series.items() if still[tag] is None}
    left_out = {**survey.left_out, **{tag: why for tag, why in still.items() if why is not None}}
    kept = moving if len(moving) > 1 else survey.log.series
    rows = regular_rows(Log(series=kept))
    units = {tag: (served[tag].unit if tag in served else "") or survey.units[tag] for tag in kept}
    roles = likely_roles(rows, units)
    interval_s, why = suggested_interval(
        rows.apart_s,
        len(rows.values),
        [answer for one in roles.values() if one.role is Role.CV for answer in one.answers.values()],
    )
    drafts = [
        _tag(
            tag,
            one,
            rows,
            survey.log.series[tag].usable.value,
            units[tag],
            served.get(tag),
            opcua is not None,
        )
        for tag, one in sorted(roles.items(), key=lambda item: list(Role).index(item[1].role))
    ]
    tags = tuple(tag for tag, _ in drafts)
    return PlantDraft(
        plant=PlantSpec(
            name=name,
            interval_s=interval_s,
            tags=tags,
            opcua=opcua,
            log=survey.how,
        ),
        notes=PlantNotes(
            plant=(f"interval_s: {why}", *_of_instruments(tags)),
            tags={tag.name: tuple(lines) for tag, lines in drafts},
            end=(
                *(() if opcua is None else (READ_ONLY,)),
                *(f"left out: {tag}: {why}" for tag, why in left_out.items() if tag not in kept),
            ),
        ),
    )


def _constant(log: Log, tag: str) -> str | None:
    value = log.series[tag].usable.value
    return f"it never changes from {value[0]:g}" if np.ptp(value) == 0 else None


def _tag(
    name: str,
    one: LikelyRole,
    rows: RegularRows,
    value: Float64[np.ndarray, " sample"],
    unit: str,
    served: ServedTag | None,
    server: bool,
) -> tuple[Tag, list[str]]:
    """A tag as drafted, and the comments below it."""
    lines = [one.reason]
    span, why = suggested_range(value, unit)
    if served is not None and served.range is not None:
        span, why = served.range, "range: of the server"
    lines.append(why)
    limits = max_move = None
    if one.role is Role.MV:
        low, high = suggested_limits(value)
        limits = (max(low, span[0]), min(high, span[1]))
        limits = limits if limits[0] < limits[1] else None
        max_move = suggested_move(rows.column(name), limits or span)
        lines.append("limits: where it was in the log, beyond which a model knows nothing")
        lines.append("max_move: the usual step of the log, at most a fifth of limits")
    tag = Tag(
        name=name,
        role=one.role,
        unit=unit,
        range=span,
        limits=limits,
        max_move=max_move,
        setpoint_of=one.setpoint_of if unit else None,
        node=None if served is None else served.node,
    )
    return tag, lines + [DECIDE + question for question in _questions(one, value, unit, served, server)]


def _questions(
    one: LikelyRole,
    value: Float64[np.ndarray, " sample"],
    unit: str,
    served: ServedTag | None,
    server: bool,
) -> Sequence[str]:
    found = [one.question] if one.question else []
    if one.role is Role.CV:
        found.append(
            f"setpoint, zone or limits, if it is to be held; its median in the log is {np.median(value):.4g}"
        )
    if server and served is None:
        found.append("node: the server has no variable of this name")
    elif served is not None and one.role is Role.MV and not served.writable:
        found.append("the server does not let this user write it: is there another node?")
    if one.setpoint_of is not None and not unit:
        found.append(
            f'is it the setpoint of {one.setpoint_of}\'s loop? then setpoint_of = "{one.setpoint_of}"'
        )
    return found


def _of_instruments(tags: Sequence[Tag]) -> tuple[str, ...]:
    """What to ask about all tags at once."""
    bare = [tag.name for tag in tags if not tag.unit]
    if not bare:
        return ()
    of = "all tags" if len(bare) == len(tags) else ", ".join(bare[:4]) + (", ..." if len(bare) > 4 else "")
    return (f"{DECIDE}unit and range of {of}, as the instruments have them",)
