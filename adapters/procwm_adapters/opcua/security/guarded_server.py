"""A server that lets in only applications whose certificate it trusts, and users it knows.

The library's own server leaves doors open. It takes any certificate unless a validator is set,
and asks the validator only about a certificate that the client cares to mention once more when it
makes a session. It lets every user in. And it carries an unsecured channel even where it offers
none, on which a session may read and write before anybody has logged in. Here logging in takes a
channel of a trusted application, and everything but discovery takes having logged in.
"""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.uacrypto import x509_from_der
from asyncua.server.internal_session import InternalSession
from asyncua.server.user_managers import UserManager

from procwm.errors import LinkError, SpecError
from procwm.plant.settings import MODES, POLICIES
from procwm_adapters.opcua.security.certificate_folder import (
    CertificateFolder,
    application_uri,
    load_certificate,
    load_key,
    thumbprint,
)
from procwm_adapters.opcua.security.closed_internals import ClosedInternals
from procwm_adapters.opcua.security.login_watch import LoginWatch
from procwm_adapters.opcua.security.secrets import read_private


class Viewer(User):  # type: ignore[misc]
    """Somebody who may look at everything and ask for nothing."""


class GuardedServer(Server):  # type: ignore[misc]
    """An asyncua `Server` that lets in trusted applications with known users, over secured channels."""

    def __init__(self, pki: Path, users: Path | None = None, viewers: Path | None = None) -> None:
        """Read certificates and users; `SpecError` where one is missing, or nobody could log in.

        Args:
            pki: folder of certificates; those of users who log in with one lie in its `users/`, those of
                viewers in its `viewers/`.
            users, viewers: private files of lines `name:password`.
        """
        self._pki = CertificateFolder(pki)
        known = _Users(self._pki, _passwords(users) if users else {}, _passwords(viewers) if viewers else {})
        self._watch = LoginWatch()
        super().__init__(iserver=_GuardedInternals(self._pki, known, self._watch))
        if not self._pki.own_certificate.exists():
            raise SpecError(
                f"{self._pki.own_certificate}: a secured server needs a certificate; run: "
                f"procwm certificate make --pki {pki}"
            )
        self.iserver.certificate = load_certificate(self._pki.own_certificate)
        self.iserver.private_key = load_key(self._pki.own_key)
        self.iserver.certificate_validator = self._validate
        self._application_uri = application_uri(self.iserver.certificate)
        self.set_security_policy(
            [ua.SecurityPolicyType[f"{policy}_{mode}"] for policy in POLICIES for mode in MODES]
        )
        self.set_identity_tokens(known.tokens)

    async def _validate(self, certificate: Any, description: Any) -> None:
        try:
            self._pki.check(certificate, description.ApplicationUri, whose="the client's certificate")
        except LinkError as error:
            self._watch.tell(str(error))
            raise ua.uaerrors.BadCertificateUntrusted from error


class _GuardedInternals(ClosedInternals):
    """Makes sessions of trusted applications only."""

    def __init__(self, pki: CertificateFolder, users: UserManager, watch: LoginWatch) -> None:
        super().__init__(user_manager=users)
        self._pki, self._watch = pki, watch

    def create_session(self, name: Any, user: Any = None, external: bool = False) -> Any:
        if not external:
            return super().create_session(name, user or User(), external)
        place = (self, self.aspace, self.subscription_service, name)
        return _GuardedSession(self._pki, self._watch, *place, external=True)


class _GuardedSession(InternalSession):  # type: ignore[misc]
    """Does nothing before somebody has logged in, on a channel of a trusted application."""

    def __init__(self, pki: CertificateFolder, watch: LoginWatch, *arguments: Any, **options: Any) -> None:
        self._pki, self._watch = pki, watch
        super().__init__(*arguments, **options)

    def __str__(self) -> str:
        return f"session {self.name}"

    @property
    def user(self) -> Any:
        """Who has logged in; every service but discovery asks for it first."""
        if not self.is_activated():
            raise ua.uaerrors.BadUserAccessDenied
        return self._user

    @user.setter
    def user(self, user: Any) -> None:
        self._user = user

    def activate_session(self, params: Any, peer_certificate: bytes | None) -> Any:
        """Log in; `peer_certificate` is that of the channel, and empty where it has no security."""
        certificate = x509_from_der(peer_certificate)
        if certificate is None:
            raise ua.uaerrors.BadSecurityPolicyRejected
        try:
            self._pki.check(certificate, None, whose="the client's certificate")
        except LinkError as error:
            self._watch.tell(str(error))
            raise ua.uaerrors.BadCertificateUntrusted from error
        user = getattr(params.UserIdentityToken, "UserName", None) or "a user with a certificate"
        who = f"{user} from the application with thumbprint {thumbprint(certificate)[:12]}"
        if self._watch.waits(who):
            raise ua.uaerrors.BadUserAccessDenied
        try:
            result = super().activate_session(params, peer_certificate)
        except (ServiceError, ua.uaerrors.UaStatusCodeError) as error:
            self._watch.refused(who, ua.StatusCode(error.code).name)
            raise
        self._watch.passed(who)
        return result


class _Users(UserManager):  # type: ignore[misc]
    def __init__(self, pki: CertificateFolder, users: Mapping[str, str], viewers: Mapping[str, str]) -> None:
        twice = sorted(users.keys() & viewers.keys())
        if twice:
            raise SpecError(f"{', '.join(twice)}: both a user and a viewer; keep one")
        passwords = {**users, **viewers}
        self._passwords = {name: password.encode() for name, password in passwords.items()}
        self._viewers = frozenset(viewers)
        self._folders = {pki.path / "users": User, pki.path / "viewers": Viewer}
        self.tokens = [ua.UserNameIdentityToken] if passwords else []
        if any(folder.is_dir() for folder in self._folders):
            self.tokens.append(ua.X509IdentityToken)
        if not self.tokens:
            raise SpecError(
                f"no user could log in; name a file of users, or put their certificates into "
                f"{pki.path / 'users'}"
            )

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> Any:
        if username is not None:
            # Compared even where the name is unknown, so that time does not tell which names there are.
            known = self._passwords.get(username, b"")
            if hmac.compare_digest(known, (password or "").encode()) and known:
                kind = Viewer if username in self._viewers else User
                return kind(role=UserRole.User, name=username)
            return None
        if not certificate:
            return None
        shown = x509_from_der(certificate)
        for folder, kind in self._folders.items():
            for path in sorted(folder.glob("*")):
                if load_certificate(path) == shown:
                    return kind(role=UserRole.User, name=path.stem)
        return None


def open_server() -> Server:
    """A server without security, for whoever reaches it; nobody has more rights than anybody else."""
    server = Server(iserver=ClosedInternals())
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    server.allow_remote_admin(False)
    return server


def _passwords(users: Path) -> dict[str, str]:
    """Password by user name, of a private file of lines `name:password`."""
    lines = read_private(users).decode().splitlines()
    pairs = {number: line.partition(":") for number, line in enumerate(lines, start=1) if line.strip()}
    for number, (name, _, password) in pairs.items():
        if not (name and password):
            raise SpecError(f"{users}: line {number} is not NAME:PASSWORD")
    return {name: password for name, _, password in pairs.values()}
