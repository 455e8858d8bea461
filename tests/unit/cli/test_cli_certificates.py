"""`procwm certificate`: what it makes, lists, trusts and rejects, and what it says."""

import json
import stat
from pathlib import Path

import pytest

from procwm.cli import run


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    assert run(["certificate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["certificates"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["certificate", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_a_certificate_is_made_listed_trusted_elsewhere_and_rejected_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    (made,) = told(capsys, "make", "--pki", ours, "--host", "mpc.example", "--days", "30")
    assert made["application"] == "urn:mpc.example:procwm"
    key = Path(ours) / "own" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "exists; move it away first" in refused(capsys, "make", "--pki", ours)
    assert key.read_bytes().startswith(b"-----BEGIN")
    (trusted,) = told(capsys, "trust", made["path"], "--pki", theirs)
    assert (trusted["trust"], trusted["thumbprint"]) == ("trusted", made["thumbprint"])
    assert told(capsys, "list", "--pki", theirs) == [trusted]
    (rejected,) = told(capsys, "reject", made["thumbprint"][:8], "--pki", theirs)
    assert rejected["trust"] == "rejected"
    assert run(["certificate", "list", "--pki", theirs]) == 0
    assert made["thumbprint"] in capsys.readouterr().out


def test_a_thumbprint_that_is_not_there_and_a_file_that_is_no_certificate_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pki = str(tmp_path / "pki")
    assert "no rejected certificate has a thumbprint that begins with AB12" in refused(
        capsys, "trust", "AB12", "--pki", pki
    )
    assert "certificate trust needs a thumbprint" in refused(capsys, "trust", "--pki", pki)
    text = tmp_path / "notes.txt"
    text.write_text("no certificate")
    assert "notes.txt: not a certificate, DER or PEM" in refused(capsys, "trust", str(text), "--pki", pki)
    assert run(["certificate", "list", "--pki", pki]) == 0
    assert "holds no certificate; make one with: procwm certificate make" in capsys.readouterr().out
