"""Case 06: node ids as plants have them, and texts that can be none."""

from pathlib import Path

import pytest
from strangers import CASES, at, case, here, served

from procwm.cli import run
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.samples import Quality
from procwm_adapters.opcua.link.opcua_link import OpcUaLink

pytestmark = here

FOUND = [
    ("EquipSetParam(E=93;SP=204)", "V40;0;3"),
    ("O=::/#pc;B=::/#pc;S=pc;", "Line1.nsuri=MACHINE.NS;s=x"),
    ('"DB_Proc"."temp"', "|var|PLC.App.x y"),
    ("foo;nsu=bar;baz", "V"),
]


def with_nodes(plant_file: Path, level: str, valve: str) -> Path:
    text = plant_file.read_text(encoding="utf-8")
    plant_file.write_text(text.replace("'ns=-1;s=x'", f"'{level}'").replace("'ns=2;s=V'", f"'{valve}'"))
    return plant_file


@pytest.mark.parametrize(("level", "valve"), FOUND)
async def test_every_identifier_of_real_plants_is_found(tmp_path: Path, level: str, valve: str) -> None:
    folder = case("06-node-ids", tmp_path)
    with served(folder / "srv.py", level, valve) as server:
        plant_file = at(with_nodes(folder / "plant.toml", f"ns=2;s={level}", f"ns=2;s={valve}"), server)
        async with OpcUaLink(load_plant(plant_file)) as link:
            assert await link.write({"HV1": 42.0}) == {"HV1": 42.0}
            assert {"TI1"} <= {s.tag for s in link.drain() if s.quality is Quality.GOOD}


@pytest.mark.parametrize(
    "node", ["ns=-1;s=x", "ns=70000;s=foo", "ns=2;i=-1", "ns=2;i=4294967296", "ns=2;g=xyz", "2:foo"]
)
def test_what_can_be_no_node_id_is_refused_by_check_with_its_tag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], node: str
) -> None:
    plant_file = with_nodes(case("06-node-ids", tmp_path) / "plant.toml", node, "ns=2;s=V")
    assert run(["check", str(plant_file)]) == 2
    said = capsys.readouterr().err
    assert f'TI1: node "{node}"' in said
    assert "bug in procwm" not in said
    assert said.strip().count("\n") == 0


def test_the_plant_file_as_it_lies_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(CASES / "06-node-ids" / "plant.toml")]) == 2
    assert 'TI1: node "ns=-1;s=x"' in capsys.readouterr().err
