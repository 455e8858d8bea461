"""Tags that tell nothing, added to a plant and its log: noise, and slow drift."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from procwm.data.series import Log, TagSeries
from procwm.plant.tags import PlantSpec, Role, Tag

DRIFT_S = 7200.0
"""Time constant of the drifting ones, of standard deviation 1; a tenth of that is their noise."""
_RANGE = (-10.0, 10.0)


def extra_plant(plant: PlantSpec, count: int) -> PlantSpec:
    """`plant` with `count` more PVs."""
    extra = tuple(Tag(name=name, role=Role.PV, range=_RANGE, node=f"ns=2;s={name}") for name in _names(count))
    return replace(plant, tags=(*plant.tags, *extra))


def extra_log(plant: PlantSpec, log: Log, count: int, *, seed: int) -> Log:
    """`log` with as many PVs: every other one white noise, the others drifting, read at every interval.

    Args:
        plant: gives the control interval.
        log: of the plant without them.
    """
    step_ns = round(plant.interval_s * 1e9)
    time_ns = np.arange(log.start_ns, log.end_ns + 1, step_ns, dtype=np.int64)
    quality = np.zeros(len(time_ns), dtype=np.int8)
    rng = np.random.default_rng([seed, count])
    keep = float(np.exp(-plant.interval_s / DRIFT_S))
    series = dict(log.series)
    for number, name in enumerate(_names(count)):
        shocks = rng.standard_normal(len(time_ns))
        values = shocks if number % 2 == 0 else _drift(shocks, keep) + 0.1 * rng.standard_normal(len(shocks))
        series[name] = TagSeries(time_ns, values, quality)
    return replace(log, series=series)


def _drift(shocks: Float[np.ndarray, " row"], keep: float) -> Float[np.ndarray, " row"]:
    """First-order drift of standard deviation 1, stationary from the first row on."""
    values = np.empty_like(shocks)
    values[0] = shocks[0]
    for row in range(1, len(shocks)):
        values[row] = keep * values[row - 1] + np.sqrt(1.0 - keep**2) * shocks[row]
    return values


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"XT{number}.PV" for number in range(1, count + 1))
