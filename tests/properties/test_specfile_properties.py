"""A plant file says everything a plant is."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from procwm.plant.plantfile.plant_fingerprint import first_difference
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.tags import OpcUaSettings, PlantSpec, Role, Tag

numbers = st.floats(-1e12, 1e12, allow_subnormal=False)
shown = st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"))
texts = st.text(shown, min_size=1, max_size=12).filter(str.strip)
nodes = st.builds("ns={};s={}".format, st.integers(0, 65535), texts)
endpoints = st.builds("opc.tcp://plant:{}/{}".format, st.integers(0, 65535), texts)


@st.composite
def tags(draw: st.DrawFn, name: str, role: Role) -> dict[str, Any]:
    low, inner_low, target, inner_high, high = sorted(
        draw(st.lists(numbers, min_size=5, max_size=5, unique=True))
    )
    inside = st.none() | st.just((inner_low, inner_high))
    positive = st.floats(1e-6, 1e6)
    return dict(  # noqa: C408 - reads as the tag it becomes
        name=name,
        role=role,
        unit=draw(st.text(shown, max_size=4)),
        range=(low, high),
        setpoint=draw(st.none() | st.just(target)) if role is Role.CV else None,
        zone=draw(inside) if role is Role.CV else None,
        weight=draw(st.floats(0, 1e6)),
        limits=draw(inside) if role is not Role.DV else None,
        max_move=draw(st.none() | positive) if role is Role.MV else None,
        move_weight=draw(st.floats(0, 1e6)) if role is Role.MV else 0.0,
        node=draw(st.none() | nodes),
        max_hold_s=draw(st.none() | positive),
    )


@st.composite
def plants(draw: st.DrawFn) -> tuple[str, float, list[dict[str, Any]], str | None]:
    names = draw(st.lists(texts, min_size=2, max_size=5, unique=True))
    roles = [Role.CV, Role.MV, *(draw(st.sampled_from(list(Role))) for _ in names[2:])]
    tables = [draw(tags(name, role)) for name, role in zip(names, roles, strict=True)]
    return draw(texts), draw(st.floats(1e-3, 1e6)), tables, draw(st.none() | endpoints)


@settings(max_examples=60)
@given(plants())
def test_a_plant_written_and_read_is_the_same_plant(
    drawn: tuple[str, float, list[dict[str, Any]], str | None],
) -> None:
    name, interval_s, tables, endpoint = drawn
    plant = PlantSpec(
        name=name,
        interval_s=interval_s,
        tags=tuple(Tag(**table) for table in tables),
        opcua=None if endpoint is None else OpcUaSettings(endpoint=endpoint),
    )
    again = parse_plant(dump_plant(plant))
    assert again == plant
    assert first_difference(plant, again) is None
