"""What is known of the intervals ahead: setpoints to come, measured disturbances to come, references."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.control.measurement import Measurements
from procwm.control.targets import Targets, number
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec, Tag

Forecast = Mapping[str, Sequence[float]]
"""By CV, its setpoints, and by DV, its values, at the ends of the intervals ahead; the last one stays."""


def checked_forecast(forecast: Mapping[str, Any], plant: PlantSpec) -> Forecast:
    """`forecast`, which names CVs and DVs of `plant` only and has numbers that they can take.

    Raises:
        SpecError: it does not.
    """
    if not isinstance(forecast, Mapping):
        raise SpecError(f"the forecast is {forecast!r}; give a list of numbers for each tag by its name")
    for name, values in forecast.items():
        tag = plant.tag(name)
        if tag not in plant.cvs + plant.dvs:
            raise SpecError(f"{name}: a forecast is of CVs and DVs; {name} is a {tag.role}")
        numbers = _numbers(name, values)
        if not len(numbers) or not np.isfinite(numbers).all():
            raise SpecError(
                f"{name}: its forecast is {reprlib.repr(values)}; it must be a list of numbers, one or more"
            )
        if tag in plant.cvs:
            for value in numbers.tolist():
                tag.check_target(value)
    return forecast


def _numbers(name: str, values: Any) -> Float[np.ndarray, "..."]:
    """`values` as numbers; none where any of them is no number."""
    try:
        return np.array([number(name, value) for value in values])
    except (TypeError, SpecError):
        return np.zeros(0)


def dv_ahead(
    plant: PlantSpec, measured: Measurements, forecast: Forecast, horizon: int
) -> Float[np.ndarray, "horizon dv"]:
    """Measured disturbances over the horizon: as forecast, else as they are."""
    held = np.repeat(measured.dv[None], horizon, axis=0)
    for column, tag in enumerate(plant.dvs):
        if tag.name in forecast:
            held[:, column] = _rows(forecast[tag.name], horizon)
    return held


def target_ahead(
    plant: PlantSpec,
    targets: Targets,
    measured: Measurements,
    forecast: Forecast,
    *,
    predicted: Float[np.ndarray, " output"],
    horizon: int,
) -> Float[np.ndarray, "horizon output"]:
    """What outputs are to follow: setpoints in force and to come, along the references of the plant file.

    Args:
        plant: gives the references.
        targets: setpoints in force.
        measured: where references begin, as far as it was measured.
        forecast: setpoints to come.
        predicted: where they begin elsewhere: what the model says of the present.
        horizon: count of intervals ahead.
    """
    rows = np.repeat(targets.setpoint_row(plant)[None], horizon, axis=0)
    present = np.where(np.isfinite(measured.output), measured.output, predicted)
    for column, tag in enumerate(plant.cvs):
        if tag.name in forecast:
            rows[:, column] = _rows(forecast[tag.name], horizon)
        if tag.reference_s is not None or tag.reference_move is not None:
            rows[:, column] = reference(rows[:, column], present[column], tag, plant.interval_s)
    return np.where(measured.controlled, rows, np.nan)


def reference(
    setpoint: Float[np.ndarray, " horizon"], present: float, tag: Tag, interval_s: float
) -> Float[np.ndarray, " horizon"]:
    """The way from `present` to `setpoint` that `tag` asks for:

        r_k = r_{k-1} + clip((1 - exp(-interval_s / reference_s)) (setpoint_k - r_{k-1}), +- reference_move)

    It begins anew at the present value in every cycle, as in Richalet, Rault, Testud and Papon, Model
    predictive heuristic control, Automatica 14 (1978): so it needs no memory and begins without a bump.
    """
    share = 1.0 if tag.reference_s is None else -np.expm1(-interval_s / tag.reference_s)
    largest = np.inf if tag.reference_move is None else tag.reference_move
    rows = np.empty_like(setpoint)
    for row, goal in enumerate(setpoint):
        present = present + float(np.clip(share * (goal - present), -largest, largest))
        rows[row] = present
    return rows


def _rows(values: Sequence[float], horizon: int) -> Float[np.ndarray, " horizon"]:
    """`values` over the horizon; the last one stays."""
    known = np.asarray(values, dtype=float)
    return np.asarray(known[np.minimum(np.arange(horizon), len(known) - 1)])
