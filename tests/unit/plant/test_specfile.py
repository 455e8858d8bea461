"""The plant file: what it says, and one sentence for every mistake."""

from pathlib import Path

import pytest

from procwm.errors import SpecError
from procwm.plant.plantfile.plant_fingerprint import first_difference, plant_fingerprint
from procwm.plant.plantfile.plant_tables import PlantFile
from procwm.plant.plantfile.specfile import dump_plant, load_plant, parse_plant
from procwm.plant.tags import Role

TANK = """[plant]
name = "tank"
interval_s = 10

[[tag]]
name = "LT1.PV"
role = "CV"
unit = "cm"
range = [0, 20]
setpoint = 12.4
limits = [1.0, 19.0]
node = "ns=2;s=LT1.PV"

[[tag]]
name = "TT1.PV"
role = "PV"
unit = "degC"
range = [0.0, 100.0]

[[tag]]
name = "P1.SP"
role = "MV"
unit = "V"
range = [0.0, 10.0]
max_move = 0.5

[opcua]
endpoint = "opc.tcp://127.0.0.1:4840"
"""


def test_a_plant_file_becomes_a_plant(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(TANK, encoding="utf-8")
    plant = load_plant(path)
    assert (plant.name, plant.interval_s, plant.names) == ("tank", 10.0, ("LT1.PV", "TT1.PV", "P1.SP"))
    assert plant.tag("LT1.PV").role is Role.CV
    assert plant.tag("LT1.PV").range == (0.0, 20.0)
    assert plant.tag("LT1.PV").setpoint == 12.4
    assert plant.tag("P1.SP").max_move == 0.5
    assert plant.opcua is not None
    assert plant.opcua.endpoint == "opc.tcp://127.0.0.1:4840"


def test_a_plant_written_is_the_plant_read() -> None:
    plant = parse_plant(TANK)
    assert parse_plant(dump_plant(plant)) == plant
    assert "zone" not in dump_plant(plant)


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ('role = "CV"\n', "", "tag LT1.PV: role is missing"),
        ('role = "CV"', 'role = "XV"', "tag LT1.PV: role is 'XV'; it must be one of CV, MV, DV, PV"),
        ('unit = "cm"\n', "", "tag LT1.PV: unit is missing"),
        ('name = "LT1.PV"\n', "", "tag number 1: name is missing"),
        ("range = [0, 20]\n", "", "tag LT1.PV: range is missing"),
        ("range = [0, 20]", "range = [20, 0]", "LT1.PV: range is [20.0, 0.0]"),
        ("range = [0, 20]", "range = [20]", "tag LT1.PV: range is [20]; it must be two numbers"),
        ("range = [0, 20]", "range = [0, 1, 2]", "tag LT1.PV: range is [0, 1, 2]; it must be two numbers"),
        ("range = [0, 20]", 'range = [0, "20"]', "tag LT1.PV: range is '20'; it must be a number"),
        ("setpoint = 12.4", 'setpoint = "12"', "tag LT1.PV: setpoint is '12'; it must be a number"),
        ("setpoint = 12.4", "setpoint = 124", "LT1.PV: setpoint 124.0 is outside the instrument's range"),
        ("setpoint = 12.4", "setpiont = 12.4", "tag LT1.PV: unknown key setpiont; did you mean setpoint?"),
        ("max_move = 0.5", "max_move = 0", "P1.SP: max_move is 0.0; it must be a number above 0"),
        ("max_move = 0.5", "setpoint = 5", "P1.SP: a MV takes no setpoint"),
        ('name = "P1.SP"', 'name = "LT1.PV"', "tag LT1.PV is listed twice"),
        ('role = "MV"\nunit = "V"', 'role = "DV"\nunit = "V"', "takes no max_move; only MV tags do"),
        ("interval_s = 10", "interval_s = 0", "interval_s is 0.0"),
        ("interval_s = 10", "interval_s = true", "[plant]: interval_s is True; it must be a number"),
        ("[plant]", "[plnt]", "unknown key plnt; did you mean plant?"),
        ("[opcua]", "[historian]", "unknown key historian; known keys are plant, tag, opcua"),
        ("endpoint", "url", "[opcua]: unknown key url; known keys are endpoint"),
        ('name = "tank"', "name = tank", "not valid TOML: Invalid value (at line 2, column 8)"),
        (TANK, 'tag = []\n[plant]\nname = ""\ninterval_s = 1.0', "no tag has the role CV"),
        (TANK, 'tag = 3\n[plant]\nname = ""\ninterval_s = 1.0', "tags are written as tables [[tag]]"),
    ],
)
def test_every_mistake_is_one_sentence_with_file_and_tag(right: str, wrong: str, sentence: str) -> None:
    assert right in TANK
    with pytest.raises(SpecError) as caught:
        parse_plant(TANK.replace(right, wrong, 1), source="plant.toml")
    assert str(caught.value).startswith("plant.toml: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_plant_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.toml: cannot be read: no such file"):
        load_plant(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes(b'[plant]\nname = "\xb0"')
    with pytest.raises(SpecError, match=r"latin\.toml: byte 16 is not UTF-8"):
        load_plant(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ("interval_s = 10", "interval_s = 20", "interval_s is 20.0; the model was trained with 10.0"),
        ('unit = "cm"', 'unit = "m"', 'LT1.PV: unit is "m"; the model was trained with "cm"'),
        ("range = [0, 20]", "range = [0, 25]", "LT1.PV: range is [0.0, 25.0]"),
        ('name = "TT1.PV"\nrole = "PV"', 'name = "TT1.PV"\nrole = "DV"', 'TT1.PV: role is "DV"'),
        ('name = "TT1.PV"', 'name = "TT2.PV"', "TT1.PV: the model was trained with this tag"),
        ("range = [0.0, 100.0]", "range = [0.0, 100.0]\nlimits = [0.0, 90.0]", 'TT1.PV: limits is "given"'),
    ],
)
def test_the_first_tag_a_model_would_misread_is_named(before: str, after: str, difference: str) -> None:
    trained, given = parse_plant(TANK), parse_plant(TANK.replace(before, after, 1))
    found = first_difference(trained, given)
    assert found is not None
    assert found.startswith(difference)
    assert plant_fingerprint(trained) != plant_fingerprint(given)


def test_targets_weights_and_limits_may_change_after_training() -> None:
    other = TANK.replace("setpoint = 12.4", "weight = 3.0\nzone = [2.0, 9.0]").replace(
        "[1.0, 19.0]", "[2.0, 18.0]"
    )
    trained, given = parse_plant(TANK), parse_plant(other.replace("max_move = 0.5", "max_move = 0.1"))
    assert first_difference(trained, given) is None
    assert plant_fingerprint(trained) == plant_fingerprint(given)


def test_an_added_tag_and_a_changed_order_are_named() -> None:
    trained = parse_plant(TANK)
    more = parse_plant(TANK + '[[tag]]\nname = "FT1.PV"\nrole = "DV"\nunit = "l/s"\nrange = [0, 1]\n')
    assert str(first_difference(trained, more)).startswith("FT1.PV: the model was trained without this tag")
    blocks = TANK.split("\n\n")
    swapped = parse_plant("\n\n".join((blocks[0], blocks[2], blocks[1], *blocks[3:])))
    assert str(first_difference(trained, swapped)).startswith("TT1.PV: tag number 1")


def test_the_schema_describes_every_key() -> None:
    schema = PlantFile.model_json_schema()
    assert set(schema["required"]) == {"plant", "tag"}
    assert schema["$defs"]["TagTable"]["properties"]["range"]["description"]


SECURED = """policy = "Aes256Sha256RsaPss"
mode = "Sign"
pki = "certificates"
user = "mpc"
password_file = "secrets/mpc"
read_only = true
"""


def test_security_is_read_and_written_and_its_paths_are_relative_to_the_plant_file(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(TANK + SECURED, encoding="utf-8")
    settings = load_plant(path).opcua
    assert settings is not None
    assert (settings.policy, settings.mode, settings.user) == ("Aes256Sha256RsaPss", "Sign", "mpc")
    assert settings.read_only
    assert settings.path(settings.pki) == tmp_path / "certificates"
    dumped = dump_plant(load_plant(path))
    assert parse_plant(dumped) == load_plant(path)
    assert str(tmp_path) not in dumped


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('policy = "Basic256"', 'policy is "Basic256"; it must be one of Basic256Sha256, Aes128'),
        (
            'policy = "Basic256Sha256"\nmode = "None"',
            'mode is "None"; it must be one of Sign, SignAndEncrypt',
        ),
        ('user = "mpc"', "mpc would log in over a connection that anyone can read and change; add policy"),
        ('user = "a"\nuser_certificate = "b.der"', "user and user_certificate are two ways to log in"),
        ('certificate = "a.der"', "certificate and key belong together"),
        ('password = "secret"', "unknown key password; did you mean password_file?"),
        ("read_only = 1", "read_only is 1; it must be true or false"),
    ],
)
def test_a_mistake_in_the_security_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_plant(TANK + line + "\n")
    assert sentence in str(caught.value)


def test_a_password_in_the_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(SpecError, match="endpoint holds a user or a password") as caught:
        parse_plant(TANK.replace("opc.tcp://", "opc.tcp://mpc:geheim@"))
    assert "geheim" not in str(caught.value)


def test_a_plant_file_saved_by_an_editor_that_marks_utf8_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(TANK, encoding="utf-8-sig")
    assert load_plant(path) == parse_plant(TANK)


def test_a_key_under_its_former_name_is_read_and_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    text = '[plant]\nname = "p"\ninterval_s = 1.0\n[control]\ntrust_region = true\n'
    tag = '[[tag]]\nname = "{0}"\nrole = "{1}"\nunit = ""\nrange = [0.0, 1.0]\n'
    text += tag.format("Y", "CV") + "setpoint = 0.5\n" + tag.format("U", "MV") + "limits = [0.0, 1.0]\n"
    assert parse_plant(text, source="plant.toml").control.data_region
    assert caplog.messages == ["plant.toml: [control]: trust_region is called data_region now; rename it"]
    with pytest.raises(SpecError, match="trust_region is the former name of data_region; keep one"):
        parse_plant(text.replace("trust_region", "data_region = true\ntrust_region"))


@pytest.mark.parametrize(
    "text",
    ["x = " + "[" * 5000 + "]" * 5000, "x = " + "{a=" * 5000 + "1" + "}" * 5000],
    ids=["lists", "tables"],
)
def test_what_is_nested_too_deeply_is_one_sentence(text: str) -> None:
    with pytest.raises(
        SpecError, match=r"^tank: it is nested too deeply; no list of a plant file holds lists$"
    ):
        parse_plant(text, source="tank")


def test_a_number_too_long_to_read_is_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"^tank: not valid TOML: Exceeds the limit"):
        parse_plant("x = " + "1" * 5000, source="tank")
