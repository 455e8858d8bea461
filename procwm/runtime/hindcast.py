"""What a model would have predicted at every row of a log, in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64

from procwm.data.window import Grid
from procwm.errors import LogError, SpecError
from procwm.plant.tags import names_of
from procwm.world.confidence import confidence
from procwm.world.model import WorldModel, fill_forward

_BATCH = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Hindcast:
    """Predictions beside a log, engineering units; NaN where there is none.

    Attributes:
        predicted: by lead in intervals, outputs predicted for each row that many intervals before, with the
            MVs and DVs that came to pass and without a disturbance estimate.
        guard: guardrails at each row, margin included; safe where `<= 0`.
    """

    predicted: Mapping[int, Float[np.ndarray, "row output"]]
    guard: Float[np.ndarray, "row guard"]


def hindcast(
    model: WorldModel,
    grid: Grid,
    leads: Sequence[int],
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Hindcast:
    """Predict every row of `grid` from `leads` intervals before it.

    Args:
        model: whose windowing rule made `grid`.
        grid: a log on the control grid.
        leads: in intervals, each at least 1.
        on_progress: told the share that is done.

    Raises:
        LogError: the log is nowhere long enough for a window.
        SpecError: a lead is below 1.
    """
    if not leads or min(leads) < 1:
        raise SpecError(f"leads {tuple(leads)}: at least one is needed, and each must be at least 1 interval")
    plant = model.plant
    origins = np.flatnonzero(grid.ready)
    if not len(origins):
        raise LogError(
            f"the log has no {model.rule.history} rows in a row, which is what the model looks back on"
        )
    mv, dv = (_filled(grid, names_of(tags)) for tags in (plant.mvs, plant.dvs))
    predicted = {lead: np.full((len(grid), len(plant.outputs)), np.nan) for lead in sorted(set(leads))}
    guard = np.full((len(grid), len(model.guard_names)), np.nan)
    for first in range(0, len(origins), _BATCH):
        rows = origins[first : first + _BATCH]
        with torch.inference_mode():
            latent = model.encode(model.model_input(grid.windows(rows.tolist())))
            guard[rows] = model.guard(latent).cpu().numpy()
            for lead in range(1, max(predicted) + 1):
                ahead = np.minimum(rows + lead, len(grid) - 1)
                latent = model.predictor(
                    latent,
                    model.tensor(mv[ahead], plant.mv_names),
                    model.tensor(dv[ahead], names_of(plant.dvs)),
                )
                if lead in predicted:
                    reached = _reached(grid, rows, lead)
                    output = model.engineering(model.readout(latent), model.output_names)
                    predicted[lead][rows[reached] + lead] = output[reached]
        if on_progress is not None:
            on_progress(min(1.0, (first + len(rows)) / len(origins)))
    return Hindcast(predicted=predicted, guard=guard)


@torch.inference_mode()
def half_widths(
    model: WorldModel, grid: Grid, lead: int, *, most: int = 4 * _BATCH
) -> Float[np.ndarray, "row output"]:
    """Of the error band about what was predicted for each row `lead` intervals before, engineering units.

    NaN where no prediction was looked at, +inf where the band is not known.

    Args:
        model: whose windowing rule made `grid`.
        grid: a log on the control grid.
        lead: in intervals; beyond the model's horizon nothing is known.
        most: rows to look at, evenly spread: it takes rolling the ensemble out.
    """
    plant = model.plant
    if lead > model.horizon:
        return np.full((len(grid), len(plant.outputs)), np.inf)
    found = np.full((len(grid), len(plant.outputs)), np.nan)
    origins = np.flatnonzero(grid.ready)
    origins = origins[_reached(grid, origins, lead)]
    origins = origins[:: len(origins) // most + 1]
    known = [(_filled(grid, names), names) for names in (names_of(plant.mvs), names_of(plant.dvs))]
    _, width = model.scaler.part(model.output_names)
    for first in range(0, len(origins), _BATCH):
        rows = origins[first : first + _BATCH]
        ahead = rows[:, None] + np.arange(1, lead + 1)
        mv, dv = (model.tensor(filled[ahead], names) for filled, names in known)
        latent = model.encode(model.model_input(grid.windows(rows.tolist())))
        found[rows + lead] = confidence(model, latent, mv, dv).half_width[:, -1].cpu().numpy() * width
    return found


def _filled(grid: Grid, tags: Sequence[str]) -> Float[np.ndarray, "row tag"]:
    columns = grid.columns(tags)
    return fill_forward(grid.values[:, columns], grid.valid[:, columns])


def _reached(grid: Grid, rows: Int64[np.ndarray, " row"], lead: int) -> Int64[np.ndarray, " reached"]:
    """Places in `rows` of those that have a row `lead` intervals later, without a jump in time between."""
    inside = np.flatnonzero(rows + lead < len(grid))
    elapsed = grid.time_ns[rows[inside] + lead] - grid.time_ns[rows[inside]]
    reached: np.ndarray = inside[elapsed == lead * grid.rule.interval_ns]
    return reached
