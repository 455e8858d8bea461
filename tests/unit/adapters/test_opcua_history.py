"""History over OPC UA: what a gap of the connection missed, and `procwm import`."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.ua_client import UaClientState
from opcua_doubles import LEVEL, PUMP, START_NS, STEP_NS, FakePlant, comparable, serving, tank
from waiting import until

from procwm.cli import run
from procwm.data.log import read_log
from procwm.errors import LinkError, LinkRefusedError
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.samples import Quality, Sample
from procwm_adapters.inbox import Inbox
from procwm_adapters.opcua.link.history_read import _LIMITS, OpcUaHistory
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.sample_history import SampleHistory
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer
from procwm_adapters.opcua.wire.values import data_value, opcua_time

pytestmark = pytest.mark.asyncio(loop_scope="module")

INTERVALS = 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with SimulationServer(FakePlant()) as running:
        await running.advance(INTERVALS)
        yield running


def everything() -> list[Sample]:
    """What the plant of `server` has reported."""
    plant = FakePlant()
    for _ in range(INTERVALS):
        plant.advance()
    return list(plant.drain())


async def history_of(server, start_ns, end_ns):
    async with OpcUaHistory(server.spec) as history:
        return [sample async for portion in history.read(start_ns, end_ns) for sample in portion]


async def test_history_is_what_was_reported_whatever_the_size_of_an_answer(server, monkeypatch):
    for size in (1000, 7, 1):
        monkeypatch.setattr("procwm_adapters.opcua.link.history_read._VALUES_AT_ONCE", size)
        found = await history_of(server, START_NS, START_NS + 10**15)
        assert comparable(found) == comparable(everything())


async def test_the_end_of_a_period_belongs_to_the_next_one(server):
    middle = START_NS + 10 * STEP_NS
    first = await history_of(server, START_NS, middle)
    second = await history_of(server, middle, START_NS + 10**15)
    assert max(s.source_ns for s in first) < middle == min(s.source_ns for s in second)
    assert comparable(first + second) == comparable(everything())


async def test_a_server_that_refuses_many_nodes_at_once_is_asked_for_fewer(server, monkeypatch):
    async with OpcUaHistory(server.spec) as history:
        ask, sizes = history._client.uaclient.history_read, []

        async def few(request):
            sizes.append(len(request.NodesToRead))
            if len(request.NodesToRead) > 1:
                raise ua.uaerrors.BadTooManyOperations
            return await ask(request)

        history._client.uaclient.history_read = few
        found = [sample async for portion in history.read(START_NS, START_NS + 10**15) for sample in portion]
    assert sizes[:3] == [4, 2, 1]
    assert comparable(found) == comparable(everything())


class Sparing:
    """Answers like a historian that keeps few continuation points, or sends few values at once."""

    def __init__(self, nodes, *, points=100, resets=False, most=1000):
        self.held = {node.id: [] for node in nodes}
        for node in nodes:
            self.held[node.id] = [data_value(s) for s in everything() if s.tag == node.name]
        self.points, self.resets, self.most = points, resets, most
        self.kept, self.given = {}, 0

    async def history_read(self, request):
        details = request.HistoryReadDetails
        if details.NumValuesPerNode * len(request.NodesToRead) > self.most:
            raise ua.uaerrors.BadResponseTooLarge
        return [self.answer(asked, details) for asked in request.NodesToRead]

    def answer(self, asked, details):
        first = 0
        if asked.ContinuationPoint:
            if asked.ContinuationPoint not in self.kept:
                return answer(ua.StatusCodes.BadContinuationPointInvalid)
            first = self.kept.pop(asked.ContinuationPoint)
        held = [
            v for v in self.held[asked.NodeId] if details.StartTime <= v.SourceTimestamp < details.EndTime
        ]
        last = first + details.NumValuesPerNode
        if last >= len(held):
            return answer(ua.StatusCodes.Good, held[first:])
        if len(self.kept) >= self.points:
            if not self.resets or not self.kept:
                return answer(ua.StatusCodes.BadNoContinuationPoints)
            del self.kept[next(iter(self.kept))]
        self.given += 1
        self.kept[point := b"%d" % self.given] = last
        return answer(ua.StatusCodes.Good, held[first:last], point)


def answer(code, values=(), point=None):
    return SimpleNamespace(
        StatusCode=ua.StatusCode(code),
        ContinuationPoint=point,
        HistoryData=SimpleNamespace(DataValues=list(values)),
    )


@pytest.mark.parametrize("points", [0, 1, 2, 3])
@pytest.mark.parametrize("resets", [True, False])
async def test_a_server_that_keeps_few_continuation_points_is_asked_again_for_less(
    server, monkeypatch, points, resets
):
    monkeypatch.setattr("procwm_adapters.opcua.link.history_read._VALUES_AT_ONCE", 7)
    async with OpcUaHistory(server.spec) as history:
        sparing = Sparing(history._nodes, points=points, resets=resets)
        history._client.uaclient.history_read = sparing.history_read
        found = [sample async for portion in history.read(START_NS, START_NS + 10**15) for sample in portion]
    assert set(comparable(found)) == set(comparable(everything()))


@pytest.mark.parametrize("most", [1, 3, 50])
async def test_a_server_that_sends_few_values_at_once_is_asked_for_fewer(server, most):
    async with OpcUaHistory(server.spec) as history:
        sparing = Sparing(history._nodes, most=most)
        history._client.uaclient.history_read = sparing.history_read
        found = [sample async for portion in history.read(START_NS, START_NS + 10**15) for sample in portion]
    assert set(comparable(found)) == set(comparable(everything()))


@pytest.mark.parametrize("told", [(1, None), (0, 1), (None, 1)])
async def test_a_server_that_tells_its_limits_is_asked_for_no_more(server, monkeypatch, told):
    async def limits(client, targets):
        assert [target.Identifier for target, _ in targets] == list(_LIMITS)
        return [ua.DataValue(ua.Variant(limit)) for limit in told]

    monkeypatch.setattr("procwm_adapters.opcua.link.history_read.read", limits)
    async with OpcUaHistory(server.spec) as history:
        ask, sizes = history._client.uaclient.history_read, []

        async def counted(request):
            sizes.append(len(request.NodesToRead))
            return await ask(request)

        history._client.uaclient.history_read = counted
        found = [sample async for portion in history.read(START_NS, START_NS + 10**15) for sample in portion]
    assert set(sizes) == {1}
    assert comparable(found) == comparable(everything())


async def test_values_whose_times_are_all_the_same_are_told_of_and_none_is_lost(server, caplog):
    async with OpcUaHistory(server.spec) as history:
        name = history._nodes[0].name
        values = [data_value(Sample(name, float(tick), Quality.GOOD, START_NS)) for tick in range(9)]
        for tick, value in enumerate(values):
            value.ServerTimestamp = opcua_time(START_NS + tick * STEP_NS)
        sparing = Sparing(history._nodes)
        sparing.held = {key: [] for key in sparing.held} | {history._nodes[0].id: values}
        history._client.uaclient.history_read = sparing.history_read
        end_ns = START_NS + 10**15
        found = [sample async for portion in history.read(START_NS, end_ns) for sample in portion]
        assert [(s.value, s.source_ns) for s in found] == [(t, START_NS + t * STEP_NS) for t in range(9)]
        sparing.answer = lambda asked, details: answer(ua.StatusCodes.Good, sparing.held[asked.NodeId])
        found = [sample async for portion in history.read(START_NS + STEP_NS, end_ns) for sample in portion]
        assert [s.value for s in found] == [float(tick) for tick in range(1, 9)]
    assert caplog.text.count(f"{name}: its value changes and its SourceTimestamp does not") == 1
    assert caplog.text.count(f"{name}: the source's time is not in the time that was asked for") == 1


async def test_a_server_that_keeps_no_history_is_told_by_tag(server):
    values = {name: ua.Variant(1.0, ua.VariantType.Double) for name in (LEVEL.name, PUMP.name)}
    async with serving(values) as (_, endpoint):
        spec = tank(endpoint, tags=(LEVEL, PUMP))
        with pytest.raises(LinkError, match=r"keeps no history of LT1\.PV, P1\.SP; switch it on there"):
            async with OpcUaHistory(spec):
                pass


async def test_values_come_newest_first_when_the_end_is_the_earlier_time():
    storage = SampleHistory()
    for tick in (0, 2, 1, 3):
        storage.keep("node", Sample("x", float(tick), Quality.GOOD, tick * STEP_NS))
    newest_first, rest = await storage.read_node_history("node", opcua_time(3 * STEP_NS), opcua_time(0), 3)
    assert [value.Value.Value for value in newest_first] == [3.0, 2.0, 1.0]
    assert rest == opcua_time(0)
    last, _ = await storage.read_node_history("node", ua.get_win_epoch(), opcua_time(3 * STEP_NS), 1)
    assert [value.Value.Value for value in last] == [3.0]


async def test_what_came_while_a_gap_was_filled_is_merged_and_nothing_comes_twice():
    inbox = Inbox(100)

    def at(second: int) -> Sample:
        return Sample("x", float(second), Quality.GOOD, second * STEP_NS)

    for second in (1, 2):
        inbox.put(at(second))
    inbox.hold()
    for second in (6, 7):
        inbox.put(at(second))
    assert inbox.drain() == [at(1), at(2)]
    inbox.release([at(second) for second in (4, 3, 2, 1, 5, 6, 3)])
    assert inbox.drain() == [at(second) for second in (3, 4, 5, 6, 7)]


async def test_the_samples_of_a_gap_are_read_back_in_order_and_once(server):
    async with SimulationServer(FakePlant()) as other:
        link = await OpcUaLink(other.spec, reconnect_delay_s=0.2, watchdog_s=20.0).__aenter__()
        try:
            link.reaffirms = False
            await other.advance(3)
            await until(lambda: link._inbox.reported_ns == START_NS + 3 * STEP_NS)
            seen = link.drain()
            link.client.disconnect_socket()
            await until(lambda: not link.connected)
            # More intervals than the inbox remembers samples of a tag.
            await other.advance(100)
            assert link.drain() == []
            await until(lambda: link.connected)
            gap = link.drain()
            await other.advance(2)
            await until(lambda: link._inbox.reported_ns == START_NS + 105 * STEP_NS)
            seen += gap + link.drain()
        finally:
            await link.__aexit__(None, None, None)
    plant = FakePlant()
    for _ in range(105):
        plant.advance()
    assert [s.source_ns for s in seen] == sorted(s.source_ns for s in seen)
    assert comparable(seen) == comparable(list(plant.drain()))


async def late(_):
    raise TimeoutError


async def refused(_):
    raise LinkRefusedError("this user reads no history")


def lost_again(link):
    async def answer(_):
        link.client.disconnect_socket()
        await until(lambda: link.client.state is not UaClientState.CONNECTED)
        raise ConnectionError("Connection is closed")

    return answer


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        (lambda link: [late, late], True),
        (lambda link: [lost_again(link)], True),
        (lambda link: [late, lost_again(link), late], True),
        (lambda link: [refused], False),
        (lambda link: [late, late, late], False),
    ],
    ids=["late twice", "lost again", "both", "refused", "late again and again"],
)
async def test_a_gap_is_asked_for_again_where_reading_it_back_fails_and_given_up_with_a_warning(
    answers, kept, monkeypatch, caplog
):
    for name in ("_RETRY_S", "_LOOK_S"):
        monkeypatch.setattr(f"procwm_adapters.opcua.link.reconnection.{name}", 0.05)
    # The server keeps one value of a tag, so that what was missed is in its history alone.
    how = {"reconnect_delay_s": 0.2, "watchdog_s": 20.0, "server_queue": 1}
    async with SimulationServer(FakePlant()) as other, OpcUaLink(other.spec, **how) as link:
        link.reaffirms = False
        await other.advance(3)
        await until(lambda: link._inbox.reported_ns == START_NS + 3 * STEP_NS)
        link.drain()
        waiting, ask = answers(link), link.client.uaclient.history_read

        async def failing(request):
            return await (waiting.pop(0) if waiting else ask)(request)

        link.client.uaclient.history_read = failing
        link.client.disconnect_socket()
        await until(lambda: not link.connected)
        await other.advance(100)
        await until(lambda: link.connected)
        found = {sample.source_ns for sample in link.drain()}
    gap = {START_NS + tick * STEP_NS for tick in range(4, 103)}
    assert (gap <= found) is kept
    assert ("could not be read back" in caplog.text) is not kept
    assert not waiting


async def deleted_by_the_server(server, link):
    service = server._server.iserver.subscription_service
    await service.delete_subscriptions(list(service.subscriptions))
    link._subscription._subscription.last_publish_at = time.monotonic() - 11.0


async def alive_and_silent(server, link):
    link.reaffirms, link._patience_s = True, 0.0

    async def nothing(*_):
        """What a subscription does that says it lives, and sends no value."""

    for subscription in server._server.iserver.subscription_service.subscriptions.values():
        subscription.enqueue_datachange_event = nothing


@pytest.mark.parametrize("ended", [deleted_by_the_server, alive_and_silent])
async def test_a_subscription_that_ends_without_the_connection_is_made_anew_and_its_gap_read_back(
    ended, monkeypatch
):
    monkeypatch.setattr("procwm_adapters.opcua.link.reconnection._LOOK_S", 0.05)
    async with SimulationServer(FakePlant()) as other, OpcUaLink(other.spec, publishing_s=0.05) as link:
        link.reaffirms = False
        await other.advance(3)
        await until(lambda: link._inbox.reported_ns == START_NS + 3 * STEP_NS)
        seen = link.drain()
        before = link._subscription._subscription
        await ended(other, link)
        # More intervals than the inbox remembers samples of a tag.
        await other.advance(98)
        assert link.client.state is UaClientState.CONNECTED
        await until(lambda: link._subscription._subscription is not before and link.connected)
        seen += link.drain()
        await other.advance(2)
        await until(lambda: link._inbox.reported_ns == START_NS + 103 * STEP_NS)
        seen += link.drain()
    plant = FakePlant()
    for _ in range(103):
        plant.advance()
    found, sent = comparable(seen), comparable(list(plant.drain()))
    assert [key for key in set(found) if found.count(key) > 1] == []
    assert set(sent) <= set(found)


async def test_a_server_that_is_late_with_its_values_is_not_taken_for_one_that_lost_its_subscription():
    async with SimulationServer(FakePlant()) as other, OpcUaLink(other.spec, publishing_s=0.05) as link:
        subscription = link._subscription._subscription
        subscription.last_publish_at = time.monotonic() - 6.0
        assert not link._subscription.dead
        subscription.last_publish_at = time.monotonic() - 11.0
        assert link._subscription.dead


@pytest.fixture
def plant_file(server, tmp_path: Path) -> Path:
    path = tmp_path / "plant.toml"
    path.write_text(dump_plant(server.spec), encoding="utf-8")
    return path


async def imported(*arguments: str) -> int:
    return await asyncio.to_thread(run, ["import", *arguments])


FROM, TO = "2023-11-14T22:13:20Z", "2023-11-15T00:00"


async def test_import_writes_the_history_as_a_log_and_adds_to_it(server, plant_file, tmp_path, capsys):
    out = tmp_path / "log.parquet"
    middle = "2023-11-14T22:13:30+00:00"
    assert await imported(str(plant_file), "--from", FROM, "--to", middle, "--out", str(out)) == 0
    assert pq.read_metadata(out).num_rows < 60
    assert await imported(str(plant_file), "--from", FROM, "--to", TO, "--out", str(out)) == 0
    assert f"{out}: {len(everything())} samples" in capsys.readouterr().err
    assert pq.read_metadata(out).num_rows == len(everything())
    log = read_log(out, server.spec)
    assert int(log.series[LEVEL.name].time_ns[-1]) == START_NS + INTERVALS * STEP_NS


@pytest.mark.parametrize(
    ("start", "end", "code", "sentence"),
    [
        ("yesterday", TO, 2, "--from yesterday: write a time as 2024-05-01T06:00Z"),
        (TO, FROM, 2, "is not before --to"),
        ("0001-01-01", TO, 2, "--from 0001-01-01: write a time between the years 1971 and 2261"),
        (FROM, "9999-12-31T23:59:59+00:00", 2, "write a time between the years"),
        ("2020-01-01", "2020-01-02", 1, "the server has no samples from 2020-01-01T00:00:00Z"),
    ],
)
async def test_an_import_of_nothing_is_a_sentence_and_leaves_no_file(
    plant_file, tmp_path, capsys, start, end, code, sentence
):
    out = tmp_path / "log.parquet"
    assert await imported(str(plant_file), "--from", start, "--to", end, "--out", str(out)) == code
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plant.toml"]


async def test_an_import_that_is_refused_says_what_to_mend_before_it_goes_on(
    plant_file, tmp_path, capsys, monkeypatch
):
    read = OpcUaHistory.read
    monkeypatch.setattr("procwm.cli.importing._SMALLEST_INTERVALS", 10)

    async def refusing(self, start_ns, end_ns):
        if start_ns >= START_NS + 20 * STEP_NS:
            raise LinkRefusedError("LT1.PV: the server reads no history of it (BadUserAccessDenied)")
        async for portion in read(self, start_ns, end_ns):
            yield portion

    monkeypatch.setattr(OpcUaHistory, "read", refusing)
    out = tmp_path / "log.parquet"
    assert await imported(str(plant_file), "--from", FROM, "--to", "2023-11-14T22:14", "--out", str(out)) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{out} has {pq.read_metadata(out).num_rows} samples until 2023-11-14T22:13:40Z; once that" in said
    assert "is mended, run it again with --from 2023-11-14T22:13:40Z for the rest" in said


async def test_an_import_that_breaks_off_keeps_what_it_has_and_says_how_to_go_on(
    plant_file, tmp_path, capsys, monkeypatch
):
    read = OpcUaHistory.read
    monkeypatch.setattr("procwm.cli.importing._SMALLEST_INTERVALS", 10)

    async def breaking(self, start_ns, end_ns):
        if start_ns >= START_NS + 20 * STEP_NS:
            raise LinkError("the historian went away")
        async for portion in read(self, start_ns, end_ns):
            yield portion

    monkeypatch.setattr(OpcUaHistory, "read", breaking)
    out = tmp_path / "log.parquet"
    assert await imported(str(plant_file), "--from", FROM, "--to", "2023-11-14T22:14", "--out", str(out)) == 1
    said = capsys.readouterr().err
    assert "the historian went away" in said
    assert "run it again with --from 2023-11-14T22:13:40Z for the rest" in said
    monkeypatch.setattr(OpcUaHistory, "read", read)
    rest = ("--from", "2023-11-14T22:13:40Z", "--to", TO, "--out", str(out))
    assert await imported(str(plant_file), *rest) == 0
    assert pq.read_metadata(out).num_rows == len(everything())
