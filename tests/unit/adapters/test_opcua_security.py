"""Security of the link and of the server: who is trusted, who may log in, and what is said otherwise."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from opcua_doubles import LEVEL, PUMP, FakePlant
from waiting import PATIENCE_S, until

from procwm.errors import LinkError, ProcwmError, SpecError
from procwm.plant.front import Facts, Variable
from procwm.plant.request import Request
from procwm.plant.settings import MODES, POLICIES, OpcUaSettings
from procwm.plant.tags import Role
from procwm_adapters.opcua.console.controller_server import ControllerServer
from procwm_adapters.opcua.console.fact_nodes import NAMESPACE
from procwm_adapters.opcua.link.client import SecureClient
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.security.certificate_folder import CertificateFolder
from procwm_adapters.opcua.security.guarded_server import GuardedServer
from procwm_adapters.opcua.security.secrets import PASSWORD
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "a-password-nobody-may-see"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a client, a server, a user and a stranger; client and server trust each other."""
    folder = tmp_path_factory.mktemp("pki")
    stores = {name: CertificateFolder(folder / name) for name in ("client", "server", "user", "stranger")}
    for name, store in stores.items():
        store.make(host=f"{name}.example")
    stores["client"].trust(str(stores["server"].own_certificate))
    stores["server"].trust(str(stores["client"].own_certificate))
    users = stores["server"].path / "users"
    users.mkdir()
    (users / "operator.der").write_bytes(stores["user"].own_certificate.read_bytes())
    for name, content in (("users.txt", f"mpc:{SECRET}\nother:word\n"), ("password.txt", SECRET + "\n")):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(pki: Path):
    async with SimulationServer(FakePlant(), pki=pki / "server", users=pki / "users.txt") as running:
        yield running


@pytest.fixture(autouse=True)
def no_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (PASSWORD, "PROCWM_OPCUA_USER_KEY", "PROCWM_OPCUA_KEY_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)


def secured(server: SimulationServer, home: Path, **changes: Any):
    settings: dict[str, Any] = {
        "endpoint": server.spec.opcua.endpoint,
        "policy": "Basic256Sha256",
        "pki": "client",
        "user": "mpc",
        "password_file": "password.txt",
        "folder": str(home),
    }
    return replace(server.spec, opcua=OpcUaSettings(**settings | changes))


async def refusal(spec: Any) -> str:
    with pytest.raises(ProcwmError) as caught:
        async with OpcUaLink(spec, timeout_s=PATIENCE_S):
            pass
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert SECRET not in sentence
    return sentence


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
async def test_samples_come_and_setpoints_go_with_every_policy_and_mode(server, pki, policy, mode):
    async with OpcUaLink(secured(server, pki, policy=policy, mode=mode), settle_s=0.0) as link:
        assert await link.write({PUMP.name: 2.0}) == {PUMP.name: 2.0}
        assert link.client.security_policy.Mode.name == mode
        assert policy in link.client.security_policy.URI.replace("_", "")


async def test_a_certificate_logs_in_with_its_key(server, pki):
    user = {"user": None, "password_file": None, "user_certificate": "user/own/certificate.der"}
    async with OpcUaLink(secured(server, pki, **user, user_key="user/own/key.pem"), settle_s=0.0) as link:
        assert await link.write({PUMP.name: 3.0}) == {PUMP.name: 3.0}
    stranger = user | {"user_certificate": "stranger/own/certificate.der"}
    said = await refusal(secured(server, pki, **stranger, user_key="stranger/own/key.pem"))
    assert "it refused the user stranger/own/certificate.der" in said
    said = await refusal(secured(server, pki, **user, user_key="stranger/own/key.pem"))
    assert "not the private key of user/own/certificate.der" in said


async def test_an_unknown_server_is_refused_before_anything_is_sent_and_trusted_by_its_thumbprint(
    server, pki, tmp_path, monkeypatch
):
    store = CertificateFolder(tmp_path / "new")
    CertificateFolder(pki / "server").trust(str(store.make(host="new.example").path))
    spec = secured(server, pki, pki=str(store.path))
    sent = []
    monkeypatch.setattr(Client, "create_session", lambda self: sent.append(self))
    said = await refusal(spec)
    monkeypatch.undo()
    facts = store.facts()
    assert [f.trust.value for f in facts] == ["own", "rejected"]
    assert f"procwm certificate trust {facts[1].thumbprint[:12]} --pki {store.path}" in said
    assert sent == []
    store.trust(facts[1].thumbprint[:12].lower())
    async with OpcUaLink(spec):
        pass
    store.reject(facts[1].thumbprint)
    assert "is not trusted" in await refusal(spec)


async def test_an_unknown_client_is_refused_and_its_certificate_kept_for_a_person_to_look_at(server, pki):
    stranger = CertificateFolder(pki / "stranger")
    stranger.trust(str(pki / "server/own/certificate.der"))
    said = await refusal(secured(server, pki, pki="stranger"))
    own = stranger.facts()[0]
    assert f"it may not trust procwm's certificate, thumbprint {own.thumbprint}" in said
    rejected = [f.thumbprint for f in CertificateFolder(pki / "server").facts() if f.trust == "rejected"]
    assert rejected == [own.thumbprint]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"user": "other"}, "it refused the user other; check the name, the password"),
        ({"user": "nobody"}, "it refused the user nobody; check the name, the password"),
        ({"user": None}, "it lets no anonymous user in; add user or user_certificate"),
        ({"policy": None, "user": None}, "it wants another security; see policy and mode in"),
        ({"password_file": None}, "the password of mpc is missing; set the variable PROCWM_OPCUA_PASSWORD"),
        ({"password_file": "none.txt"}, "none.txt: cannot be read: no such file"),
        ({"pki": "nowhere"}, "there is no certificate of procwm's own; run: procwm certificate make --pki"),
        (
            {"certificate": "client/own/certificate.der", "key": "stranger/own/key.pem"},
            "stranger/own/key.pem: not the private key of ",
        ),
        ({"certificate": "users.txt", "key": "users.txt"}, "users.txt: not a certificate, DER or PEM"),
    ],
)
async def test_whoever_may_not_log_in_is_told_what_to_do(server, pki, changes, sentence):
    assert sentence in await refusal(secured(server, pki, **changes))


async def test_a_secret_that_others_can_read_is_refused(server, pki, tmp_path):
    file = tmp_path / "password.txt"
    file.write_text(SECRET)
    for mode in (0o640, 0o604, 0o620):
        file.chmod(mode)
        said = await refusal(secured(server, pki, password_file=str(file)))
        assert f"other users can read or change it (mode {mode:o}); run: chmod 600 {file}" in said


async def test_the_environment_goes_before_the_file_and_no_log_shows_the_password(
    server, pki, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(PASSWORD, SECRET)
    async with OpcUaLink(secured(server, pki, password_file="nowhere.txt")):
        pass
    assert len(caplog.records) > 20
    assert SECRET not in caplog.text


async def raw(server: SimulationServer, *, channel: bool, activate: bool) -> str:
    """What a client gets that asks for a value without security."""
    client = Client(server.spec.opcua.endpoint, timeout=PATIENCE_S)
    await client.connect_socket()
    try:
        await client.send_hello()
        if channel:
            await client.open_secure_channel()
        await client.create_session()
        if activate:
            await client.activate_session("mpc", SECRET)
        return str(await client.get_node(LEVEL.node).read_value())
    except ua.UaStatusCodeError as error:
        return type(error).__name__
    finally:
        client.disconnect_socket()


@pytest.mark.parametrize("channel", [True, False])
async def test_an_unsecured_channel_reads_nothing_even_with_the_right_password(server, channel, monkeypatch):
    # The library's client would stop by itself, as the server offers nothing unsecured.
    monkeypatch.setattr(Client, "find_endpoint", staticmethod(lambda *_: ua.EndpointDescription()))
    assert await raw(server, channel=channel, activate=False) == "BadUserAccessDenied"
    assert await raw(server, channel=channel, activate=True) == "BadSecurityPolicyRejected"


async def test_a_stranger_that_shows_a_trusted_certificate_without_its_key_is_refused(server, pki):
    stranger = CertificateFolder(pki / "stranger")
    stranger.trust(str(pki / "server/own/certificate.der"))
    link = OpcUaLink(secured(server, pki, pki="stranger"), timeout_s=PATIENCE_S)
    known = (pki / "client/own/certificate.der").read_bytes()
    create = link.client.uaclient.create_session

    async def lying(parameters):
        parameters.ClientCertificate = known
        parameters.ClientDescription.ApplicationUri = "urn:client.example:procwm"
        return await create(parameters)

    link.client.uaclient.create_session = lying
    with pytest.raises(LinkError, match="BadCertificateUntrusted"):
        await link.__aenter__()


async def test_a_server_that_lets_nobody_log_in_is_a_mistake(pki):
    with pytest.raises(SpecError, match="no user could log in"):
        SimulationServer(FakePlant(), pki=pki / "client")
    with pytest.raises(SpecError, match="users need secured connections"):
        SimulationServer(FakePlant(), users=pki / "users.txt")


async def test_a_server_that_got_another_certificate_is_taken_up_again_once_it_is_trusted(pki, tmp_path):
    client, users = CertificateFolder(tmp_path / "client"), pki / "users.txt"
    first, second = CertificateFolder(tmp_path / "first"), CertificateFolder(tmp_path / "second")
    own = client.make(host="client")
    for store in (first, second):
        store.make(host="server")
        store.trust(str(own.path))
    client.trust(str(first.own_certificate))
    async with SimulationServer(FakePlant(), pki=first.path, users=users) as server:
        spec = secured(server, pki, pki=str(client.path))
        link = await OpcUaLink(spec, reconnect_delay_s=0.2, timeout_s=20.0).__aenter__()
    try:
        async with SimulationServer(FakePlant(), endpoint=spec.opcua.endpoint, pki=second.path, users=users):
            await until(lambda: [f for f in client.facts() if f.trust == "rejected"])
            assert not link.connected
            await until(lambda: "is not trusted" in link.trouble)
            assert "then run: procwm certificate trust" in link.trouble
            client.trust(next(f.thumbprint for f in client.facts() if f.trust == "rejected"))
            await until(lambda: link.connected)
            assert link.trouble == ""
            assert await link.write({PUMP.name: 4.0}) == {PUMP.name: 4.0}
    finally:
        await link.__aexit__(None, None, None)


async def test_a_user_who_is_no_longer_let_in_is_told_what_to_do_while_the_link_is_lost(pki, tmp_path):
    async with SimulationServer(FakePlant(), pki=pki / "server", users=pki / "users.txt") as server:
        spec = secured(server, pki)
        link = await OpcUaLink(spec, reconnect_delay_s=0.2, timeout_s=20.0).__aenter__()
    try:
        others = tmp_path / "others.txt"
        others.write_text("mpc:another\n")
        others.chmod(0o600)
        async with SimulationServer(
            FakePlant(), endpoint=spec.opcua.endpoint, pki=pki / "server", users=others
        ):
            await until(lambda: "it refused the user mpc; check the name, the password" in link.trouble)
            assert not link.connected
    finally:
        await link.__aexit__(None, None, None)


async def test_a_server_that_just_closes_the_connection_is_said_not_to_trust_us(server, pki):
    host, port = server.spec.opcua.endpoint.removeprefix("opc.tcp://").split(":")

    async def carry(source, sink, unwanted):
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65536):
                if unwanted in chunk:
                    break
                sink.write(chunk)
        sink.close()

    async def accept(reader, writer):
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port))
        # The first message of a secured channel names its policy in plain text.
        await asyncio.gather(
            carry(reader, onward_writer, b"#Basic256Sha256"), carry(onward_reader, writer, b"\0nothing\0")
        )

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as proxy:
        url = f"opc.tcp://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        said = await refusal(secured(server, pki, endpoint=url))
    assert "the server closed the connection: it may not trust procwm's certificate" in said
    assert "client/own/certificate.der trusted there" in said


class Listener:
    """A desk that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusals: list[str] = []

    def ask(self, request: Request) -> None:
        self.asked.append(request.who)

    def refused(self, who: str, what: str, why: str) -> None:
        self.refusals.append(f"{who}: {what}: {why}")


async def test_a_viewer_sees_what_an_operator_sees_and_may_ask_for_nothing(pki, tmp_path):
    viewers = tmp_path / "viewers.txt"
    viewers.write_text("guest:look\n")
    viewers.chmod(0o600)
    desk = Listener()
    level = Variable(role=Role.CV, unit="cm", range=(0.0, 20.0), value=9.5, limits=(1.0, 19.0))
    facts = Facts(
        plant="tank",
        interval_s=1.0,
        time_ns=10**18,
        heartbeat=1,
        requested="auto",
        actual="auto",
        variables={"LT1.PV": level},
        guardrails={},
    )
    served = ControllerServer(desk, facts, pki=pki / "server", users=pki / "users.txt", viewers=viewers)

    async def ask(name: str, password: Path, home: str) -> tuple[float, list[str]]:
        settings = OpcUaSettings(
            endpoint=front.url, policy="Basic256Sha256", pki=home, user=name, password_file=str(password)
        )
        said = []
        async with asyncio.timeout(PATIENCE_S):
            client = SecureClient(replace(settings, folder=str(pki)), timeout=PATIENCE_S)
            with client.connecting():
                await client.connect()
            async with client:
                index = await client.get_namespace_index(NAMESPACE)
                for path, value in (
                    ("Mode.Request", ua.Variant(1, ua.VariantType.UInt32)),
                    ("Variables.LT1.PV.LimitHighRequest", ua.Variant(18.0, ua.VariantType.Double)),
                    ("Variables.LT1.PV.Value", ua.Variant(1.0, ua.VariantType.Double)),
                ):
                    try:
                        await client.get_node(ua.NodeId(path, index)).write_value(ua.DataValue(value))
                        said.append("taken")
                    except ua.UaStatusCodeError as error:
                        said.append(type(error).__name__)
                return await client.get_node(ua.NodeId("Variables.LT1.PV.Value", index)).read_value(), said

    word = tmp_path / "word.txt"
    word.write_text("look\n")
    word.chmod(0o600)
    async with served as front:
        assert await ask("guest", word, "client") == (9.5, ["BadUserAccessDenied"] * 3)
        assert desk.asked == []
        assert desk.refusals[0] == "guest over OPC UA: Mode.Request = 1: guest may look and not ask"
        assert await ask("mpc", pki / "password.txt", "client") == (
            9.5,
            ["taken"] * 2 + ["BadUserAccessDenied"],
        )
        assert desk.asked == ["mpc over OPC UA"] * 2


async def test_who_is_both_a_user_and_a_viewer_is_refused(pki):
    with pytest.raises(SpecError, match="mpc, other: both a user and a viewer; keep one"):
        GuardedServer(pki / "server", pki / "users.txt", pki / "users.txt")
