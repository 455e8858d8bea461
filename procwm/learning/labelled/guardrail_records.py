"""Records of guardrails as they are learned; no weaker one takes the place of another unsaid."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import torch

from procwm.data.series import Log, iso_utc
from procwm.data.window import grid
from procwm.errors import TrainingError
from procwm.learning.dataset.moments import predicted, reachable
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.labelled.labels import Labels
from procwm.world.heads import GuardHead
from procwm.world.lineage import LINEAGE, head_hash, lineage
from procwm.world.model import WorldModel


def with_lineage(model: WorldModel, head: GuardHead, labels: Labels, by: str) -> WorldModel:
    """`model` with `head`, and with a record of it; one of the same name is marked as replaced."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    before = [
        dict(record) | ({"replaced": at} if record["name"] == head.name else {}) for record in lineage(model)
    ]
    record = {
        "name": head.name,
        "margin": head.margin,
        "coverage": head.coverage,
        "sha256": head_hash(head),
        "by": by,
        "at": at,
        "graded": labels.graded,
        "labels": [
            [iso_utc(int(time_ns)), float(value)]
            for time_ns, value in zip(labels.time_ns, labels.value, strict=True)
        ],
    }
    return model.with_guard(head).with_metrics(**{LINEAGE: [*before, record]})


def refuse_weaker(model: WorldModel, head: GuardHead, log: Log) -> None:
    """Raise `TrainingError` where `head` keeps less than the guardrail of the same name that `model` has.

    Less is a smaller coverage, or fewer of the remembered unsafe moments on the unsafe side.

    Args:
        log: that holds the remembered moments.
    """
    old = next(other for other in model.guard_heads if other.name == head.name)
    if head.coverage < old.coverage:
        raise TrainingError(
            f"{head.name}: weaker than the guardrail that it replaces: a coverage of {head.coverage:g} in "
            f"place of {old.coverage:g}; say that it may be weaker, or ask for the coverage"
        )
    unsafe = [
        pd.Timestamp(time).value
        for record in lineage(model)
        if record["name"] == head.name
        for time, value in record["labels"]
        if value > 0
    ]
    if not unsafe:
        return
    rows = grid(log, model.rule)
    row = np.searchsorted(rows.time_ns, unsafe, side="right") - 1
    there = reachable(rows, 0)
    held = [at for at in np.unique(row) if at >= 0 and there[at]]
    if not held:
        raise TrainingError(
            f"{head.name}: none of the {len(unsafe)} unsafe moments that the guardrail to be replaced was "
            "made from is in this log, so nobody can tell whether the new one is weaker; give the log that "
            "holds them, or say that it may be weaker"
        )
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    latent = predicted(model, tensors, torch.as_tensor(held), 0)
    kept = [int((each(latent) > 0.0).sum()) for each in (old, head)]
    if kept[1] < kept[0]:
        raise TrainingError(
            f"{head.name}: weaker than the guardrail that it replaces: of {len(held)} remembered unsafe "
            f"moments it knows {kept[1]}, and the other {kept[0]}; say that it may be weaker, or label more"
        )
