"""From a log to what a training needs: tensors, moments, and the linear start."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.data.anchors import HELD_OUT
from procwm.data.cadence import default_cyclic, default_due_s, default_hold_s
from procwm.data.checks.excitation import ExcitationVerdict, excitation
from procwm.data.checks.screening import screen
from procwm.data.checks.shutdown import running, shutdown_sentences, without_shutdowns
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, grid
from procwm.errors import TrainingError
from procwm.learning.config import Others, TrainingConfig
from procwm.learning.dataset.parts import Part, part, passive_part, with_history
from procwm.learning.dataset.stopwatch import Stopwatch
from procwm.learning.dataset.telling_stretches import telling, telling_sentence
from procwm.learning.dataset.tensors import others_of
from procwm.learning.identification.linear_start import (
    Start,
    chosen_start,
    histories,
    longest_horizon,
    settled_horizon,
)
from procwm.learning.identification.regression import regress, sums, with_passive
from procwm.learning.identification.relevance import companions, informative
from procwm.learning.identification.state_space import state_space, states
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.linear import LinearDynamics
from procwm.world.scaler import Scaler, fit_scaler


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What one run learns from, and where it starts.

    Attributes:
        rule: of the windows.
        horizon: rows of a trained prediction.
        scaler: fitted on `part`.
        part: rows and moments.
        passive: those of a log in which MVs hardly move, if there is one.
        ridge: weight of the regression that `reference` was made with.
        reference: the linear model identified from `part` and `passive`, double precision.
        companions: columns of the PVs that are foreseen beside the outputs, among the log's others.
    """

    rule: WindowRule
    horizon: int
    scaler: Scaler
    part: Part
    passive: Part | None
    ridge: float
    reference: LinearDynamics
    companions: Int[Tensor, " companion"]

    @property
    def latent(self) -> int:
        """Size of the latent state."""
        return self.reference.readout.in_features


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Everything that a training needs.

    Attributes:
        training: the log up to the held-out part, which decides how long to train.
        validation: the held-out part, in the scale of `training`.
        whole: all of the log, for the final weights.
        notes: sentences about the log for an operator.
    """

    training: Material
    validation: Part
    whole: Material
    notes: tuple[str, ...]


def prepare(
    plant: PlantSpec,
    log: Log,
    config: TrainingConfig,
    passive: Log | None = None,
    stopwatch: Stopwatch | None = None,
) -> Prepared:
    """Screen, grid, split and scale `log`, choose the lengths, and identify the linear model.

    Args:
        passive: a log in which MVs hardly move; it makes the linear model surer of what is not their doing.
        stopwatch: is told how long the parts take.

    Raises:
        TrainingError: the log does not move an MV, or is too short.
        LogError: the log cannot be used at all.
    """
    if config.pretraining and passive is None:
        raise TrainingError(f"pretraining takes {config.pretraining} steps on a passive log; none was given")
    watch = stopwatch or Stopwatch()
    with watch.phase("screening"):
        trusted = screen(log, plant).trusted()
        rule = WindowRule(
            tags=plant.names,
            interval_s=plant.interval_s,
            history=1,
            hold_s=default_hold_s(plant, trusted),
            cyclic=default_cyclic(plant, trusted),
            due_s=default_due_s(plant, trusted),
        )
        rows = grid(trusted, rule)
        notes = tuple(shutdown_sentences(rows, plant))
        rows = without_shutdowns(rows, plant)
        notes += _notes(plant, rows)
        kept = telling(rows, plant, config.most_rows)
        if not kept.all():
            notes += (telling_sentence(rows, kept),)
            rows = rows.where(kept)
    with watch.phase("choice of PVs"):
        longest = longest_horizon(plant, rows, config)
        rows, belonging, left_out = _relevant(plant, rows, longest, config)
        notes += left_out
        quiet = None if passive is None else running(passive, plant, rows.rule)
    with watch.phase("choice of sizes"):
        start = chosen_start(plant, rows, longest, belonging, config, quiet)
    with watch.phase("linear models"):
        rows = with_history(rows, start.history)
        whole = _material(rows, plant, longest, start, belonging, quiet)
        horizon = config.horizon or settled_horizon(whole.reference, plant, longest)
        # Windows of the held-out part may look back into training rows; what is predicted there may not.
        held_out = int((1.0 - HELD_OUT) * len(rows))
        training = _material(rows.slice(0, held_out), plant, horizon, start, belonging, quiet)
        validation = rows.slice(max(0, held_out - start.history), len(rows))
        return Prepared(
            training=training,
            validation=part(validation, plant, training.scaler, horizon, 1, "validation"),
            whole=whole if horizon == longest else _material(rows, plant, horizon, start, belonging, quiet),
            notes=notes,
        )


def _relevant(
    plant: PlantSpec, rows: Grid, horizon: int, config: TrainingConfig
) -> tuple[Grid, Int[Tensor, " companion"], tuple[str, ...]]:
    """`rows` without the PVs that tell nothing, which of those left are foreseen, and a sentence.

    PVs are judged through windows of a middling length.
    """
    if config.others is not Others.CHOSEN:
        foreseen = len(others_of(plant, rows.rule.tags)) if config.others is Others.FORESEEN else 0
        return rows, torch.arange(foreseen), ()
    tried = histories(plant, rows, horizon, config)
    seen = with_history(rows, tried[len(tried) // 2])
    found = part(seen, plant, fit_scaler(plant, rows.rule.tags, rows.values, rows.valid), horizon)
    belonging = companions(found.tensors, found.moments).tolist()
    kept = sorted({*belonging, *informative(found.tensors, found.moments, horizon).tolist()})
    others = names_of(others_of(plant, rows.rule.tags))
    dropped = [name for column, name in enumerate(others) if column not in kept]
    notes = (f"left out, telling nothing of the CVs that MVs, DVs and CVs do not: {', '.join(dropped)}",)
    positions = torch.tensor([kept.index(column) for column in belonging], dtype=torch.long)
    return rows.only([tag for tag in rows.rule.tags if tag not in dropped]), positions, notes[: len(dropped)]


def _material(
    rows: Grid,
    plant: PlantSpec,
    horizon: int,
    start: Start,
    belonging: Int[Tensor, " companion"],
    passive: Grid | None,
) -> Material:
    """Scale `rows` and identify a linear model from them and from `passive`."""
    scaler = fit_scaler(plant, rows.rule.tags, rows.values, rows.valid)
    found = part(rows, plant, scaler, horizon)
    quiet = passive_part(passive, found, plant, scaler, horizon)
    known = None if quiet is None else sums(quiet.tensors, quiet.moments, horizon, belonging)
    gathered = with_passive(sums(found.tensors, found.regressed, horizon, belonging), known)
    seen = states(found.tensors, found.regressed, regress(gathered, start.ridge), start.latent, quiet)
    reference = state_space(found.tensors, seen, start.latent)
    return Material(
        rule=rows.rule,
        horizon=horizon,
        scaler=scaler,
        part=found,
        ridge=start.ridge,
        passive=quiet,
        reference=reference,
        companions=belonging,
    )


def _notes(plant: PlantSpec, rows: Grid) -> tuple[str, ...]:
    """What the log shows of the MVs, where that is little; `TrainingError` where it is nothing."""
    findings = excitation(rows, plant)
    still = [finding.sentence for finding in findings if finding.verdict is ExcitationVerdict.NONE]
    if still:
        raise TrainingError("; ".join(still))
    return tuple(finding.sentence for finding in findings if finding.verdict is ExcitationVerdict.LITTLE)
