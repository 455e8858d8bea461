"""The numbers every comparison is made with, from noise-free truth. See `docs/benchmarks.md`."""

import math

import numpy as np
from jaxtyping import Float, Int

from procwm.plant.tags import Interval, PlantSpec

LIMIT_PENALTY = 100.0
"""Weight of the squared violation of an output's limit, relative to its span."""
BATCHES = 10
"""Stretches of a run whose costs are compared to see how far chance goes."""


def interval_costs(
    plant: PlantSpec,
    cv: Float[np.ndarray, "interval output"],
    mv: Float[np.ndarray, "present mv"],
    target: Float[np.ndarray, "interval output"],
) -> Float[np.ndarray, " interval"]:
    """Squared errors, moves and broken limits of a closed-loop run, each relative to its span.

    Args:
        plant: gives weights, spans, zones and limits.
        cv: true outputs at the end of every interval, over `plant.outputs`.
        mv: MVs in force, one row more than `cv`: row 0 is the interval before the first.
        target: setpoints in force during every interval; NaN where an output has none.

    Returns:
        For every interval `weight * ((cv - target) / span)^2`, `move_weight * (move / span)^2` and
        `100 * (violation / span)^2`, summed over outputs and MVs: the cost of the run is their sum. A CV
        without a setpoint has the nearest edge of its zone for a target, and no error inside it.
    """
    total = np.zeros(len(cv))
    for column, tag in enumerate(plant.outputs):
        true, wanted = cv[:, column], target[:, column]
        error = np.where(np.isnan(wanted), _outside(tag.zone, true), true - wanted)
        total += tag.weight * (error / tag.span) ** 2
        total += LIMIT_PENALTY * (_outside(tag.limits, true) / tag.span) ** 2
    moves = np.diff(mv, axis=0)
    for column, tag in enumerate(plant.mvs):
        total += tag.move_weight * (moves[:, column] / tag.span) ** 2
    return total


def difference_error(first: Float[np.ndarray, " interval"], second: Float[np.ndarray, " interval"]) -> float:
    """Standard error of the difference of two runs' costs, by the method of batch means.

    Law, Simulation Modeling and Analysis (2015), section 9.5.3: sums over stretches that are long beside the
    time that an error lasts are all but independent.

    Args:
        first, second: costs of the intervals of two runs on the same seed.
    """
    sums = [part.sum() for part in np.array_split(first - second, BATCHES)]
    return float(np.std(sums, ddof=1) * math.sqrt(BATCHES))


def _outside(
    interval: Interval | None, value: Float[np.ndarray, " interval"]
) -> Float[np.ndarray, " interval"]:
    """How far `value` lies outside `interval`, 0 inside it or where there is none."""
    low, high = interval or (-math.inf, math.inf)
    outside: np.ndarray = value - np.clip(value, low, high)
    return outside


def limit_violations(
    plant: PlantSpec, cv: Float[np.ndarray, "interval output"]
) -> Int[np.ndarray, " output"]:
    """For every output, the count of intervals that end with its true value outside its limits."""
    counts = [np.count_nonzero(_outside(tag.limits, cv[:, i])) for i, tag in enumerate(plant.outputs)]
    return np.array(counts, dtype=np.int64)


def guard_violations(guard: Float[np.ndarray, "interval guard"]) -> Int[np.ndarray, " guard"]:
    """For every guardrail, the count of intervals that end with its true value above 0."""
    return np.array([np.count_nonzero(column > 0.0) for column in guard.T], dtype=np.int64)


def gap(cost: float, cost_oracle: float) -> float:
    """How far above the oracle, relative to the oracle: 0 is as good as knowing the equations."""
    return (cost - cost_oracle) / cost_oracle if cost_oracle > 0 else math.nan


def recovered(cost: float, cost_pi: float, cost_oracle: float) -> float:
    """How much of the way from the PI layer (0) to the oracle (1); NaN where the two are level."""
    return (cost_pi - cost) / (cost_pi - cost_oracle) if cost_pi != cost_oracle else math.nan
