"""What procwm knows of a certificate, and the folder of certificates that a link keeps."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Trust(StrEnum):
    """In which part of the folder a certificate lies."""

    OWN = "own"
    TRUSTED = "trusted"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class CertificateFacts:
    """A certificate as a person recognises it.

    Attributes:
        trust: own, trusted or rejected.
        name: the common name of its subject.
        application: the ApplicationUri that it is bound to; "" where it has none.
        thumbprint: SHA-1 of its bytes in upper-case hexadecimal digits, as OPC UA products show it.
        valid_until: when it expires, UTC.
        path: where it lies.
    """

    trust: Trust
    name: str
    application: str
    thumbprint: str
    valid_until: datetime
    path: Path


class CertificateStore(Protocol):
    """Certificates that are made, trusted and rejected by a person."""

    def make(self, *, host: str, days: int) -> CertificateFacts:
        """Make an own certificate and its private key; `SpecError` where there is one."""
        ...

    def facts(self) -> list[CertificateFacts]:
        """All certificates: own, trusted, rejected."""
        ...

    def trust(self, which: str) -> CertificateFacts:
        """Trust the rejected certificate of that thumbprint, or the one in that file, from now on."""
        ...

    def reject(self, which: str) -> CertificateFacts:
        """Trust the certificate of that thumbprint no longer."""
        ...
