"""What authorities have revoked: read from their lists, and remembered.

A list counts only with its issuer's signature. What was listed once stays revoked: an older list put in its
place, an empty one or none, or one that has expired lets nobody back in. To let a certificate in again, take
its line out of `revoked/`.
"""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procwm.errors import SpecError
from procwm.plant.certificates import Trust
from procwm_adapters.opcua.security.secrets import write_private

_log = logging.getLogger(__name__)


def revoked_by(issuer: x509.Certificate, pki: Path) -> frozenset[int]:
    """Serial numbers of all certificates that `issuer` has ever revoked, as far as it was seen here.

    Raises:
        SpecError: a list, or what is remembered of them, cannot be read.
    """
    # By its key: an authority that got a new certificate is the same one.
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    memory = pki / "revoked" / f"{hashlib.sha256(key).hexdigest()}.txt"
    known = _remembered(memory)
    listed = {entry.serial_number for crl in _lists(issuer, pki) for entry in crl}
    if listed - known:
        lines = sorted(f"{serial:x}" for serial in known | listed)
        write_private(memory, "".join(f"{line}\n" for line in lines).encode())
    return frozenset(known | listed)


def _remembered(memory: Path) -> set[int]:
    try:
        return {int(line, 16) for line in memory.read_text(encoding="ascii").split()}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError):
        raise SpecError(f"{memory}: not a list of serial numbers, one a line in hexadecimal") from None


def _lists(issuer: x509.Certificate, pki: Path) -> Iterator[x509.CertificateRevocationList]:
    """The revocation lists that `issuer` has signed."""
    for path in sorted((pki / Trust.TRUSTED).glob("*.crl")):
        content = path.read_bytes()
        try:
            pem = content.startswith(b"-----BEGIN")
            crl = x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
        except ValueError:
            raise SpecError(f"{path}: not a revocation list, DER or PEM") from None
        if crl.issuer != issuer.subject:
            continue
        try:
            signed = crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        except (TypeError, ValueError):
            signed = False
        if signed:
            yield crl
        else:
            _log.warning("%s: not signed by the authority that it names; it counts for nothing", path)
