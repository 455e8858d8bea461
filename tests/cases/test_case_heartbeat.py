"""Case 22: the counter that the plant watches never stands, whatever the type of its node."""

from pathlib import Path

import pytest
from strangers import at, case, here, served

from procwm.plant.plantfile.specfile import load_plant
from procwm_adapters.opcua.link.opcua_link import OpcUaLink

pytestmark = here


@pytest.mark.parametrize(
    ("plant", "kind", "beats", "shown"),
    [
        ("hb.toml", "Boolean", range(6), [False, True, False, True, False, True]),
        ("hbbyte.toml", "Byte", (254, 255, 256, 257, 511, 512), [254, 255, 0, 1, 255, 0]),
        ("hbi.toml", "Int16", (32766, 32767, 32768, 40000, 65535, 0), [32766, 32767, 0, 7232, 32767, 0]),
    ],
)
async def test_the_heartbeat_wraps_within_the_type_of_its_node(
    tmp_path: Path, plant: str, kind: str, beats: tuple[int, ...], shown: list[object]
) -> None:
    folder = case("22-heartbeat", tmp_path)
    seen = []
    with served(folder / "srv.py", f"hb={kind}", "quiet=1") as server:
        async with OpcUaLink(load_plant(at(folder / plant, server))) as link:
            for count in beats:
                await link.beat(count)
                seen.append(await link.client.get_node("ns=2;s=HB").read_value())
    assert seen == shown
