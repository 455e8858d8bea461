"""From a log to what a training needs: lengths by rule, tensors, moments, and the linear start."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.data.dataset import anchors
from procwm.data.excitation import Verdict, excitation
from procwm.data.screening import screen
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, default_hold_s, grid
from procwm.errors import TrainingError
from procwm.plant.tags import PlantSpec
from procwm.training.config import TrainingConfig
from procwm.training.identification import free_response, settling_rows, state_space
from procwm.training.relevance import companions
from procwm.training.tensors import LogTensors, log_tensors
from procwm.world.linear import LinearDynamics
from procwm.world.scaler import Scaler, fit_scaler

HISTORY_ROWS = (24, 64)
HORIZON_ROWS = (20, 60)
LATENT_SIZES = (4, 16)
SPARE_LATENTS = 2
"""Above the order that a linear model needs, for what it does not see."""
LEAST_MOMENTS = 64
"""Fewer training moments than this teach nothing that would hold on another day."""


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the log: tensors and the moments in it that can be learned from or scored."""

    grid: Grid
    tensors: LogTensors
    moments: Int[Tensor, " moment"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What one run learns from, and where it starts.

    Attributes:
        rule: of the windows.
        horizon: rows of a trained prediction.
        scaler: fitted on `part`.
        part: rows and moments.
        reference: the linear model identified from `part`, double precision.
        companions: columns of the PVs that belong to the process, among the log's others.
    """

    rule: WindowRule
    horizon: int
    scaler: Scaler
    part: Part
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


def prepare(plant: PlantSpec, log: Log, config: TrainingConfig) -> Prepared:
    """Screen, grid, split and scale `log`, choose the lengths, and identify the linear model.

    Raises:
        TrainingError: the log does not move an MV, or is too short.
        LogError: the log cannot be used at all.
    """
    trusted = screen(log, plant).trusted()
    rule = WindowRule(
        tags=plant.names,
        interval_s=plant.interval_s,
        history=config.history or HISTORY_ROWS[0],
        hold_s=default_hold_s(plant, trusted),
    )
    rows = grid(trusted, rule)
    notes = _notes(plant, rows)
    history, horizon = _lengths(plant, rows, config)
    rule = _with_history(rule, history)
    rows = Grid(rule, rows.time_ns, rows.values, rows.valid)
    # Windows of the held-out part may look back into training rows; what is predicted there may not.
    held_out = int((1.0 - config.validation_share) * len(rows))
    whole = _scaled(rows, plant, horizon)
    belonging = companions(whole.part.tensors, whole.part.moments)
    training = _material(_scaled(rows.slice(0, held_out), plant, horizon), horizon, belonging, config)
    validation = rows.slice(max(0, held_out - history), len(rows))
    return Prepared(
        training=training,
        validation=_part(validation, plant, training.scaler, horizon, 1, "validation"),
        whole=_material(whole, horizon, belonging, replace(config, latent=training.latent)),
        notes=notes,
    )


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Rows to learn from, in the scale that they ask for themselves."""

    scaler: Scaler
    part: Part


def _scaled(rows: Grid, plant: PlantSpec, horizon: int) -> _Scaled:
    scaler = fit_scaler(plant, rows.rule.tags, rows.values, rows.valid)
    return _Scaled(scaler, _part(rows, plant, scaler, horizon, LEAST_MOMENTS, "training"))


def _material(
    scaled: _Scaled, horizon: int, belonging: Int[Tensor, " companion"], config: TrainingConfig
) -> Material:
    """Identify a linear model, of the latent size it needs where `config` leaves it open."""
    part = scaled.part
    # Together they weigh as much as the outputs, and none of them more than an output.
    share = min(1.0, len(part.tensors.outputs.T) / max(1, len(belonging))) ** 0.5
    beside = share * part.tensors.others[:, belonging]
    response = free_response(part.tensors, part.moments, horizon, beside)
    low, high = LATENT_SIZES
    size = config.latent or min(max(response.order + SPARE_LATENTS, low), high)
    reference = state_space(part.tensors, part.moments, response, size)
    return Material(
        rule=part.grid.rule,
        horizon=horizon,
        scaler=scaled.scaler,
        part=part,
        reference=reference,
        companions=belonging,
    )


def _notes(plant: PlantSpec, rows: Grid) -> tuple[str, ...]:
    """What the log shows of the MVs, where that is little; `TrainingError` where it is nothing."""
    findings = excitation(rows, plant)
    still = [finding.sentence for finding in findings if finding.verdict is Verdict.NONE]
    if still:
        raise TrainingError("; ".join(still))
    return tuple(finding.sentence for finding in findings if finding.verdict is Verdict.LITTLE)


def _lengths(plant: PlantSpec, rows: Grid, config: TrainingConfig) -> tuple[int, int]:
    """History and horizon: the settling time of a first linear model's slowest step response."""
    if config.history is not None and config.horizon is not None:
        return config.history, config.horizon
    first = HISTORY_ROWS[0]
    longest = min(HORIZON_ROWS[1], max(HORIZON_ROWS[0], len(rows) // 20))
    scaler = fit_scaler(plant, rows.rule.tags, rows.values, rows.valid)
    short = Grid(_with_history(rows.rule, first), rows.time_ns, rows.values, rows.valid)
    tensors = log_tensors(short, plant, scaler)
    moments = torch.as_tensor(anchors(rows, plant, history=first, horizon=longest))
    if len(moments) < LEAST_MOMENTS:
        raise TrainingError(_too_short(len(moments), first + longest, rows, "training"))
    response = free_response(tensors, moments, longest)
    model = state_space(tensors, moments, response, response.order)
    settled = settling_rows(model, len(plant.mvs), longest)
    history, horizon = (
        config_value or min(max(settled, low), high)
        for config_value, (low, high) in ((config.history, HISTORY_ROWS), (config.horizon, HORIZON_ROWS))
    )
    return history, min(horizon, longest)


def _with_history(rule: WindowRule, history: int) -> WindowRule:
    return WindowRule(tags=rule.tags, interval_s=rule.interval_s, history=history, hold_s=rule.hold_s)


def _part(rows: Grid, plant: PlantSpec, scaler: Scaler, horizon: int, least: int, name: str) -> Part:
    found = anchors(rows, plant, history=rows.rule.history, horizon=horizon)
    if len(found) < least:
        raise TrainingError(_too_short(len(found), rows.rule.history + horizon, rows, name))
    return Part(rows, log_tensors(rows, plant, scaler), torch.as_tensor(found))


def _too_short(moments: int, needed: int, rows: Grid, name: str) -> str:
    hours = math.ceil(needed * rows.rule.interval_s / 36.0) / 100.0
    return (
        f"the log has {moments} {name} moments with {needed} rows ({hours:g} h) around them without gaps; "
        f"at least {LEAST_MOMENTS} are needed: give more hours, or a log with fewer gaps"
    )
