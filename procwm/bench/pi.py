"""Decentralised PI control from CVs to MVs: what a plant without MPC would run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from procwm.bench.closed_loop import closed_loop
from procwm.bench.linearise import linearise
from procwm.control.decision import Decision
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec, names_of

_SETTLED = 6.0
"""A bump test lasts this many of the plant's slowest time constants."""
_GRID = 80
"""Dead times and time constants tried in fitting a step response."""


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


@dataclass(frozen=True, kw_only=True)
class PiState:
    """What a `ProportionalIntegral` remembers.

    Attributes:
        last_mv: what it wrote last.
        setpoints: in force, by CV.
        latest: last Good value of every tag.
        integral: of every loop; `None` before its first error.
    """

    last_mv: Mapping[str, float]
    setpoints: Mapping[str, float]
    latest: Mapping[str, float]
    integral: tuple[float | None, ...]


class ProportionalIntegral:
    """One PI loop for every paired CV and MV, in positional form.

    An MV keeps its range and its largest move. The integral stops where a limit of the range is
    reached and the error pushes further into it (clamping); it starts so that the first move is 0.
    A CV without a fresh sample keeps its last Good value. MVs without a loop stay where they are.
    """

    def __init__(self, plant: PlantSpec, loops: Sequence[Loop]) -> None:
        self._plant = plant
        self.loops = tuple(loops)

    @classmethod
    def tuned(cls, scenario: Scenario) -> "ProportionalIntegral":
        """Paired by relative gains and tuned by the SIMC rule, from the true plant.

        Pairing: the steady gains `G` of the linearised equations give the relative gain array
        `G * inv(G).T` (Bristol 1966); the pairing is the one whose relative gains are positive and
        together nearest 1 (smallest sum of `|log|`). Tuning: each paired MV is bumped on the plant
        without noise, as its instruments show it (analyser cycle and dead time included); a first
        order lag with dead time is fitted to the response by least squares; half a control interval
        is added to the dead time for the hold of the MV; then SIMC with `tau_c = theta`
        (Skogestad 2003, J. Process Control 13, 291-309): `Kc = tau / (k (tau_c + theta))`,
        `tau_I = min(tau, 4 (tau_c + theta))`.
        """
        plant = scenario.plant
        loops = []
        for cv, mv in _pairs(scenario):
            response = fit_lag(*_bump(scenario, cv, mv))
            closed_s = 2.0 * (response.dead_s + plant.interval_s / 2.0)
            gain = response.lag_s / (response.gain * closed_s)
            loops.append(Loop(cv=cv, mv=mv, gain=gain, integral_s=min(response.lag_s, 4.0 * closed_s)))
        return cls(plant, loops)

    def start(self, last_mv: Mapping[str, float]) -> PiState:
        """The state before the first step."""
        setpoints = {tag.name: tag.setpoint for tag in self._plant.cvs if tag.setpoint is not None}
        return PiState(
            last_mv=dict(last_mv), setpoints=setpoints, latest={}, integral=(None,) * len(self.loops)
        )

    def step(
        self,
        samples: Sequence[Sample],
        state: PiState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, PiState]:
        """One control cycle."""
        good = sorted((s for s in samples if s.quality is Quality.GOOD), key=lambda s: s.source_ns)
        latest = {**state.latest, **{sample.tag: sample.value for sample in good}}
        targets = {**state.setpoints, **(setpoints or {})}
        mv = dict(state.last_mv)
        integral = list(state.integral)
        for index, loop in enumerate(self.loops):
            if loop.cv in latest:
                wanted = self._wanted(loop.cv, latest[loop.cv], targets)
                mv[loop.mv], integral[index] = self._act(
                    loop, wanted - latest[loop.cv], state.last_mv[loop.mv], integral[index]
                )
        after = replace(state, last_mv=mv, setpoints=targets, latest=latest, integral=tuple(integral))
        return Decision(setpoints=mv), after

    def _wanted(self, cv: str, value: float, targets: Mapping[str, float]) -> float:
        zone = self._plant.tag(cv).zone
        inside = value if zone is None else min(max(value, zone[0]), zone[1])
        return targets.get(cv, inside)

    def _act(self, loop: Loop, error: float, last: float, integral: float | None) -> tuple[float, float]:
        tag = self._plant.tag(loop.mv)
        low, high = tag.bounds
        before = last - loop.gain * error if integral is None else integral
        growth = loop.gain * error * self._plant.interval_s / loop.integral_s
        wanted = loop.gain * error + before + growth
        pushes_further = (wanted > high and growth > 0) or (wanted < low and growth < 0)
        reach = np.inf if tag.max_move is None else tag.max_move
        moved = float(np.clip(np.clip(wanted, low, high), last - reach, last + reach))
        return moved, before if pushes_further else before + growth


def _pairs(scenario: Scenario) -> list[tuple[str, str]]:
    """CVs and the MVs that control them, by relative gains."""
    equations, plant = scenario.equations, scenario.plant
    rows = [equations.output_names.index(tag.name) for tag in plant.cvs]
    gains = linearise(equations).steady_gain[rows]
    relative = gains * np.linalg.pinv(gains).T
    with np.errstate(divide="ignore"):
        distance = np.where(relative > 0, np.abs(np.log(np.abs(relative))), 1e6)
    cvs, mvs = linear_sum_assignment(np.minimum(distance, 1e6))
    return [(plant.cvs[i].name, plant.mvs[j].name) for i, j in zip(cvs, mvs, strict=True)]


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
    plant, tag = scenario.plant, scenario.plant.tag(mv)
    nominal = scenario.equations.nominal_mv[names_of(plant.mvs).index(mv)]
    size = min(0.02 * tag.span, tag.max_move or np.inf)
    size = size if nominal + size <= tag.bounds[1] else -size
    intervals = int(np.ceil(_SETTLED * linearise(scenario.equations).slowest_s / plant.interval_s))
    bump = _Bump(mv, size, cv)
    closed_loop(
        scenario,
        lambda _: bump,
        seed=0,
        intervals=intervals,
        warm_up=0,
        program=(),
        unmeasured=False,
        noise=False,
    )
    return np.arange(intervals) * plant.interval_s, (np.array(bump.shown) - bump.shown[0]) / size


def fit_lag(seconds: Float[np.ndarray, " present"], response: Float[np.ndarray, " present"]) -> LagResponse:
    """The first order lag with dead time nearest to a unit step response, by least squares.

    Dead times from 0 to half the record and time constants up to the whole record are tried on a
    grid; the gain is linear in the response and solved for.
    """
    best = (np.inf, LagResponse(gain=np.nan, lag_s=np.nan, dead_s=np.nan))
    shortest = seconds[1] / 10.0
    for dead in np.linspace(0.0, seconds[-1] / 2.0, _GRID):
        for lag in np.geomspace(shortest, seconds[-1], _GRID):
            shape = 1.0 - np.exp(-np.maximum(seconds - dead, 0.0) / lag)
            gain = float(shape @ response / (shape @ shape))
            error = float(np.sum((response - gain * shape) ** 2))
            if error < best[0]:
                best = (error, LagResponse(gain=gain, lag_s=float(lag), dead_s=float(dead)))
    return best[1]
