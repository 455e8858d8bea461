"""Interoperability with node-opcua, another OPC UA stack, as server and as client, plain and secured."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from opcua_doubles import FLOW, LEVEL, PUMP, STEADY, FakePlant
from waiting import PATIENCE_S, until

from procwm.data.drafting.server_draft import drafted_from_server
from procwm.errors import LinkError
from procwm.plant.samples import Quality
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import PlantSpec
from procwm_adapters.opcua.link.browse import browse
from procwm_adapters.opcua.link.history_read import read_raw
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.link.source_times import SourceTimes
from procwm_adapters.opcua.security.certificate_folder import CertificateFolder
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERSION = "2.186.4"
SCRIPTS = Path(__file__).parent / "node_opcua"
PLANT = "nsu=urn:interop:plant;"
USER, PASSWORD = "mpc", "over-there"
SECURITY = [
    (None, "SignAndEncrypt"),
    ("Basic256Sha256", "SignAndEncrypt"),
    ("Basic256Sha256", "Sign"),
    ("Aes128Sha256RsaOaep", "SignAndEncrypt"),
    ("Aes256Sha256RsaPss", "SignAndEncrypt"),
]
NODE_NAMES = {
    "Aes128Sha256RsaOaep": "Aes128_Sha256_RsaOaep",
    "Aes256Sha256RsaPss": "Aes256_Sha256_RsaPss",
}


@pytest.fixture(scope="module")
def node() -> dict[str, str]:
    """The environment in which Node.js finds node-opcua, installed once for this user."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js with npm is not installed")
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "procwm" / f"node-opcua-{VERSION}"
    )
    if not (cache / "node_modules" / "node-opcua").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"node-opcua@{VERSION}"]
        try:
            done = subprocess.run(install, cwd=cache, capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not install node-opcua within 120 s")
        if done.returncode:
            pytest.skip(f"npm cannot install node-opcua: {done.stderr.decode()[-200:]}")
    return os.environ | {"NODE_PATH": str(cache / "node_modules")}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interop")
    ours, theirs = CertificateFolder(folder / "ours"), CertificateFolder(folder / "theirs")
    ours.make(host="ours.example")
    theirs.make(host="127.0.0.1")
    ours.trust(str(theirs.own_certificate))
    for name, text in (("password", PASSWORD), ("users", f"{USER}:{PASSWORD}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    return folder


def options(pki: Path, **others: Any) -> str:
    """What a script is told: its own certificate is the one in `theirs`, and it trusts ours."""
    theirs = CertificateFolder(pki / "theirs")
    paths = {"certificate": theirs.own_certificate, "key": theirs.own_key, "pki": pki / "node"}
    told = {name: str(path) for name, path in paths.items()} | {
        "uri": theirs.facts()[0].application,
        "trusted": str(pki / "ours" / "own" / "certificate.der"),
        "user": USER,
        "password": PASSWORD,
    }
    return json.dumps(told | others)


@asynccontextmanager
async def node_server(node: dict[str, str], pki: Path, port: int, **others: Any) -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPTS / "server.js"),
        options(pki, port=port, **others),
        env=node,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            # The stack prints advice of its own before that.
            while (line := await process.stdout.readline()) not in (b"listening\n", b""):
                pass
        if not line:
            raise AssertionError((await process.stderr.read()).decode())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(node, pki):
    """Ports of a server that asks who logs in, and of one that lets everybody in."""
    asking, open_ = free_port(), free_port()
    async with node_server(node, pki, asking), node_server(node, pki, open_, user=""):
        yield asking, open_


def spec(port: int, home: Path, policy: str | None, mode: str, **changes: Any) -> PlantSpec:
    nodes = {LEVEL: "s=LT1.PV", FLOW: "i=17", STEADY: "s=TT1.PV", PUMP: "s=P1.SP"}
    login = {} if policy is None else {"user": USER, "password_file": "password"}
    settings = {"endpoint": f"opc.tcp://127.0.0.1:{port}", "policy": policy, "mode": mode, "pki": "ours"}
    return PlantSpec(
        name="interop",
        interval_s=1.0,
        tags=tuple(replace(tag, node=PLANT + identifier) for tag, identifier in nodes.items()),
        opcua=OpcUaSettings(**(settings | login | {"folder": str(home)} | changes)),
    )


async def heard(link: OpcUaLink) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE_S):
        while set(seen) < set(link.spec.names):
            seen |= {sample.tag: sample for sample in link.drain()}
            await asyncio.sleep(0.02)
    return seen


@pytest.mark.parametrize(("policy", "mode"), SECURITY)
async def test_a_server_of_another_stack_is_read_and_written(ports, pki, policy, mode):
    port = ports[1] if policy is None else ports[0]
    async with OpcUaLink(spec(port, pki, policy, mode), settle_s=1.0) as link:
        seen = await heard(link)
        assert await link.write({PUMP.name: 4.5}) == {PUMP.name: 4.5}
        level = [n for n in link._nodes if n.name == LEVEL.name]
        newest_ns = seen[LEVEL.name].source_ns
        start_ns, end_ns = newest_ns - 10**10, newest_ns + 10**10
        times = SourceTimes(f"opc.tcp://127.0.0.1:{port}", interval_s=1.0)
        history = [
            sample
            async for portion in read_raw(link.client, level, start_ns, end_ns, times)
            for sample in portion
        ]
    assert (seen[FLOW.name].value, seen[STEADY.name].value) == (2.5, 20.0)
    assert {sample.quality for sample in seen.values()} == {Quality.GOOD}
    assert [node.history for node in level] == [True]
    assert len(history) >= 1
    assert all(10.0 <= sample.value <= 10.5 for sample in history)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_server_of_another_stack_is_looked_through(ports, pki):
    offered = await browse(OpcUaSettings(endpoint=f"opc.tcp://127.0.0.1:{ports[1]}", read_only=True))
    known = {tag.name: tag for tag in offered.tags}
    assert {"LT1.PV", "FT1.PV", "TT1.PV", "P1.SP"} <= set(known)
    assert (known["LT1.PV"].unit, known["LT1.PV"].range) == ("cm", (0.0, 20.0))
    assert known["LT1.PV"].node.startswith(PLANT)
    assert known["P1.SP"].writable
    assert drafted_from_server("other", offered, OpcUaSettings(endpoint="opc.tcp://127.0.0.1:1")).plant.mvs


async def test_a_server_of_another_stack_refuses_a_wrong_password_and_a_stranger_with_a_sentence(
    ports, pki, tmp_path
):
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "wrong").chmod(0o600)
    known = spec(ports[0], pki, "Basic256Sha256", "SignAndEncrypt", password_file=str(tmp_path / "wrong"))
    with pytest.raises(LinkError, match="it refused the user mpc; check the name, the password"):
        await OpcUaLink(known).__aenter__()
    stranger = CertificateFolder(tmp_path / "stranger")
    stranger.make(host="stranger")
    stranger.trust(str(pki / "theirs" / "own" / "certificate.der"))
    unknown = spec(ports[0], pki, "Basic256Sha256", "SignAndEncrypt", pki=str(stranger.path))
    with pytest.raises(LinkError, match="it may not trust procwm's certificate"):
        await OpcUaLink(unknown).__aenter__()


async def test_a_server_of_another_stack_that_is_frozen_killed_and_restarted_is_found_again(node, pki):
    port = free_port()
    plant = spec(port, pki, "Basic256Sha256", "SignAndEncrypt")
    async with node_server(node, pki, port) as process:
        link = await OpcUaLink(plant, reconnect_delay_s=0.5, watchdog_s=3.0).__aenter__()
        try:
            await heard(link)
            process.send_signal(signal.SIGSTOP)
            await until(lambda: not link.connected)
            process.send_signal(signal.SIGCONT)
            await until(lambda: link.connected)
            assert await link.write({PUMP.name: 5.0}) == {PUMP.name: 5.0}
            process.kill()
            await until(lambda: not link.connected)
            link.drain()
            async with node_server(node, pki, port):
                await until(lambda: link.connected)
                assert await link.write({PUMP.name: 5.5}) == {PUMP.name: 5.5}
                await heard(link)
        finally:
            await link.__aexit__(None, None, None)


@pytest.mark.parametrize(("policy", "mode"), [SECURITY[0], SECURITY[4]])
async def test_a_client_of_another_stack_reads_writes_and_subscribes_to_a_served_plant(
    node, pki, policy, mode
):
    CertificateFolder(pki / "ours").trust(str(pki / "theirs" / "own" / "certificate.der"))
    guarded = {} if policy is None else {"pki": pki / "ours", "users": pki / "users"}
    async with SimulationServer(FakePlant(), **guarded) as server:
        await server.advance(3)
        told = options(
            pki,
            url=server.spec.opcua.endpoint,
            policy=NODE_NAMES.get(policy, policy) or "None",
            mode=mode if policy else "None",
            user=USER if policy else "",
            level=LEVEL.node,
            pump=PUMP.node,
            value=4.0,
        )
        process = await asyncio.create_subprocess_exec(
            "node",
            str(SCRIPTS / "client.js"),
            told,
            env=node,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            out, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        answer = json.loads(out.splitlines()[-1])
        levels = [row.outputs[LEVEL.name] for row in server.plant.history]
    assert (answer["write"], answer["pump"]) == ("Good", 4.0)
    assert answer["refused"] in ("BadUserAccessDenied", "BadNotWritable")
    assert answer["level"] == answer["subscribed"] == pytest.approx(levels[-1])
    assert answer["history"] == pytest.approx(levels)
