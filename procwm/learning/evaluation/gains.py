"""Steady gains of the MVs: the model's, beside those that a log shows and the plant file states."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor

from procwm.learning.dataset.tensors import LogTensors
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel
from procwm.world.step_responses import ANSWERED, STEP, rows_until

LEAST_STRETCHES = 6
"""Of the log, each a horizon long: fewer show nothing about an effect."""
_MOST_STRETCHES = 20
_CONFIDENCE = 0.99
_EARLY = 0.25
"""Of the horizon: how an answer comes shows there, and how large it gets at the end."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How an output answers one MV at the end of the horizon.

    Attributes:
        gain: mean change of the output per unit of the MV, stepped and held; engineering units.
        dead_s: apparent dead time, seconds: whole intervals after the step before the mean change comes to
            `ANSWERED` of its largest.
        positive: share of moments at which it is positive; near 0 or 1 where the sign is sure.
        foreseen: change per unit that the MV was off its present value on average until then, as the model
            has it for the moves of the log.
        logged: the same as the log has it: what the output did beyond what the model foresees with MVs that
            stay. NaN where the log is too short or the output hardly measured.
        error: half-width of the 99 % interval of `logged`; NaN likewise.
        share: what the log's own moves of the MV do to the output by `logged`, as a share of the output's
            standard deviation.
        known: "+" or "-" where the plant file says that the MV raises or lowers the output, else `None`.
        early_s: seconds, a quarter of the horizon, after which the same is asked again.
        early_foreseen, early_logged, early_error: then; per unit likewise.
    """

    mv: str
    output: str
    gain: float
    dead_s: float
    positive: float
    foreseen: float
    logged: float
    error: float
    share: float
    known: str | None
    early_s: float = math.nan
    early_foreseen: float = math.nan
    early_logged: float = math.nan
    early_error: float = math.nan

    @property
    def told(self) -> bool:
        """Whether the log shows the sign of the effect."""
        return abs(self.logged) > self.error


@torch.no_grad()
def gains(
    model: WorldModel,
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    spread: Float[Tensor, " output"],
) -> tuple[Gain, ...]:
    """Every output's answer to every MV.

    Args:
        moments: in order of time, a horizon of `log` after each.
        spread: standard deviation of each output in the log, scaled.
    """
    plant, horizon = model.plant, model.horizon
    latent, future = model.encode(log.windows(moments)), log.future(moments, horizon)
    held = log.mv[moments][:, None].expand(-1, horizon, -1)
    still = log.dv[moments][:, None].expand(-1, horizon, -1)
    stepped = _stepped(model, latent, held, still)
    without = model.readout(model.imagine(latent, held, future.dv))
    foreseen = model.readout(model.imagine(latent, future.mv, future.dv)) - without
    happened, away = future.outputs - without, future.mv - held
    # Operators move an MV back from where it is: without the present, what the model has wrong of that would
    # be taken for an effect of the moves.
    present = torch.cat((log.mv, log.dv, log.values[:, log.output_columns]), dim=1)[moments]

    def fitted(rows: int, row: int) -> tuple[Float[Tensor, "input 2"], Float[Tensor, " input"]]:
        inputs = torch.cat((away[:, :rows].mean(dim=1), present), dim=1)
        targets = torch.stack((foreseen[:, rows - 1, row], happened[:, rows - 1, row]), dim=1)
        return _slopes(inputs, targets, future.outputs_valid[:, rows - 1, row], moments, horizon)

    early, moved = max(1, round(_EARLY * horizon)), away.mean(dim=1)
    by_row = [(fitted(horizon, row), fitted(early, row)) for row in range(len(model.output_names))]
    _, output_width = model.scaler.part(model.output_names)
    _, mv_width = model.scaler.part(names_of(plant.mvs))
    found = []
    for column, tag in enumerate(plant.mvs):
        for row, output in enumerate(model.output_names):
            unit = float(output_width[row]) / float(mv_width[column])
            (slopes, error), (early_slopes, early_error) = by_row[row]
            share = abs(float(slopes[column, 1])) * float(moved[:, column].std()) / float(spread[row])
            found.append(
                Gain(
                    mv=tag.name,
                    output=output,
                    gain=float(stepped[column][:, -1, row].mean()) * unit,
                    dead_s=rows_until(ANSWERED, stepped[column][:, :, row].mean(dim=0)) * plant.interval_s,
                    positive=float((stepped[column][:, -1, row] > 0).double().mean()),
                    foreseen=float(slopes[column, 0]) * unit,
                    logged=_if_finite(float(slopes[column, 1]) * unit, error[column]),
                    error=float(error[column]) * unit,
                    share=share,
                    known=tag.known_sign(output),
                    early_s=early * plant.interval_s,
                    early_foreseen=float(early_slopes[column, 0]) * unit,
                    early_logged=_if_finite(float(early_slopes[column, 1]) * unit, early_error[column]),
                    early_error=float(early_error[column]) * unit,
                )
            )
    return tuple(found)


def _if_finite(value: float, error: Float[Tensor, ""]) -> float:
    return value if math.isfinite(error) else math.nan


def _stepped(
    model: WorldModel,
    latent: Float[Tensor, "moment latent"],
    mv: Float[Tensor, "moment horizon mv"],
    dv: Float[Tensor, "moment horizon dv"],
) -> list[Float[Tensor, "moment horizon output"]]:
    """By MV: change of the outputs per scaled unit of a step that is held."""
    base = model.readout(model.imagine(latent, mv, dv))
    found = []
    for column in range(mv.shape[2]):
        moved = mv.clone()
        moved[:, :, column] += STEP
        found.append((model.readout(model.imagine(latent, moved, dv)) - base) / STEP)
    return found


def _slopes(
    inputs: Float[Tensor, "moment input"],
    targets: Float[Tensor, "moment 2"],
    known: Float[Tensor, " moment"],
    moments: Int[Tensor, " moment"],
    horizon: int,
) -> tuple[Float[Tensor, "input 2"], Float[Tensor, " input"]]:
    """Slopes of least squares of both targets on the inputs, and how far those of the second may be off.

    Windows of neighbouring moments overlap, so the deviation is that of fits that leave out one of up to 20
    stretches of the log (delete-a-group jackknife: Shao and Tu, The jackknife and bootstrap, 1995, 9.1); NaN
    where there are too few, or hardly a moment at which the output is known.
    """
    inputs = torch.cat((inputs, torch.ones_like(inputs[:, :1])), dim=1) * known[:, None]
    rows = int(moments[-1] - moments[0]) + 1
    stretches = min(_MOST_STRETCHES, rows // horizon)
    if stretches < LEAST_STRETCHES or known.sum() <= inputs.shape[1]:
        return _solved(inputs.T @ inputs, inputs.T @ targets)[:-1], torch.full_like(inputs[0, 1:], torch.nan)
    part = (moments - moments[0]) * stretches // rows
    grams, crosses = [], []
    for each in range(stretches):
        inside = inputs[part == each]
        grams.append(inside.T @ inside)
        crosses.append(inside.T @ targets[part == each])
    gram, cross = torch.stack(grams), torch.stack(crosses)
    slopes = _solved(gram.sum(dim=0), cross.sum(dim=0))
    without = torch.stack(
        [
            _solved(gram.sum(dim=0) - one, cross.sum(dim=0) - other)
            for one, other in zip(gram, cross, strict=True)
        ]
    )
    variance = (without - without.mean(dim=0)).square().sum(dim=0) * (stretches - 1) / stretches
    needed = float(stdtrit(stretches - 1, 0.5 + 0.5 * _CONFIDENCE))
    return slopes[:-1], needed * variance[:-1, 1].sqrt()


def _solved(gram: Float[Tensor, "row row"], cross: Float[Tensor, "row 2"]) -> Float[Tensor, "row 2"]:
    """The least slopes that fit best: an MV that did not move has none."""
    solution: Tensor = torch.linalg.lstsq(gram, cross, driver="gelsd", rcond=1e-9).solution
    return solution
