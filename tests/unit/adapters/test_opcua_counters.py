"""What procwm counts in the plant's nodes: a watchdog must see every beat, whatever type its node has."""

from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from opcua_doubles import LEVEL, PUMP, serving, tank

from procwm.errors import LinkError, SpecError
from procwm.plant.contract import ControlSettings
from procwm.runtime.heartbeat import MODULUS
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.wire.values import NUMERIC, WHOLE, counted, variant_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZERO = dict.fromkeys(NUMERIC, 0.0) | dict.fromkeys(WHOLE, 0) | {ua.VariantType.Boolean: False}
NODES = {tag.name: ua.Variant(3.0, ua.VariantType.Double) for tag in (LEVEL, PUMP)} | {
    kind.name: ua.Variant(value, kind) for kind, value in ZERO.items()
}
EDGES = (0, 1, 2, 126, 127, 128, 254, 255, 256, 32766, 32767, 32768, 65534, 65535, 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served():
    async with serving(NODES) as (server, endpoint):
        yield server, endpoint


def beating(endpoint: str, node: str) -> Any:
    control = ControlSettings(heartbeat_node=f"ns=2;s={node}")
    return replace(tank(endpoint, tags=(LEVEL, PUMP)), control=control)


@pytest.mark.parametrize("kind", sorted(NUMERIC), ids=lambda kind: kind.name)
async def test_every_beat_changes_the_node_of_any_type_and_none_is_refused(served, kind):
    server, endpoint = served
    node, seen = server.get_node(f"ns=2;s={kind.name}"), []
    async with OpcUaLink(beating(endpoint, kind.name), publishing_s=5.0, settle_s=0.0) as link:
        for count in EDGES:
            await link.beat(count)
            seen.append(await node.read_value())
    # From one count to the next, and round the end.
    beats = dict(zip(EDGES, seen, strict=True))
    for before in (0, 1, 126, 127, 254, 255, 32766, 32767, 65534):
        assert beats[before] != beats[before + 1], (kind, before)
    assert seen[-2] != seen[-1] == 0
    assert type(seen[0]) is type(ZERO[kind])


@pytest.mark.parametrize("kind", sorted(NUMERIC), ids=lambda kind: kind.name)
async def test_a_counter_of_any_length_fits_every_type_and_never_stands(kind):
    for edge in (2**k for k in range(1, 70)):
        for count in range(edge - 2, edge + 2):
            shown = [variant_of("a", float(counted(count + later, kind)), kind) for later in (0, 1)]
            assert shown[0].Value != shown[1].Value, (kind, count)


async def test_the_heartbeat_goes_round_where_no_type_stands_still():
    assert all(counted(MODULUS - 1, kind) != counted(0, kind) for kind in NUMERIC)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"range": (0.0, 300.0), "limits": None}, r"may go from 0 to 300, .* holds Byte \(0 to 255\)"),
        ({"range": (-5.0, 5.0), "limits": None}, r"may go from -5 to 5, .* holds Byte \(0 to 255\)"),
        ({"limits": (1.2, 2.8)}, r"whole numbers \(Byte\), and may go from 1\.2 to 2\.8: it could never"),
        ({"max_move_per_hour": 0.5}, r"max_move_per_hour is 0\.5: it could never move"),
    ],
)
async def test_an_mv_whose_node_cannot_hold_what_it_may_be_is_refused_at_the_start(served, changes, sentence):
    spec = tank(served[1], tags=(LEVEL, replace(PUMP, node="ns=2;s=Byte", **changes)))
    with pytest.raises(SpecError, match=rf"^P1\.SP: .*{sentence}"):
        async with OpcUaLink(spec):
            pass


async def test_a_boolean_takes_no_number_but_0_and_1():
    with pytest.raises(LinkError, match=r"P1\.SP: 7\.0 does not fit the node's type Boolean \(0 to 1\)"):
        variant_of("P1.SP", 7.0, ua.VariantType.Boolean)


async def test_a_validity_that_a_node_cannot_hold_is_not_sent(served):
    control = ControlSettings(write_id_node="ns=2;s=UInt64", write_until_node="ns=2;s=UInt32")
    spec = replace(tank(served[1], tags=(LEVEL, PUMP)), control=control)
    async with OpcUaLink(spec, settle_s=0.0) as link:
        with pytest.raises(LinkError, match=r"write valid until: .* does not fit the node's type UInt32"):
            await link.write_valid({PUMP.name: 4.0}, write_id=1, until_ns=-(10**9))
        assert await link.write_valid({PUMP.name: 4.0}, write_id=2**32 - 1, until_ns=10**18)
    assert await served[0].get_node("ns=2;s=UInt64").read_value() == 2**32 - 1
