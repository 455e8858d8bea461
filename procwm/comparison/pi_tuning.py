"""Pairing and tuning of decentralised PI loops, from the true plant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from procwm.comparison.closed_loop import closed_loop
from procwm.comparison.linearise import linearise
from procwm.control.decision import Decision
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import LoadChange, Scenario
from procwm.plant.tags import names_of

_BUMP = 0.02
"""Size of a bump, as a share of the width of the MV's limits."""
_SETTLED = 6.0
"""A bump test lasts this many of the plant's slowest time constants."""
_UNSETTLED, _LONGEST = 120, 1000
"""Intervals of a bump test where the plant never settles, and at most."""
_GRID = 80
"""Dead times and time constants tried in fitting a step response."""
_TIE = 0.1
"""Pairings whose distances differ by less are equally good."""
_UNPAIRED = 1e6
"""Distance of a pair with a negative relative gain, and of a CV that nobody gave a setpoint."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One PI controller: `mv = gain * error + integral`, its integral growing by `gain * error / integral_s`.

    Attributes:
        cv, mv: tag names.
        gain: Kc, MV units per CV unit.
        integral_s: tau_I.
    """

    cv: str
    mv: str
    gain: float
    integral_s: float


@dataclass(frozen=True, kw_only=True)
class LagResponse:
    """First order plus dead time: `gain * (1 - exp(-(t - dead_s) / lag_s))` after a unit step."""

    gain: float
    lag_s: float
    dead_s: float


def tuned_loops(scenario: Scenario) -> list[tuple[Loop, ...]]:
    """Paired by relative gains and tuned by the SIMC rule, each as if it were alone; the best pairing first.

    Pairing: the steady gains `G` of the linearised equations give the relative gain array
    `G * inv(G).T` (Bristol 1966); the pairing is the one whose relative gains are positive and
    together nearest 1 (smallest sum of `|log|`), and each that is as good but for `_TIE` and lacks one of
    its pairs: gains at rest say nothing of which is quicker; CVs with a setpoint go first. Tuning: each MV is
    bumped on the plant without noise or disturbances, as its instruments show it (analyser cycle and
    dead time included); a first order lag with dead time is fitted to every response by least squares;
    half a control interval is added to the dead time for the hold of the MV; then SIMC with
    `tau_c = theta` (Skogestad 2003, J. Process Control 13, 291-309): `Kc = tau / (k (tau_c + theta))`,
    `tau_I = min(tau, 4 (tau_c + theta))`.
    """
    hold_s = scenario.plant.interval_s / 2.0
    return [
        tuple(_simc(cv, mv, fit_lag(*_bump(scenario, cv, mv)), hold_s=hold_s) for cv, mv in pairs)
        for pairs in _pairings(scenario)
    ]


def detuned(loops: Sequence[Loop], factor: float) -> tuple[Loop, ...]:
    """`loops` with their gains divided, and their integral times multiplied, by `factor`."""
    return tuple(
        replace(loop, gain=loop.gain / factor, integral_s=loop.integral_s * factor) for loop in loops
    )


def _simc(cv: str, mv: str, response: LagResponse, *, hold_s: float) -> Loop:
    closed_s = 2.0 * (response.dead_s + hold_s)
    gain = response.lag_s / (response.gain * closed_s)
    return Loop(cv=cv, mv=mv, gain=gain, integral_s=min(response.lag_s, 4.0 * closed_s))


def _pairings(scenario: Scenario) -> list[list[tuple[str, str]]]:
    """CVs and the MVs that control them, by relative gains; the nearest pairing and those tied with it."""
    equations, plant = scenario.equations, scenario.plant
    rows = [equations.output_names.index(tag.name) for tag in plant.cvs]
    gains = linearise(equations).steady_gain[rows]
    relative = gains * np.linalg.pinv(gains).T
    with np.errstate(divide="ignore"):
        distance = np.where(relative > 0, np.abs(np.log(np.abs(relative))), _UNPAIRED)
    wanted = np.array([0.0 if tag.setpoint is not None else _UNPAIRED for tag in plant.cvs])
    far = np.minimum(distance, _UNPAIRED) + wanted[:, None]
    nearest = linear_sum_assignment(far)
    found = {tuple(zip(*nearest, strict=True)): float(far[nearest].sum())}
    for pair in zip(*nearest, strict=True):
        without = far.copy()
        without[pair] = 2.0 * _UNPAIRED
        other = linear_sum_assignment(without)
        found.setdefault(tuple(zip(*other, strict=True)), float(without[other].sum()))
    least = min(found.values())
    return [
        [(plant.cvs[i].name, plant.mvs[j].name) for i, j in pairs]
        for pairs, distance in found.items()
        if distance <= least + _TIE
    ]


class _Bump:
    """Moves one MV once, at its first step, and keeps what one CV's instrument then shows."""

    def __init__(self, mv: str, size: float, cv: str) -> None:
        self._mv, self._size, self._cv = mv, size, cv
        self.shown: list[float] = []

    def start(self, last_mv: Mapping[str, float]) -> Setpoints:
        return {**last_mv, self._mv: last_mv[self._mv] + self._size}

    def step(
        self,
        samples: Sequence[Sample],
        state: Setpoints,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, Setpoints]:
        seen = [sample.value for sample in samples if sample.tag == self._cv]
        self.shown.append(seen[-1] if seen else self.shown[-1])
        return Decision(setpoints=state), state


def _bump(
    scenario: Scenario, cv: str, mv: str
) -> tuple[Float[np.ndarray, " present"], Float[np.ndarray, " present"]]:
    """Seconds since a small step of `mv`, and what `cv`'s instrument then shows, per unit of the step."""
    plant, equations, tag = scenario.plant, scenario.equations, scenario.plant.tag(mv)
    nominal = equations.nominal_mv[names_of(plant.mvs).index(mv)]
    size = min(_BUMP * (tag.bounds[1] - tag.bounds[0]), tag.max_move or np.inf)
    size = size if nominal + size <= tag.bounds[1] else -size
    settled = _SETTLED * linearise(equations).slowest_s / plant.interval_s
    intervals = int(np.ceil(min(settled, _LONGEST))) if np.isfinite(settled) else _UNSETTLED
    bump = _Bump(mv, size, cv)
    closed_loop(
        scenario,
        lambda _: bump,
        seed=0,
        intervals=intervals,
        warm_up=0,
        program=(),
        loads=[
            LoadChange(tick=0, disturbance=name, value=value)
            for name, value in zip(equations.disturbances, equations.nominal_disturbance, strict=True)
        ],
        noise=False,
    )
    return np.arange(intervals) * plant.interval_s, (np.array(bump.shown) - bump.shown[0]) / size


def fit_lag(seconds: Float[np.ndarray, " present"], response: Float[np.ndarray, " present"]) -> LagResponse:
    """The first order lag with dead time nearest to a unit step response, by least squares.

    Dead times from 0 to half the record and time constants up to ten times the record, which is an
    integrator's, are tried on a grid; the gain is linear in the response and solved for.
    """
    best = (np.inf, LagResponse(gain=np.nan, lag_s=np.nan, dead_s=np.nan))
    shortest = seconds[1] / 10.0
    for dead in np.linspace(0.0, seconds[-1] / 2.0, _GRID):
        for lag in np.geomspace(shortest, 10.0 * seconds[-1], _GRID):
            shape = 1.0 - np.exp(-np.maximum(seconds - dead, 0.0) / lag)
            gain = float(shape @ response / (shape @ shape))
            error = float(np.sum((response - gain * shape) ** 2))
            if error < best[0]:
                best = (error, LagResponse(gain=gain, lag_s=float(lag), dead_s=float(dead)))
    return best[1]
