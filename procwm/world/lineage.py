"""Where a model's guardrails come from: the records that are kept beside its weights, and what they say."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from procwm.world.composition import APPROVED
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.protocols import Head

LINEAGE = "guardrails"
"""Key of a model's metrics: one record for every guardrail that it has or had, oldest first."""


def lineage(model: WorldModel) -> Sequence[Mapping[str, Any]]:
    """The records of a model's guardrails; none of those learned by versions that kept none."""
    found: Sequence[Mapping[str, Any]] = model.metrics.get(LINEAGE, ())
    return found


def head_hash(head: Head) -> str:
    """SHA-256 of a head's weights and constants."""
    digest = hashlib.sha256(repr(head.spec).encode())
    for _, value in sorted(head.state_dict().items()):  # type: ignore[attr-defined]
        digest.update(value.detach().cpu().double().contiguous().numpy().tobytes())
    return digest.hexdigest()


def guardrails_told(model: WorldModel) -> tuple[str, ...]:
    """Every guardrail of `model` in a few words: margin, labels, whoever answers for them, and hash."""
    records = {record["name"]: record for record in lineage(model)}
    approver = model.metrics.get(APPROVED)
    signed = f"; approved by {approver}" if approver else ""
    return tuple(f"{_told(head, records.get(head.name))}{signed}" for head in model.guard_heads)


def _told(head: Head, record: Mapping[str, Any] | None) -> str:
    margin = f"margin {head.margin:.4g}, " if isinstance(head, GuardHead) else ""
    said = f"{head.name} ({margin}coverage {head.coverage:g}, hash {head_hash(head)[:12]}"
    if record is None:
        return f"{said}, of unknown labels)"
    altered = "" if record["sha256"] == head_hash(head) else ", not the one that was learned"
    return f"{said}, from {len(record['labels'])} labels by {record['by']} at {record['at']}{altered})"
