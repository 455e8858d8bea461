"""A controller served over OPC UA: what front ends see, what they may ask for, and what is refused."""

import asyncio
import math
import socket
import struct
import threading
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AddressSpace
from hand_clock import HandClock
from linear_loop import HISTORY, LinearPlant, model_of, plant_spec
from prometheus_client.parser import text_string_to_metric_families
from stub_planners import StubPlanner, plan_of, stepping
from waiting import PATIENCE_S, until

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import LinkError, SpecError
from procwm.plant.front import MODES, Facts
from procwm.plant.request import Request
from procwm.plant.settings import OpcUaSettings
from procwm.runtime.cycle import Cycle
from procwm.runtime.desk import RequestDesk
from procwm.runtime.facts import FactKeeper
from procwm.runtime.loop import run
from procwm.runtime.prometheus import exposed
from procwm_adapters.opcua.console.controller_client import ControllerClient
from procwm_adapters.opcua.console.controller_server import ControllerServer
from procwm_adapters.opcua.console.fact_nodes import NAMESPACE
from procwm_adapters.opcua.console.front_door import FrontDoor

pytestmark = pytest.mark.asyncio(loop_scope="module")

UINT, DOUBLE, FLAG, TEXT = (
    ua.VariantType.UInt32,
    ua.VariantType.Double,
    ua.VariantType.Boolean,
    ua.VariantType.String,
)


def code(mode: Mode) -> int:
    return MODES.index(mode)


@dataclass
class Served:
    """A controller whose cycles are run one by one, with its server."""

    desk: RequestDesk
    keeper: FactKeeper
    plant: LinearPlant
    controller: Controller
    server: ControllerServer
    cycles: list[Cycle] = field(default_factory=list)
    shown: list[Facts] = field(default_factory=list)
    state: Any = None

    def begin(self, mode: Mode) -> None:
        """Begin anew in `mode`."""
        self.controller = controller_of(mode)
        self.plant, self.state = LinearPlant(self.controller.plant), None
        self.keeper = FactKeeper(self.controller.plant, self.controller.model.guard_names, self.desk)
        self.cycles.clear()
        self.shown.clear()

    async def run(self, intervals: int) -> Cycle:
        """That many more cycles, each shown by the server before this returns."""
        summary = await run(
            self.plant,
            self.plant,
            self.controller,
            state=self.state,
            intervals=intervals,
            operator=self.desk,
            on_cycle=self._tell,
        )
        self.state = summary.state
        self.plant.advance()
        await until(lambda: self.server.shown is self.shown[-1])
        return self.cycles[-1]

    def _tell(self, cycle: Cycle) -> None:
        self.cycles.append(cycle)
        self.shown.append(self.keeper.facts(cycle))
        self.server.show(self.shown[-1])

    @property
    def events(self) -> list[str]:
        return [text for cycle in self.cycles for text in cycle.events if text.startswith("request")]


def controller_of(mode: Mode) -> Controller:
    spec = plant_spec()
    planner = StubPlanner(stepping(1.0, 0.0))
    return Controller(
        spec, model_of(spec, guard_above=80.0), planner=planner, mode=mode, clock=HandClock(reading_s=1e-3)
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving() -> AsyncIterator[Served]:
    controller = controller_of(Mode.SHADOW)
    desk = RequestDesk(controller.plant)
    keeper = FactKeeper(controller.plant, controller.model.guard_names, desk)
    server = ControllerServer(desk, keeper.before(Mode.SHADOW))
    async with server:
        yield Served(desk, keeper, LinearPlant(controller.plant), controller, server)


@pytest_asyncio.fixture(loop_scope="module")
async def held(serving: Served) -> Served:
    """A served controller that has just begun, in SHADOW."""
    serving.begin(Mode.SHADOW)
    await serving.run(1)
    return serving


@asynccontextmanager
async def operator(held: Served) -> AsyncIterator[Any]:
    """A client of the controller's server, as a function from paths to nodes."""
    async with Client(held.server.url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        yield lambda path: client.get_node(ua.NodeId(path, index))


async def write(node: Any, value: Any, kind: Any) -> None:
    await node.write_value(ua.DataValue(ua.Variant(value, kind)))


async def test_a_mode_asked_for_over_opc_ua_is_in_force_with_the_next_cycle(held: Served) -> None:
    async with operator(held) as node:
        await held.run(HISTORY + 1)
        assert await node("Mode.Actual").read_value() == code(Mode.SHADOW)
        await write(node("Mode.Request"), code(Mode.AUTO), UINT)
        cycle = await held.run(1)
        assert cycle.decision.mode is Mode.AUTO
        assert cycle.accepted == cycle.decision.setpoints != {}
        assert await node("Mode.Actual").read_value() == code(Mode.AUTO)
        assert held.events == ["request of anonymous over OPC UA taken up: mode auto"]


async def test_a_limit_is_tightened_given_back_and_never_widened(held: Served) -> None:
    async with operator(held) as node:
        await held.run(2)
        high = "Variables.V1.LimitHighRequest"
        await write(node(high), 70.0, DOUBLE)
        assert (await held.run(1)).decision.limits["V1"] == (10.0, 70.0)
        assert await node("Variables.V1.LimitHigh").read_value() == 70.0
        await write(node(high), 90.0, DOUBLE)
        assert (await held.run(1)).decision.limits["V1"] == (10.0, 90.0)
        with pytest.raises(ua.uaerrors.BadOutOfRange):
            await write(node(high), 90.001, DOUBLE)
        assert (await held.run(1)).decision.limits["V1"] == (10.0, 90.0)
        assert await node(high).read_value() == 90.0
        assert sum("refused" in text for text in held.events) == 1
        assert "V1 high limit 90.001" in held.events[-1]
        assert "may only tighten" in held.events[-1]


async def test_both_ends_of_a_limit_written_one_after_the_other_are_both_taken_up(held: Served) -> None:
    async with operator(held) as node:
        await held.run(1)
        await write(node("Variables.L1.LimitLowRequest"), 30.0, DOUBLE)
        await write(node("Variables.L1.LimitHighRequest"), 60.0, DOUBLE)
        await write(node("Variables.L2.SetpointRequest"), 55.0, DOUBLE)
        await write(node("Variables.V2.OnRequest"), False, FLAG)
        decision = (await held.run(1)).decision
        assert decision.limits["L1"] == (30.0, 60.0)
        assert decision.target["L2"] == 55.0
        assert decision.off == ("V2",)
        assert await node("Variables.V2.On").read_value() is False


async def test_one_write_of_several_items_is_carried_out_whole_or_refused_whole(held: Served) -> None:
    async with operator(held) as node:
        await held.run(1)
        low, high = node("Variables.L1.LimitLowRequest"), node("Variables.L1.LimitHighRequest")

        async def both(interval: tuple[float, float]) -> list[str]:
            request = ua.WriteParameters()
            for item, value in zip((low, high), interval, strict=True):
                request.NodesToWrite.append(
                    ua.WriteValue(
                        NodeId=item.nodeid,
                        AttributeId=ua.AttributeIds.Value,
                        Value=ua.DataValue(ua.Variant(value, DOUBLE)),
                    )
                )
            return [status.name for status in await low.session.write(request)]

        assert await both((5.0, 20.0)) == ["Good", "Good"]
        # Item by item the first would stand above the old high limit.
        assert await both((30.0, 60.0)) == ["Good", "Good"]
        assert await both((40.0, 99.0)) == ["BadOutOfRange", "BadOutOfRange"]
        assert (await held.run(1)).decision.limits["L1"] == (30.0, 60.0)


@pytest.mark.parametrize(
    ("path", "value", "kind", "status"),
    [
        ("Mode.Request", 17, UINT, ua.uaerrors.BadOutOfRange),
        ("Mode.Request", MODES.index("shed"), UINT, ua.uaerrors.BadOutOfRange),
        ("Mode.Request", "auto", TEXT, ua.uaerrors.BadTypeMismatch),
        ("Mode.Request", 3.0, DOUBLE, ua.uaerrors.BadTypeMismatch),
        ("Variables.L1.SetpointRequest", math.nan, DOUBLE, ua.uaerrors.BadOutOfRange),
        ("Variables.L1.SetpointRequest", math.inf, DOUBLE, ua.uaerrors.BadOutOfRange),
        ("Variables.L1.SetpointRequest", 101.0, DOUBLE, ua.uaerrors.BadOutOfRange),
        ("Variables.L1.SetpointRequest", "high", TEXT, ua.uaerrors.BadTypeMismatch),
        ("Variables.L1.SetpointRequest", [50.0, 51.0], DOUBLE, ua.uaerrors.BadTypeMismatch),
        ("Variables.V1.LimitLowRequest", math.nan, DOUBLE, ua.uaerrors.BadOutOfRange),
        ("Variables.V1.LimitLowRequest", 95.0, DOUBLE, ua.uaerrors.BadOutOfRange),
        ("Variables.V1.OnRequest", 1.0, DOUBLE, ua.uaerrors.BadTypeMismatch),
        ("Variables.V1.LimitHigh", 50.0, DOUBLE, ua.uaerrors.BadUserAccessDenied),
        ("Variables.V1.Move", 50.0, DOUBLE, ua.uaerrors.BadUserAccessDenied),
        ("Mode.Actual", 3, UINT, ua.uaerrors.BadUserAccessDenied),
        ("Heartbeat", 3, UINT, ua.uaerrors.BadUserAccessDenied),
        ("Guardrails.high level.Worst", -1.0, DOUBLE, ua.uaerrors.BadUserAccessDenied),
        ("Guardrails.high level.Prediction", [-1.0], DOUBLE, ua.uaerrors.BadUserAccessDenied),
    ],
)
async def test_a_wrong_write_is_refused_with_its_status_and_one_audit_line(
    held: Served, path: str, value: Any, kind: Any, status: type[Exception]
) -> None:
    async with operator(held) as node:
        before = await held.run(1)
        held_value = await node(path).read_data_value(raise_on_bad_status=False)
        with pytest.raises(status):
            await write(node(path), value, kind)
        after = (await held.run(1)).decision
        assert (after.mode, after.limits, after.target) == (
            before.decision.mode,
            before.decision.limits,
            before.decision.target,
        )
        assert len(held.events) == 1
        assert held.events[0].startswith("request of anonymous over OPC UA refused (")
        if path.endswith("Request"):
            assert await node(path).read_value() == held_value.Value.Value


async def test_nobody_writes_anything_but_the_values_of_requests(held: Served) -> None:
    async with operator(held) as node:
        limit = node("Variables.V1.LimitHigh")
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await limit.write_attribute(
                ua.AttributeIds.AccessLevel, ua.DataValue(ua.Variant(3, ua.VariantType.Byte))
            )
        with pytest.raises(ua.UaStatusCodeError):
            await limit.add_variable(ua.NodeId("mine", 2), ua.QualifiedName("mine", 2), 1.0)
        with pytest.raises(ua.UaStatusCodeError):
            await limit.delete()
        assert await limit.read_value() == 90.0


@pytest.mark.parametrize(
    ("url", "unsecured_writes", "closed"),
    [
        ("opc.tcp://127.0.0.1:0", False, False),
        ("opc.tcp://localhost:0", False, False),
        ("opc.tcp://[::1]:0", False, False),
        ("opc.tcp://0.0.0.0:0", False, True),
        ("opc.tcp://plant-server:0", False, True),
        ("opc.tcp://0.0.0.0:0", True, False),
    ],
)
async def test_without_security_other_machines_ask_for_nothing_unless_the_plant_file_lets_them(
    held: Served, url: str, unsecured_writes: bool, closed: bool
) -> None:
    server = ControllerServer(
        held.desk, held.keeper.before(Mode.SHADOW), url=url, unsecured_writes=unsecured_writes
    )
    assert bool(server.closed) is closed


async def test_a_closed_door_takes_no_request(held: Served) -> None:
    door = FrontDoor(AddressSpace(), lambda node_id: "Mode.Request", held.desk, "no security here")
    request = ua.WriteParameters()
    request.NodesToWrite.append(
        ua.WriteValue(
            NodeId=ua.NodeId("Mode.Request", 2),
            AttributeId=ua.AttributeIds.Value,
            Value=ua.DataValue(ua.Variant(0, UINT)),
        )
    )
    assert [status.name for status in await door.write(request, User())] == ["BadUserAccessDenied"]
    assert (await held.run(1)).decision.mode is Mode.SHADOW
    assert "no security here" in held.events[0]


async def test_a_client_reads_back_all_facts_of_the_newest_cycle(held: Served) -> None:
    held.begin(Mode.AUTO)
    await held.run(HISTORY + 2)
    async with ControllerClient(OpcUaSettings(endpoint=held.server.url)) as client:
        stream = client.facts()
        facts = await anext(stream)
        await held.run(1)
        following = await anext(stream)
        await stream.aclose()
    shown = held.shown[-2]
    known = set(facts.kpis)
    assert known <= set(shown.kpis)
    assert text(facts) == text(shown, kpis=known)
    assert facts.variables["V1"].move == pytest.approx(facts.variables["V1"].prediction[0])
    assert facts.guardrails["high level"].worst == max(facts.guardrails["high level"].prediction)
    assert (following.heartbeat, following.actual) == (facts.heartbeat + 1, "auto")


def text(facts: Facts, kpis: set[str] | None = None) -> str:
    """All of the facts, NaN being equal to NaN."""
    chosen = {name: value for name, value in sorted(facts.kpis.items()) if kpis is None or name in kpis}
    rest = {name: value for name, value in vars(facts).items() if name != "kpis"}
    return repr(({name: dict(v) if hasattr(v, "items") else v for name, v in rest.items()}, chosen))


async def test_a_diverged_prediction_is_no_number_to_anybody(held: Served) -> None:
    async with operator(held) as node:
        await held.run(HISTORY + 1)
        nan = plan_of(held.cycles[-1].decision.plan.mv * math.nan)
        held.controller.planner.answer = lambda problem: nan
        await held.run(1)
        worst = await node("Guardrails.high level.Worst").read_data_value(raise_on_bad_status=False)
        assert worst.StatusCode.is_bad() or math.isfinite(worst.Value.Value)
        move = await node("Variables.V1.Move").read_data_value(raise_on_bad_status=False)
        assert move.StatusCode.is_bad() or math.isfinite(move.Value.Value)


async def test_a_client_that_stops_reading_and_one_that_floods_delay_no_cycle(held: Served) -> None:
    host, port = "127.0.0.1", int(held.server.url.rpartition(":")[2])
    frozen = Client(held.server.url)
    await frozen.connect()
    index = await frozen.get_namespace_index(NAMESPACE)

    class Quiet:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            pass

    subscription = await frozen.create_subscription(20, Quiet())
    await subscription.subscribe_data_change(
        [frozen.get_node(ua.NodeId(path, index)) for path in ("Heartbeat", "Variables.L1.Prediction")]
    )
    frozen.uaclient.protocol.transport.pause_reading()
    garbage = socket.create_connection((host, port))
    garbage.sendall(b"HELF" + struct.pack("<I", 2**31 - 1) + b"\xff" * 4096)
    setpoint = frozen.get_node(ua.NodeId("Variables.L1.SetpointRequest", index))
    flood = [asyncio.create_task(setpoint.write_value(math.nan)) for _ in range(200)]
    await held.run(HISTORY + 4)
    assert held.cycles[-1].decision.plan is not None
    assert len(held.events) <= 51 * len(held.cycles)
    garbage.close()
    frozen.uaclient.protocol.transport.resume_reading()
    await asyncio.gather(*flood, return_exceptions=True)
    await frozen.disconnect()


async def test_a_server_that_stands_still_holds_no_cycle_up(held: Served) -> None:
    gate = threading.Event()
    await held.run(1)
    assert held.server._loop is not None
    held.server._loop.call_soon_threadsafe(gate.wait)
    async with asyncio.timeout(PATIENCE_S):
        summary = await run(
            held.plant,
            held.plant,
            held.controller,
            state=held.state,
            intervals=HISTORY,
            on_cycle=held._tell,
        )
    assert summary.cycles == HISTORY
    assert held.server.shown is held.shown[1]
    gate.set()
    await until(lambda: held.server.shown is held.shown[-1])


async def test_more_requests_than_an_interval_can_hold_are_refused() -> None:
    spec = plant_spec()
    desk = RequestDesk(spec)
    for _ in range(50):
        desk.ask(Request(who="a", setpoints={"L1": 51.0}))
    with pytest.raises(SpecError, match="wait already"):
        desk.ask(Request(who="a", setpoints={"L1": 52.0}))
    for _ in range(99):
        desk.refused("b", "x", "y")
    assert len(desk.told()) == 51
    assert len(desk.taken()) == 50


async def test_a_port_in_use_and_a_wrong_url_are_told_in_one_sentence(held: Served) -> None:
    before = held.keeper.before(Mode.SHADOW)
    with pytest.raises(LinkError, match=r"serving failed.*in use"):
        async with ControllerServer(held.desk, before, url=held.server.url):
            pass
    with pytest.raises(SpecError, match=r'serve is "http://x"; it must be a URL such as'):
        ControllerServer(held.desk, before, url="http://x")


async def test_prometheus_reads_the_same_facts(held: Served) -> None:
    held.begin(Mode.AUTO)
    await held.run(HISTORY + 3)
    facts = held.shown[-1]
    with exposed(held.keeper.before(Mode.AUTO), 0) as collector:
        collector.show(facts)
        page = await asyncio.to_thread(fetch, collector.port)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    modes = {dict(key[1:])["mode"]: value for key, value in samples.items() if key[0] == "procwm_mode"}
    assert modes == {mode: float(mode == "auto") for mode in MODES}
    level = facts.variables["L1"]
    labels = (("role", "CV"), ("tag", "L1"), ("unit", "%"))
    assert samples["procwm_variable_value", *labels] == level.value
    assert samples["procwm_variable_prediction_end", *labels] == level.prediction[-1]
    assert samples["procwm_variable_limit_high", *labels] == 95.0
    assert samples["procwm_guardrail_worst", ("guardrail", "high level")] == pytest.approx(
        facts.guardrails["high level"].worst
    )
    assert samples["procwm_cycles_total",] == HISTORY + 3
    assert samples["procwm_step_seconds",] == pytest.approx(facts.step_s)
    assert families["procwm_cycles"].type == "counter"
    assert all(family.documentation for family in families.values())
    assert all(math.isfinite(value) for value in samples.values())


async def test_metrics_listen_on_this_machine_alone_and_a_port_in_use_is_told() -> None:
    spec = plant_spec()
    facts = FactKeeper(spec, (), RequestDesk(spec)).before(Mode.SHADOW)
    with exposed(facts, 0) as collector:
        assert collector.host == "127.0.0.1"
        with (
            pytest.raises(LinkError, match="metrics cannot be offered there"),
            exposed(facts, collector.port),
        ):
            pass


def fetch(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()
