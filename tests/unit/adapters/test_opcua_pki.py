"""Which certificates are trusted: those a person put there, and those a trusted authority has issued."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from procwm.errors import LinkError
from procwm_adapters.opcua.security.certificate_folder import CertificateFolder

URI = "urn:plant:server"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """One key for all: making one takes long, and the tests are about certificates."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(key, subject="server", issuer="plant authority", *, uri=URI, ca=False, days=(-1, 10)):
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def trusting(
    folder: Path, *certificates: x509.Certificate, form: Encoding = Encoding.DER
) -> CertificateFolder:
    (folder / "trusted").mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(certificates):
        suffix = "der" if form is Encoding.DER else "pem"
        (folder / "trusted" / f"{number}.{suffix}").write_bytes(item.public_bytes(form))
    return CertificateFolder(folder)


def revoke(folder: Path, key, *revoked: x509.Certificate, days: int = 1) -> None:
    """Put the authority's revocation list into the folder, in place of the one that is there."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name("plant authority"))
        .last_update(NOW - timedelta(days=9))
        .next_update(NOW + timedelta(days=days))
    )
    for item in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(item.serial_number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.build())
    crl = builder.sign(key, hashes.SHA256())
    (folder / "trusted" / "plant.crl").write_bytes(crl.public_bytes(Encoding.DER))


def refusal(store: CertificateFolder, shown: x509.Certificate, application: str | None = URI) -> str:
    with pytest.raises(LinkError) as caught:
        store.check(shown, application, whose="the server's certificate")
    return str(caught.value)


@pytest.mark.parametrize("form", [Encoding.DER, Encoding.PEM])
def test_what_lies_in_the_folder_is_trusted_and_nothing_else(key, tmp_path, form):
    known, other = certificate(key), certificate(key)
    store = trusting(tmp_path, known, form=form)
    store.check(known, URI, whose="x")
    assert "is not trusted" in refusal(store, other)


def test_an_authority_is_trusted_for_what_it_has_issued_until_it_revokes_it(key, tmp_path):
    authority = certificate(key, "plant authority", uri="", ca=True)
    issued, second = certificate(key), certificate(key)
    store = trusting(tmp_path, authority)
    store.check(issued, URI, whose="x")
    revoke(tmp_path, key, issued)
    assert "was revoked by its issuer" in refusal(store, issued)
    store.check(second, URI, whose="x")


@pytest.mark.parametrize(
    ("uri", "ca", "days"), [(URI, True, (-1, 10)), ("", False, (-1, 10)), ("", True, (-9, -1))]
)
def test_an_application_a_plain_certificate_and_an_expired_authority_issue_nothing(
    key, tmp_path, uri, ca, days
):
    issuer = certificate(key, "plant authority", uri=uri, ca=ca, days=days)
    assert "is not trusted" in refusal(trusting(tmp_path, issuer), certificate(key))


def test_a_forged_issuer_name_does_not_help(key, tmp_path):
    authority = certificate(key, "plant authority", uri="", ca=True)
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "is not trusted" in refusal(trusting(tmp_path, authority), certificate(forger))


def test_a_trusted_certificate_must_be_in_date_of_that_application_and_strong(key, tmp_path):
    late, early, fine = certificate(key, days=(-9, -1)), certificate(key, days=(1, 9)), certificate(key)
    curve = certificate(ec.generate_private_key(ec.SECP256R1()))
    weak = certificate(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    store = trusting(tmp_path, late, early, fine, curve, weak)
    for wrong in (late, early):
        assert "renew it, or mend the clock" in refusal(store, wrong)
    for wrong in (curve, weak):
        assert "no RSA key of 2048 to 4096 bits" in refusal(store, wrong)
    said = refusal(store, fine, "urn:another\x1b[2J")
    assert r"calls itself urn:another\x1b[2J; it needs a certificate of its own" in said


def test_strangers_cannot_fill_the_disk(key, tmp_path, monkeypatch):
    monkeypatch.setattr("procwm_adapters.opcua.security.certificate_folder._MOST_REJECTED", 2)
    store = CertificateFolder(tmp_path)
    for _ in range(4):
        refusal(store, certificate(key))
    assert len(store.facts()) == 2


def test_who_was_revoked_once_stays_out_whatever_becomes_of_the_list(key, tmp_path):
    authority = certificate(key, "plant authority", uri="", ca=True)
    renewed = certificate(key, "plant authority", uri="", ca=True)
    issued, second = certificate(key), certificate(key)
    store = trusting(tmp_path, authority)
    revoke(tmp_path, key, issued, days=-1)
    assert "was revoked by its issuer" in refusal(store, issued)
    revoke(tmp_path, key)
    assert "was revoked by its issuer" in refusal(store, issued)
    (tmp_path / "trusted" / "plant.crl").unlink()
    assert "was revoked by its issuer" in refusal(store, issued)
    trusting(tmp_path, renewed)
    assert "was revoked by its issuer" in refusal(store, issued)
    store.check(second, URI, whose="x")


def test_a_list_that_somebody_else_has_signed_counts_for_nothing(key, tmp_path, caplog):
    authority = certificate(key, "plant authority", uri="", ca=True)
    issued = certificate(key)
    store = trusting(tmp_path, authority)
    revoke(tmp_path, rsa.generate_private_key(public_exponent=65537, key_size=2048), issued)
    store.check(issued, URI, whose="x")
    assert "not signed by the authority that it names" in caplog.text
    assert not (tmp_path / "revoked").exists()
