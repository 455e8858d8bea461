"""This cycle's planning problem, from what is measured, known and asked for."""

from collections.abc import Collection

import numpy as np
from jaxtyping import Float

from procwm.control.caution import caution
from procwm.control.forecast import Forecast, dv_ahead, target_ahead
from procwm.control.measurement import Measurements
from procwm.control.targets import Targets
from procwm.planning.problem import ControlProblem, priorities
from procwm.plant.tags import PlantSpec

_MOST_ROOM = 0.4
"""Of the distance between two limits, that each may be drawn in."""


def pose(
    plant: PlantSpec,
    targets: Targets,
    measured: Measurements,
    *,
    latent: Float[np.ndarray, " latent"],
    last_mv: Float[np.ndarray, " mv"],
    bias: Float[np.ndarray, "horizon output"],
    held: Collection[str],
    reach: Float[np.ndarray, " mv"],
    predicted: Float[np.ndarray, " output"],
    forecast: Forecast,
    half_width: Float[np.ndarray, "horizon output"],
    response_error: Float[np.ndarray, "horizon mv output"],
    places: Float[np.ndarray, " mv"],
) -> ControlProblem:
    """The problem of one cycle, engineering units.

    An output that is no longer controlled keeps its limits and loses its target. A DV without a forecast is
    held.

    Args:
        plant: tags, limits and weights.
        targets: overrides in force.
        measured: the present.
        latent: the model's state.
        last_mv: MVs in force.
        bias: disturbance estimate.
        held: MVs that are not to be moved.
        reach: how far each MV may still move within the hour.
        predicted: what the model says of the present outputs.
        forecast: setpoints and DVs to come.
        half_width: of the model's error band, of which `tightening` takes its share.
        response_error: of the model's step responses, which make moves dearer; `caution` scales that.
        places: where MVs are brought to and held; NaN where nowhere.
    """
    horizon, outputs = len(bias), plant.outputs
    zones = [targets.zone(tag) or (-np.inf, np.inf) for tag in outputs]
    soft = [targets.soft_limits(tag) for tag in outputs]
    hard = np.array([targets.bounds(tag) for tag in plant.mvs])
    places = np.clip(places, hard[:, 0], hard[:, 1])
    hard = np.where(np.isfinite(places)[:, None], places[:, None], hard)
    fixed = np.array([tag.name in held for tag in plant.mvs])
    max_move = np.array([np.inf if tag.max_move is None else tag.max_move for tag in plant.mvs])
    weight = np.array([tag.weight if tag in plant.cvs else 0.0 for tag in outputs])
    weight = np.where(measured.controlled, weight, 0.0)
    span, mv_span = np.array([tag.span for tag in outputs]), np.array([tag.span for tag in plant.mvs])
    dearer = plant.control.caution * caution(response_error, weight, span, mv_span)
    low, high = np.array([low for low, _ in soft]), np.array([high for _, high in soft])
    return ControlProblem(
        latent=latent,
        last_mv=last_mv,
        dv=dv_ahead(plant, measured, forecast, horizon),
        bias=bias,
        target=target_ahead(plant, targets, measured, forecast, predicted=predicted, horizon=horizon),
        zone_low=np.array([low for low, _ in zones]),
        zone_high=np.array([high for _, high in zones]),
        low=low,
        high=high,
        weight=weight,
        span=span,
        mv_low=np.where(fixed, last_mv, hard[:, 0]),
        mv_high=np.where(fixed, last_mv, hard[:, 1]),
        max_move=np.minimum(max_move, reach),
        move_weight=np.array([tag.move_weight for tag in plant.mvs]) + dearer,
        mv_span=mv_span,
        priorities=priorities(plant),
        levels=tuple(() if tag.name in held else tag.levels or () for tag in plant.mvs),
        back_off=_back_off(plant.control.tightening, half_width, high - low),
    )


def _back_off(
    share: float, half_width: Float[np.ndarray, "horizon output"], room: Float[np.ndarray, " output"]
) -> Float[np.ndarray, "horizon output"] | None:
    """How far limits are drawn in: a share of the band, and never so far that they meet."""
    return np.minimum(share * half_width, _MOST_ROOM * room) if share > 0.0 else None
