"""A plant file drafted from what a server offers, before there is a log."""

from collections.abc import Iterable, Mapping, Sequence

from procwm.data.drafting.draft import READ_ONLY, PlantDraft
from procwm.errors import SpecError
from procwm.plant.browsing import Offered, ServedTag
from procwm.plant.plantfile.plant_notes import DECIDE, PlantNotes
from procwm.plant.tags import Interval, OpcUaSettings, PlantSpec, Role, Tag

INTERVAL_S = 10.0
_UNKNOWN: Interval = (0.0, 100.0)


def drafted_from_server(name: str, offered: Offered, opcua: OpcUaSettings) -> PlantDraft:
    """The plant that a server shows: what may be written is an MV, what states a range is measured.

    Raises:
        SpecError: it offers fewer than two numbers.
    """
    ranged = [tag for tag in offered.tags if tag.range is not None]
    kept = ranged if len(ranged) > 1 else list(offered.tags)
    if len(kept) < 2:
        raise SpecError(
            f"{opcua.endpoint}: the server has {len(kept)} variables with one number, and a plant needs two; "
            f"left out: {'; '.join(map(': '.join, offered.left_out.items())) or 'none'}"
        )
    bare = {
        tag.name: f"it states no range; its node is {tag.node}" for tag in offered.tags if tag not in kept
    }
    roles = _roles(kept)
    tags = [
        _tag(tag, roles[tag.name]) for tag in sorted(kept, key=lambda tag: list(Role).index(roles[tag.name]))
    ]
    return PlantDraft(
        plant=PlantSpec(name=name, interval_s=INTERVAL_S, tags=tuple(tag for tag, _ in tags), opcua=opcua),
        notes=PlantNotes(
            plant=(f"{DECIDE}roles and interval_s: record a log with these tags, and draft again with it",),
            tags={tag.name: tuple(lines) for tag, lines in tags},
            end=(READ_ONLY, *_left_out({**offered.left_out, **bare})),
        ),
    )


def by_tag(names: Iterable[str], offered: Offered) -> dict[str, ServedTag]:
    """The variable of each tag of a log: of the same name, or of the same identifier, whatever their case."""
    known: dict[str, ServedTag] = {}
    for tag in offered.tags:
        known.setdefault(tag.name.casefold(), tag)
        known.setdefault(tag.node.rpartition(";")[2].partition("=")[2].casefold(), tag)
    return {name: known[name.casefold()] for name in names if name.casefold() in known}


def _roles(tags: Sequence[ServedTag]) -> dict[str, Role]:
    roles = {tag.name: Role.MV if tag.writable else Role.PV for tag in tags}
    held = [name for name, role in roles.items() if role is Role.PV] or [tags[0].name]
    roles[held[0]] = Role.CV
    if Role.MV not in roles.values():
        roles[tags[-1].name] = Role.MV
    return roles


def _tag(served: ServedTag, role: Role) -> tuple[Tag, list[str]]:
    lines = [f"{role}: this user may {'' if served.writable else 'not '}write it"]
    if role is Role.CV:
        lines.append(f"{DECIDE}is it to be held? a plant file has one CV at least, and this is the first tag")
    if role is Role.MV and not served.writable:
        lines.append(f"{DECIDE}what is to be written? the server lets this user write nothing")
    if served.range is None:
        lines.append(f"{DECIDE}range, of which the server tells nothing")
    tag = Tag(name=served.name, role=role, unit=served.unit, range=served.range or _UNKNOWN, node=served.node)
    return tag, lines


def _left_out(reasons: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"left out: {name}: {why}" for name, why in reasons.items())
