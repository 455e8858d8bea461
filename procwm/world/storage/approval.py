"""Which model a plant was approved for: pinned by its hash, or signed by somebody.

The hash is that of the manifest's list of hashes, so that it covers every file of the model: weights,
margins, verdict, the labels of guardrails and who gave them. `MODEL/approval.json` is a detached signature
of it (Ed25519: Bernstein et al., High-speed high-security signatures, J. Cryptographic Engineering 2, 2012),
outside the manifest, as an approval comes after the model.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from procwm.data.files import write_json
from procwm.errors import ArtifactError, SpecError
from procwm.plant.regular_files import check_regular
from procwm.plant.tags import PlantSpec
from procwm.world.composition import APPROVED, APPROVING_KEY, MODEL_HASH
from procwm.world.storage.artifact import listed_hashes

APPROVAL = "approval.json"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Somebody's word that a model may be used.

    Attributes:
        model: hash of the model.
        by: name of whoever approved it.
        at: when, ISO 8601, UTC.
        key: public key, 32 bytes in base64.
        signature: of the three others, 64 bytes in base64.
    """

    model: str
    by: str
    at: str
    key: str
    signature: str

    @property
    def message(self) -> bytes:
        """What is signed."""
        return json.dumps(["procwm approval", self.model, self.by, self.at]).encode()


def model_hash(path: str | Path) -> str:
    """SHA-256 over the hashes of all files of the model in the directory `path`, in hexadecimal.

    Raises:
        ArtifactError: `path` is no model directory.
    """
    return hashlib.sha256(json.dumps(sorted(listed_hashes(Path(path)).items())).encode()).hexdigest()


def approve(path: str | Path, key: str | Path, *, by: str) -> Approval:
    """Sign the model in the directory `path`; its approval lies beside its files, in place of an earlier one.

    Args:
        key: PEM file of an Ed25519 private key, such as `openssl genpkey -algorithm ed25519` makes.
        by: name of whoever approves.

    Raises:
        SpecError: the key cannot be read, or is of another kind.
        ArtifactError: `path` is no model directory.
    """
    try:
        private = load_pem_private_key(Path(key).read_bytes(), password=None)
    except OSError as error:
        raise SpecError(f"{key}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise SpecError(
            f"{key}: not an Ed25519 private key in PEM; openssl genpkey -algorithm ed25519 makes one"
        )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    approval = Approval(model=model_hash(path), by=by, at=at, key=public, signature="")
    signature = base64.b64encode(private.sign(approval.message)).decode()
    write_json(Path(path) / APPROVAL, vars(approval) | {"signature": signature})
    return read_approval(path)


def read_approval(path: str | Path) -> Approval:
    """The approval of the model in the directory `path`, its signature verified by the key that it names.

    Raises:
        ArtifactError: there is none, or it is not of this model.
    """
    file = Path(path) / APPROVAL
    try:
        check_regular(file, ArtifactError)
        found: Any = json.loads(file.read_text(encoding="utf-8"))
        approval = Approval(**{name: str(value) for name, value in found.items()})
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(approval.key, validate=True))
        public.verify(base64.b64decode(approval.signature, validate=True), approval.message)
    except OSError:
        raise ArtifactError(f"{path} has no {APPROVAL}: nobody has approved this model") from None
    except (ValueError, TypeError, AttributeError, binascii.Error, InvalidSignature):
        raise ArtifactError(f"{file}: the signature does not hold; approve the model again") from None
    if approval.model != model_hash(path):
        raise ArtifactError(f"{file}: {approval.by} approved another model, or this one was altered since")
    return approval


def known_of_files(path: str | Path) -> dict[str, str]:
    """What is known of the model in the directory `path` by its files: its hash, and any valid approval."""
    found = {MODEL_HASH: model_hash(path)}
    try:
        approval = read_approval(path)
    except ArtifactError:
        return found
    return {**found, APPROVED: approval.by, APPROVING_KEY: approval.key}


def check_approved(known: Mapping[str, Any], plant: PlantSpec, model: str | Path) -> None:
    """Raise `ArtifactError` where the plant file asks for another model, or for one that somebody signed.

    Args:
        known: a model's metrics, with what `known_of_files` found.
        model: its directory, or what to call one that comes from nowhere.
    """
    control = plant.control
    if control.approved_model is not None and known.get(MODEL_HASH) != control.approved_model:
        raise ArtifactError(
            f"{model}: its hash is {known.get(MODEL_HASH, 'not known')}, and the plant file's approved_model "
            f"is {control.approved_model}: it is another model, or was altered since it was read"
        )
    if control.approved_by is not None and known.get(APPROVING_KEY) != control.approved_by:
        raise ArtifactError(
            f"{model}: approved by {known.get(APPROVED, 'nobody')} with the key "
            f"{known.get(APPROVING_KEY, 'of nobody')}, and the plant file's approved_by is "
            f"{control.approved_by}"
        )
