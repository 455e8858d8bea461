"""The OPC UA client of a link: it trusts nobody by default, and logs in as the plant file says.

The library checks no server certificate by itself, and takes the one it has once met for the
server's for ever. Here the server's certificate is asked for and looked up in the trust store
with every connection, the first and every later one, before anything else is sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asyncua import Client, Node, ua
from asyncua.common.utils import SocketClosedException
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import x509_from_der

from procwm.errors import LinkError, SpecError
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import PlantSpec
from procwm_adapters.opcua.security.certificate_folder import (
    CertificateFolder,
    application_uri,
    load_certificate,
    load_key,
    private_key,
    thumbprint,
)
from procwm_adapters.opcua.security.secrets import PASSWORD, USER_KEY, secret
from procwm_adapters.opcua.wire.failures import SENTENCES, linked

_LOGIN = frozenset(
    {
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadIdentityTokenInvalid,
        ua.StatusCodes.BadIdentityTokenRejected,
        ua.StatusCodes.BadUserSignatureInvalid,
    }
)
_REFUSED_CERTIFICATE = frozenset(
    {
        ua.StatusCodes.BadSecurityChecksFailed,
        ua.StatusCodes.BadCertificateUntrusted,
        ua.StatusCodes.BadCertificateInvalid,
        ua.StatusCodes.BadCertificateTimeInvalid,
        ua.StatusCodes.BadCertificateUriInvalid,
        ua.StatusCodes.BadCertificateUseNotAllowed,
        ua.StatusCodes.BadCertificateRevoked,
    }
)
_REFUSED_SECURITY = frozenset(
    {ua.StatusCodes.BadSecurityPolicyRejected, ua.StatusCodes.BadSecurityModeRejected}
)


def settings_of(spec: PlantSpec) -> OpcUaSettings:
    """How the plant is reached; `SpecError` where the plant file does not say."""
    if spec.opcua is None:
        raise SpecError(
            f'plant {spec.name}: no OPC UA server; add [opcua] with endpoint = "opc.tcp://host:4840"'
        )
    return spec.opcua


class _Pulse(Node):  # type: ignore[misc]
    """What the library reads to learn whether the server lives: that it may not be told is an answer, too."""

    async def read_value(self) -> Any:
        return await self.read_data_value(raise_on_bad_status=False)


class SecureClient(Client):  # type: ignore[misc]
    """An asyncua `Client` with the security and the user of `settings`.

    Attributes:
        trouble: why the last attempt to come back to a lost server failed, one sentence, or empty.
    """

    def __init__(self, settings: OpcUaSettings, *, timeout: float, watchdog_intervall: float = 2.0) -> None:
        """Read certificates and secrets; `SpecError` where one is missing or can be read by others."""
        super().__init__(settings.endpoint, timeout=timeout, watchdog_intervall=watchdog_intervall)
        self.name = self.description = "procwm"
        self.uaclient.create_session = self._request_session
        self.nodes.server_state = _Pulse(self.uaclient.session, self.nodes.server_state.nodeid)
        self._settings = settings
        self._timeout_s = timeout
        self._agreed = False
        self.trouble = ""
        self._pki = CertificateFolder(settings.path(settings.pki))
        if settings.policy is not None:
            self._take_own_certificate()
            self._take_login()

    async def connect_socket(self) -> None:
        """Open the connection, with security agreed on anew."""
        if self._settings.policy is not None:
            await self._agree()
        await super().connect_socket()

    async def open_secure_channel(self, renew: bool = False) -> None:
        """Open or renew the channel; a refusal is the status `BadSecurityChecksFailed`."""
        try:
            await super().open_secure_channel(renew)
        except AssertionError:
            # Some servers answer a certificate that they do not trust with a fault, which the library
            # takes for a broken message.
            raise ua.uaerrors.BadSecurityChecksFailed from None

    async def create_session(self) -> Any:
        """Create a session, unless a password would have to be sent as it is."""
        answer = await super().create_session()
        if self._settings.user is not None and self._settings.mode == "Sign":
            uri = self.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri
            if uri == security_policies.SecurityPolicyNone.URI:
                raise LinkError(
                    f"{self._settings.endpoint}: with mode = Sign this server takes passwords unencrypted; "
                    "use mode = SignAndEncrypt"
                )
        return answer

    async def _request_session(self, parameters: Any) -> Any:
        """What the library asks for a session; some servers tell only who asks for it what they offer."""
        answer = await self.uaclient.session.create_session(parameters)
        if not answer.ServerEndpoints:
            answer.ServerEndpoints = await self.get_endpoints()
        return answer

    async def _try_reactivate_existing_session(self) -> bool:
        """An attempt of the library to come back, of which it tells nobody why it fails."""
        try:
            with linked(self._settings.endpoint, "reconnecting"), self.connecting():
                reused = bool(await super()._try_reactivate_existing_session())
        except LinkError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
        return reused

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Raise what the server answers to a certificate or a login as a sentence that says what to do."""
        try:
            yield
        except (SocketClosedException, ConnectionError) as error:
            if not self._agreed:
                raise
            # It answered when asked for its endpoints: what it does not like is who asks.
            advice = self._advice(ua.StatusCodes.BadCertificateUntrusted)
            raise LinkError(
                f"{self._settings.endpoint}: connecting failed: the server closed the connection: {advice}"
            ) from error
        except ua.UaError as error:
            unsecured = self._settings.policy is None and "No matching endpoints" in str(error)
            code = ua.StatusCodes.BadSecurityPolicyRejected if unsecured else getattr(error, "code", None)
            advice = self._advice(code)
            if advice is None:
                raise
            said = "the server refused" if unsecured else SENTENCES[ua.UaStatusCodeError].format(error=error)
            raise LinkError(f"{self._settings.endpoint}: connecting failed: {said}: {advice}") from None

    def _advice(self, code: int | None) -> str | None:
        who = self._settings.user or self._settings.user_certificate
        if code in _LOGIN and who is None:
            return "it lets no anonymous user in; add user or user_certificate to [opcua]"
        if code in _LOGIN:
            return f"it refused the user {who}; check the name, the password or key, and the user's rights"
        if code in _REFUSED_CERTIFICATE and self._settings.policy is not None:
            return (
                f"it may not trust procwm's certificate, thumbprint {thumbprint(self._certificate)}; "
                f"have {self._certificate_path} trusted there"
            )
        if code in _REFUSED_SECURITY | _REFUSED_CERTIFICATE:
            return "it wants another security; see policy and mode in [opcua]"
        return None

    def _take_own_certificate(self) -> None:
        settings = self._settings
        own = (self._pki.own_certificate, self._pki.own_key)
        if settings.certificate is not None and settings.key is not None:
            own = (settings.path(settings.certificate), settings.path(settings.key))
        elif not own[0].exists():
            raise SpecError(
                f"{own[0]}: there is no certificate of procwm's own; run: "
                f"procwm certificate make --pki {self._pki.path}"
            )
        self._certificate_path = own[0]
        self._certificate, self._key = load_certificate(own[0]), load_key(own[1])
        if self._certificate.public_key() != self._key.public_key():
            raise SpecError(f"{own[1]}: not the private key of {own[0]}")
        self.application_uri = application_uri(self._certificate)

    def _take_login(self) -> None:
        settings = self._settings
        if settings.user is not None:
            file = settings.path(settings.password_file) if settings.password_file else None
            self.set_user(settings.user)
            self.set_password(_text(secret(PASSWORD, file, f"the password of {settings.user}")))
        elif settings.user_certificate is not None:
            file = settings.path(settings.user_key) if settings.user_key else None
            self.user_certificate = load_certificate(settings.path(settings.user_certificate))
            key = secret(USER_KEY, file, f"the private key of {settings.user_certificate}")
            self.user_private_key = private_key(key, str(file or USER_KEY))
            if self.user_certificate.public_key() != self.user_private_key.public_key():
                raise SpecError(f"{file or USER_KEY}: not the private key of {settings.user_certificate}")

    async def _agree(self) -> None:
        """Take up the security that the plant file asks for, with a server that is trusted."""
        url = self._settings.endpoint
        offered = await Client(url, timeout=self._timeout_s).connect_and_get_server_endpoints()
        policy = getattr(security_policies, f"SecurityPolicy{self._settings.policy}")
        mode = ua.MessageSecurityMode[self._settings.mode]
        for endpoint in offered:
            if endpoint.SecurityPolicyUri == policy.URI and endpoint.SecurityMode == mode:
                break
        else:
            known = sorted({_named(endpoint) for endpoint in offered})
            raise LinkError(
                f"{url}: the server does not offer {self._settings.policy} with {self._settings.mode}; "
                f"it offers {', '.join(known)}"
            )
        certificate = x509_from_der(endpoint.ServerCertificate)
        if certificate is None:
            raise LinkError(f"{url}: the server presents no certificate")
        self._agreed = True
        self._pki.check(certificate, endpoint.Server.ApplicationUri, whose=f"{url}: the server's certificate")
        self.security_policy = policy(certificate, self._certificate, self._key, mode)
        self.uaclient.set_security(self.security_policy)


def _text(password: bytes) -> str:
    # An editor ends a file with a line break; a password does not.
    return password.decode().rstrip("\r\n")


def _named(endpoint: Any) -> str:
    policy = endpoint.SecurityPolicyUri.rpartition("#")[2]
    return policy if policy == "None" else f"{policy} with {endpoint.SecurityMode.name}"
