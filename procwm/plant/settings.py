"""How a plant is reached over OPC UA: address, security and who logs in. Never a secret itself."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from procwm.errors import SpecError

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
"""Security policies of OPC UA Part 7 that are not deprecated; RSA certificates of 2048 to 4096 bits."""

MODES = ("Sign", "SignAndEncrypt")


@dataclass(frozen=True, kw_only=True)
class OpcUaSettings:
    """Where the plant is served, and how the connection is secured.

    Attributes:
        endpoint: URL such as `opc.tcp://127.0.0.1:4840`.
        policy: one of `POLICIES`, or `None` for a connection without security.
        mode: one of `MODES`; counts with a policy only.
        pki: folder of certificates, as `procwm certificate make` lays it out.
        certificate: procwm's own certificate, where it does not lie in `pki`.
        key: the private key of that certificate.
        user: the name to log in with; `None` is anonymous, or a certificate.
        password_file: a file that holds the password; the environment goes before it.
        user_certificate: the certificate to log in with.
        user_key: a file that holds its private key; the environment goes before it.
        read_only: nothing is ever written, and MVs need not be writable.
        folder: what the paths above are relative to; not part of the plant file.
    """

    endpoint: str
    policy: str | None = None
    mode: str = "SignAndEncrypt"
    pki: str = "pki"
    certificate: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None
    user_certificate: str | None = None
    user_key: str | None = None
    read_only: bool = False
    folder: str = field(default=".", compare=False)

    def __post_init__(self) -> None:
        if "@" in self.endpoint.partition("//")[2].partition("/")[0]:
            raise SpecError(
                "[opcua]: endpoint holds a user or a password; write user = ..., and keep the password "
                "in the environment or in password_file"
            )
        check_url("[opcua]: endpoint", self.endpoint)
        for label, value, allowed in (("policy", self.policy, POLICIES), ("mode", self.mode, MODES)):
            if value is not None and value not in allowed:
                raise SpecError(f'[opcua]: {label} is "{value}"; it must be one of {", ".join(allowed)}')
        if self.user is not None and self.user_certificate is not None:
            raise SpecError("[opcua]: user and user_certificate are two ways to log in; keep one")
        login = self.user or self.user_certificate
        if login is not None and self.policy is None:
            raise SpecError(
                f"[opcua]: {login} would log in over a connection that anyone can read and change; "
                f'add policy = "{POLICIES[0]}"'
            )
        if (self.certificate is None) != (self.key is None):
            raise SpecError("[opcua]: certificate and key belong together; give both, or neither to use pki")

    def path(self, written: str) -> Path:
        """The path that the plant file writes as `written`."""
        return Path(self.folder) / written


def check_url(label: str, url: str) -> None:
    """Raise `SpecError`, beginning with `label`, where `url` is no address of an OPC UA server."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "opc.tcp" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        valid = False
    if not valid:
        raise SpecError(f'{label} is "{url}"; it must be a URL such as "opc.tcp://127.0.0.1:4840"')
