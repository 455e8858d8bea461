"""A folder of certificates: procwm's own, those it trusts, and those it has turned away.

    own/certificate.der  own/key.pem     application instance certificate and its private key
    trusted/                             servers (or clients), or authorities that issue for them; and *.crl
    revoked/                             serial numbers that authorities have ever revoked, a file for each
    rejected/                            what was met and is not trusted, for a person to look at
    users/                               certificates that may log in to a server of procwm

Files are DER or PEM. A certificate is trusted when it lies in `trusted/`, or when an authority
there has issued it (Part 4, 6.1.3).
"""

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from procwm.errors import LinkError, SpecError
from procwm.plant.certificates import CertificateFacts, Trust
from procwm.plant.texts import shown
from procwm_adapters.opcua.security.revocation import revoked_by
from procwm_adapters.opcua.security.secrets import PASSPHRASE, read_private, write_private

_MOST_REJECTED = 50
"""Certificates kept for a person to look at; whoever can connect can send any number of them."""


class CertificateFolder:
    """The certificates in `path`; every question is answered from the files as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def own_certificate(self) -> Path:
        """Where the own certificate lies unless the plant file says otherwise."""
        return self.path / Trust.OWN / "certificate.der"

    @property
    def own_key(self) -> Path:
        """Where the private key of the own certificate lies."""
        return self.path / Trust.OWN / "key.pem"

    def make(self, *, host: str = "", days: int = 730) -> CertificateFacts:
        """Make a self-signed application instance certificate for this machine; `SpecError` if there is one.

        Args:
            host: name of the machine, this one's where empty.
            days: for how long it is valid.
        """
        for path in (self.own_certificate, self.own_key):
            if path.exists():
                raise SpecError(
                    f"{path} exists; move it away first, and have every server trust the new certificate"
                )
        host = host or socket.gethostname()
        uri = f"urn:{host}:procwm"
        key = generate_private_key()
        certificate = generate_self_signed_app_certificate(
            key,
            f"procwm@{host}",
            {"organizationName": "procwm"},
            [x509.UniformResourceIdentifier(uri), x509.DNSName(host)],
            [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH],
            days,
        )
        write_private(self.own_key, dump_private_key_as_pem(key))
        write_private(self.own_certificate, certificate.public_bytes(Encoding.DER))
        return _facts(Trust.OWN, self.own_certificate, certificate)

    def facts(self) -> list[CertificateFacts]:
        """All certificates: own, trusted, rejected."""
        return [_facts(trust, path, certificate) for trust in Trust for path, certificate in self._in(trust)]

    def trust(self, which: str) -> CertificateFacts:
        """Trust a certificate from now on.

        Args:
            which: the first digits of the thumbprint of a rejected one, or a file.
        """
        if Path(which).is_file():
            source, certificate = Path(which), load_certificate(Path(which))
        else:
            source, certificate = self._find(Trust.REJECTED, which)
        target = self._place(Trust.TRUSTED, certificate)
        if source.parent == self.path / Trust.REJECTED:
            source.unlink()
        return _facts(Trust.TRUSTED, target, certificate)

    def reject(self, which: str) -> CertificateFacts:
        """Trust a certificate no longer; `which` is the first digits of its thumbprint."""
        source, certificate = self._find(Trust.TRUSTED, which)
        target = self._place(Trust.REJECTED, certificate)
        source.unlink()
        return _facts(Trust.REJECTED, target, certificate)

    def check(self, certificate: x509.Certificate, application: str | None, *, whose: str) -> None:
        """Let a trusted certificate pass; put any other one into `rejected/`.

        Args:
            certificate: what the other side has presented, and has the private key of.
            application: the ApplicationUri that the other side goes by, or `None` where it is not known.
            whose: how the sentence of an error begins, such as `the server's certificate`.

        Raises:
            LinkError: it is unknown, revoked, expired, or of another application; the sentence says what
                to do.
        """
        facts = _facts(Trust.REJECTED, self.path, certificate)
        name = f"{whose} ({facts.name}, thumbprint {facts.thumbprint})"
        if not self._trusts(certificate):
            self._keep_rejected(certificate)
            raise LinkError(
                f"{name} is not trusted; compare the thumbprint with the one its owner tells you, then run: "
                f"procwm certificate trust {facts.thumbprint[:12]} --pki {self.path}"
            )
        if self._revoked(certificate):
            raise LinkError(f"{name} was revoked by its issuer; its owner must get a new one")
        if not _current(certificate):
            raise LinkError(
                f"{name} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
                f"{facts.valid_until:%Y-%m-%d}; renew it, or mend the clock"
            )
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not 2048 <= key.key_size <= 4096:
            raise LinkError(f"{name} has no RSA key of 2048 to 4096 bits; its owner must get a new one")
        if application is not None and application != facts.application:
            raise LinkError(
                f"{name} belongs to the application {facts.application or '(none)'}, and the other side "
                f"calls itself {shown(application)}; it needs a certificate of its own"
            )

    def _trusts(self, certificate: x509.Certificate) -> bool:
        trusted = [known for _, known in self._in(Trust.TRUSTED)]
        return certificate in trusted or self._issuer(certificate) is not None

    def _issuer(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """The trusted authority that has issued `certificate`, if any."""
        for _, known in self._in(Trust.TRUSTED):
            if known != certificate and _is_authority(known) and _current(known):
                try:
                    certificate.verify_directly_issued_by(known)
                except (ValueError, TypeError, InvalidSignature):
                    continue
                return known
        return None

    def _revoked(self, certificate: x509.Certificate) -> bool:
        issuer = self._issuer(certificate)
        return issuer is not None and certificate.serial_number in revoked_by(issuer, self.path)

    def _keep_rejected(self, certificate: x509.Certificate) -> None:
        kept = list((self.path / Trust.REJECTED).glob("*"))
        if len(kept) < _MOST_REJECTED:
            self._place(Trust.REJECTED, certificate)

    def _place(self, trust: Trust, certificate: x509.Certificate) -> Path:
        facts = _facts(trust, self.path, certificate)
        label = re.sub(r"[^A-Za-z0-9.-]+", "_", facts.name)[:40]
        path = self.path / trust / f"{label}-{facts.thumbprint}.der"
        write_private(path, certificate.public_bytes(Encoding.DER))
        return path

    def _find(self, trust: Trust, which: str) -> tuple[Path, x509.Certificate]:
        wanted = which.replace(":", "").replace(" ", "").upper()
        found = [pair for pair in self._in(trust) if wanted and thumbprint(pair[1]).startswith(wanted)]
        if len(found) != 1:
            state = "no" if not found else "more than one"
            raise SpecError(
                f"{self.path}: {state} {trust} certificate has a thumbprint that begins with {which}; "
                f"see: procwm certificate list --pki {self.path}"
            )
        return found[0]

    def _in(self, trust: Trust) -> Iterator[tuple[Path, x509.Certificate]]:
        for path in sorted((self.path / trust).glob("*")):
            if path.suffix.lower() in (".der", ".pem", ".crt", ".cer") and path.name != self.own_key.name:
                yield path, load_certificate(path)


def load_certificate(path: Path) -> x509.Certificate:
    """The certificate in a DER or PEM file; `SpecError` where there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        pem = content.startswith(b"-----BEGIN")
        return x509.load_pem_x509_certificate(content) if pem else x509.load_der_x509_certificate(content)
    except ValueError:
        raise SpecError(f"{path}: not a certificate, DER or PEM") from None


def private_key(content: bytes, source: str) -> Any:
    """The private key in DER or PEM `content`; `SpecError` where there is none, or no right passphrase."""
    load = load_pem_private_key if content.startswith(b"-----BEGIN") else load_der_private_key
    for passphrase in (None, os.environ.get(PASSPHRASE, "").encode()):
        try:
            return load(content, password=passphrase)
        except (ValueError, TypeError):
            continue
    raise SpecError(
        f"{source}: not a private key, DER or PEM, or its passphrase in {PASSPHRASE} is missing or wrong"
    )


def load_key(path: Path) -> Any:
    """The private key in a file that only its owner may read."""
    return private_key(read_private(path), str(path))


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 of the certificate's bytes, upper case: a name for people to compare (Part 4, 7.3)."""
    return hashlib.sha1(certificate.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest().upper()


def application_uri(certificate: x509.Certificate) -> str:
    """The ApplicationUri in a certificate's alternative names, "" where it has none (Part 6, 6.2.2)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue; an application's certificate may not, although many call themselves a CA."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    return constraints.ca and not application_uri(certificate)


def _current(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def _facts(trust: Trust, path: Path, certificate: x509.Certificate) -> CertificateFacts:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        trust=trust,
        name=shown(str(names[0].value)) if names else "(no name)",
        application=shown(application_uri(certificate)),
        thumbprint=thumbprint(certificate),
        valid_until=certificate.not_valid_after_utc,
        path=path,
    )
