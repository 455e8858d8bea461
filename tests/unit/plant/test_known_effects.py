"""What an engineer knows of an MV's effects: read from the plant file, and refused where it is nonsense."""

import copy

import pytest

from procwm.errors import SpecError
from procwm.plant.plantfile.plant_fingerprint import first_difference, plant_fingerprint
from procwm.plant.plantfile.specfile import dump_plant, parse_plant

OVEN = """[plant]
name = "oven"
interval_s = 10.0
[[tag]]
name = "TC1.PV"
role = "CV"
unit = "degC"
range = [0.0, 100.0]
[[tag]]
name = "TC2.PV"
role = "PV"
unit = "degC"
range = [0.0, 100.0]
limits = [10.0, 90.0]
[[tag]]
name = "FT1.PV"
role = "PV"
unit = "l/s"
range = [0.0, 1.0]
[[tag]]
name = "FC1.SP"
role = "MV"
unit = "l/s"
range = [0.0, 1.0]
[[tag]]
name = "TC1.SP"
role = "MV"
unit = "°C"
range = [0.0, 100.0]
"""
ALL = """no_effect = ["TC2.PV"]
setpoint_of = "TC1.PV"
gains = { "TC1.PV" = [0.9, 1.1] }
dead_times_s = { "TC1.PV" = 120 }
"""


def test_what_is_known_of_effects_is_read_and_written_and_read_again() -> None:
    plant = parse_plant(OVEN + ALL)
    known = plant.tag("TC1.SP").known_effects
    assert (known.no_effect, known.setpoint_of) == (("TC2.PV",), "TC1.PV")
    assert (known.gains, known.dead_times_s) == ({"TC1.PV": (0.9, 1.1)}, {"TC1.PV": 120.0})
    assert 'gains = { "TC1.PV" = [0.9, 1.1] }' in dump_plant(plant)
    assert parse_plant(dump_plant(plant)) == copy.deepcopy(plant) == plant
    assert hash(plant) == hash(parse_plant(OVEN + ALL))
    assert plant != parse_plant(OVEN)


def test_what_is_known_of_effects_may_change_after_training() -> None:
    trained, given = parse_plant(OVEN), parse_plant(OVEN + ALL)
    assert first_difference(trained, given) is None
    assert plant_fingerprint(trained) == plant_fingerprint(given)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('no_effect = "TC1.PV"', "tag TC1.SP: no_effect is 'TC1.PV'; it must be a list of tag names"),
        ('setpoint_of = ["TC1.PV"]', "tag TC1.SP: setpoint_of is ['TC1.PV']; it must be a text in quotes"),
        ("gains = 2.0", 'tag TC1.SP: gains is 2.0; write it as { "TAG" = [0.5, 2.0] }'),
        ('gains = { "TC1.PV" = 2.0 }', "tag TC1.SP: gains is 2.0; it must be two numbers, [low, high]"),
        ("dead_times_s = 60", 'tag TC1.SP: dead_times_s is 60; write it as { "TAG" = 120.0 }'),
        ('dead_times_s = { "TC1.PV" = "60" }', "tag TC1.SP: dead_times_s is '60'; it must be a number"),
        ('no_effects = ["TC1.PV"]', "tag TC1.SP: unknown key no_effects; did you mean no_effect?"),
        ('no_effect = ["FT1.PV"]', "TC1.SP: no_effect names CVs and PVs with limits; FT1.PV is"),
        ('setpoint_of = "FC1.SP"', "TC1.SP: setpoint_of names CVs and PVs with limits; FC1.SP is not one of"),
        (
            'gains = { "TC3.PV" = [1, 2] }',
            "TC1.SP: gains names CVs and PVs with limits; TC3.PV is",
        ),
        ('dead_times_s = { "FT1.PV" = 1 }', "TC1.SP: dead_times_s names CVs and PVs with limits; FT1.PV is"),
        ('gains = { "TC1.PV" = [2, 1] }', "gains of TC1.PV is [2.0, 1.0]; it must be [low, high]"),
        ('gains = { "TC1.PV" = [0, inf] }', "gains of TC1.PV is [0.0, inf]; it must be [low, high]"),
        ('dead_times_s = { "TC1.PV" = -1 }', "dead_times_s of TC1.PV is -1.0; it must be a number of at lea"),
        ('dead_times_s = { "TC1.PV" = nan }', "dead_times_s of TC1.PV is nan; it must be a number of at lea"),
        ('no_effect = ["TC2.PV", "TC1.PV"]', "TC1.SP: no_effect names every CV and every PV with limits; ma"),
        (
            'no_effect = ["TC1.PV"]\nraises = ["TC1.PV"]',
            "TC1.PV stands in no_effect and in raises; keep one of them",
        ),
        (
            'no_effect = ["TC1.PV"]\nlowers = ["TC1.PV"]',
            "TC1.PV stands in no_effect and in lowers; keep one of them",
        ),
        (
            'no_effect = ["TC1.PV"]\nsetpoint_of = "TC1.PV"',
            "TC1.PV stands in no_effect and in setpoint_of; keep one of them",
        ),
        (
            'no_effect = ["TC1.PV"]\ngains = { "TC1.PV" = [1, 2] }',
            "TC1.PV stands in no_effect and in gains; keep one of them",
        ),
        (
            'no_effect = ["TC1.PV"]\ndead_times_s = { "TC1.PV" = 5 }',
            "TC1.PV stands in no_effect and in dead_times_s; keep one of them",
        ),
        (
            'setpoint_of = "TC1.PV"\nlowers = ["TC1.PV"]',
            "TC1.PV stands in setpoint_of and in lowers; keep one of them",
        ),
        (
            'setpoint_of = "TC1.PV"\ngains = { "TC1.PV" = [2, 3] }',
            "gains of TC1.PV is [2.0, 3.0], and by setpoint_of the gain is 1; mend one of them",
        ),
        (
            'raises = ["TC1.PV"]\ngains = { "TC1.PV" = [-3, -2] }',
            "gains of TC1.PV is [-3.0, -2.0], and by raises the gain is above 0; mend one of them",
        ),
        (
            'lowers = ["TC1.PV"]\ngains = { "TC1.PV" = [2, 3] }',
            "gains of TC1.PV is [2.0, 3.0], and by lowers the gain is below 0; mend one of them",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(said: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_plant(OVEN + said, source="plant.toml")
    assert str(caught.value).startswith("plant.toml: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_setpoint_has_the_unit_of_its_loop_however_that_is_written() -> None:
    assert parse_plant(OVEN + 'setpoint_of = "TC1.PV"')
    with pytest.raises(SpecError, match=r'TC1.SP: its unit is "K", and setpoint_of names TC1.PV, whose unit'):
        parse_plant(OVEN.replace("°C", "K") + 'setpoint_of = "TC1.PV"')


def test_a_loop_has_one_setpoint() -> None:
    both = OVEN.replace('unit = "l/s"\nrange = [0.0, 1.0]\n[[tag]]\nname = "TC1.SP"', "{}")
    first = 'unit = "degC"\nsetpoint_of = "TC1.PV"\nrange = [0.0, 1.0]\n[[tag]]\nname = "TC1.SP"'
    with pytest.raises(SpecError, match=r"TC1.SP: setpoint_of names TC1.PV, as that of FC1.SP does"):
        parse_plant(both.format(first) + 'setpoint_of = "TC1.PV"')


def test_only_an_mv_has_effects_that_are_known() -> None:
    with pytest.raises(SpecError, match=r"TC1\.PV: a CV takes no gains; only MV tags do"):
        parse_plant(OVEN.replace('role = "CV"', 'role = "CV"\ngains = { "TC2.PV" = [1, 2] }'))
