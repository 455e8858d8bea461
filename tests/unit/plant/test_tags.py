"""Tags and plants that refuse nonsense when they are built."""

import math
from typing import Any

import pytest

from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec, Role, Tag, names_of

LEVEL = {"name": "LT1.PV", "role": Role.CV, "unit": "cm", "range": (0.0, 20.0)}
PUMP = {"name": "P1.SP", "role": Role.MV, "unit": "V", "range": (0.0, 10.0)}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"name": " "}, "a tag has an empty name"),
        (
            {"range": (20.0, 0.0)},
            r"LT1\.PV: range is \[20\.0, 0\.0\]; it must be \[low, high\] with low < high",
        ),
        ({"range": (0.0, math.inf)}, r"range is \[0\.0, inf\]"),
        ({"zone": (1.0, 30.0)}, r"zone \[1\.0, 30\.0\] leaves the instrument's range \[0\.0, 20\.0\] cm"),
        ({"limits": (-1.0, 5.0)}, r"limits \[-1\.0, 5\.0\] leaves the instrument's range"),
        ({"setpoint": 21.0}, r"setpoint 21\.0 is outside the instrument's range"),
        ({"setpoint": math.nan}, "setpoint nan"),
        ({"weight": -1.0}, r"weight is -1\.0; it must be a number of at least 0"),
        ({"max_hold_s": 0.0}, r"max_hold_s is 0\.0; it must be a number above 0"),
        ({"max_move": 1.0}, "a CV takes no max_move; only MV tags do"),
        ({"role": Role.DV, "limits": (1.0, 2.0)}, "a DV takes no limits; only CV or MV or PV tags do"),
        ({"role": Role.PV, "setpoint": 3.0}, "a PV takes no setpoint; only CV tags do"),
    ],
)
def test_a_tag_without_sense_is_refused(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        Tag(**(LEVEL | table))


@pytest.mark.parametrize(
    ("tables", "interval_s", "sentence"),
    [
        ([LEVEL, PUMP, LEVEL], 1.0, "tag LT1.PV is listed twice"),
        ([LEVEL], 1.0, "no tag has the role MV"),
        ([PUMP], 1.0, "no tag has the role CV"),
        ([LEVEL, PUMP], 0.0, r"interval_s is 0\.0; it must be above 0"),
        ([LEVEL, PUMP], math.nan, "interval_s is nan"),
    ],
)
def test_a_plant_without_sense_is_refused(
    tables: list[dict[str, Any]], interval_s: float, sentence: str
) -> None:
    with pytest.raises(SpecError, match=sentence):
        PlantSpec(name="tank", interval_s=interval_s, tags=tuple(Tag(**table) for table in tables))


def test_outputs_are_cvs_and_then_pvs_with_limits() -> None:
    tags = (
        Tag(name="T", role=Role.PV, range=(0.0, 1.0), limits=(0.1, 0.9)),
        Tag(name="F", role=Role.DV, range=(0.0, 1.0)),
        Tag(**PUMP),
        Tag(name="X", role=Role.PV, range=(0.0, 1.0)),
        Tag(**LEVEL),
    )
    plant = PlantSpec(name="tank", interval_s=1.0, tags=tags)
    assert names_of(plant.outputs) == ("LT1.PV", "T")
    assert names_of(plant.dvs) == ("F",)
    assert plant.names == ("T", "F", "P1.SP", "X", "LT1.PV")


def test_a_tag_knows_its_span_and_bounds() -> None:
    limited = Tag(**LEVEL, limits=(1.0, 19.0))
    assert (limited.span, limited.bounds, Tag(**LEVEL).bounds) == (20.0, (1.0, 19.0), (0.0, 20.0))


def test_an_unknown_tag_is_named_beside_the_known_ones() -> None:
    plant = PlantSpec(name="tank", interval_s=1.0, tags=(Tag(**LEVEL), Tag(**PUMP)))
    assert plant.tag("P1.SP").role is Role.MV
    with pytest.raises(SpecError, match=r"plant tank has no tag LT9; its tags are LT1\.PV, P1\.SP"):
        plant.tag("LT9")


def test_only_a_cv_can_be_asked_for_a_value_and_only_for_one_in_range() -> None:
    assert Tag(**LEVEL).check_target(3.0) == 3.0
    with pytest.raises(SpecError, match="outside the instrument's range"):
        Tag(**LEVEL).check_target(math.inf)
    with pytest.raises(SpecError, match="MV takes no setpoint"):
        Tag(**PUMP).check_target(3.0)
