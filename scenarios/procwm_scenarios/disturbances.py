"""Disturbances that a simulated plant meets by itself: slow drift and occasional steps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from procwm.plant.scenario import LoadChange


@dataclass(frozen=True, kw_only=True)
class DisturbanceModel:
    """An Ornstein-Uhlenbeck drift plus a level that steps now and then, around a nominal value.

    Attributes:
        measured: whether a DV tag reports it.
        drift_sd: stationary standard deviation of the drift, engineering units.
        drift_s: time constant of the drift.
        step: each step draws a new level between `-step` and `step`, engineering units.
        step_every_s: mean time between steps.
        shift: by how much it leaves the nominal value for good, engineering units.
        shift_from_s: time from the start at which it begins to.
        shift_over_s: how long that takes.
    """

    measured: bool
    drift_sd: float
    drift_s: float
    step: float
    step_every_s: float
    shift: float = 0.0
    shift_from_s: float = 0.0
    shift_over_s: float = 0.0


class Load:
    """One disturbance in one simulation, interval after interval."""

    def __init__(
        self,
        kind: DisturbanceModel,
        nominal: float,
        *,
        interval_s: float,
        rng: np.random.Generator,
        active: bool,
        changes: Sequence[LoadChange],
    ) -> None:
        """Args: active: whether it acts by itself. changes: what the caller sets instead, by tick."""
        self._kind = kind
        self._nominal = nominal
        self._interval_s = interval_s
        self._keep = math.exp(-interval_s / kind.drift_s)
        self._step_chance = interval_s / kind.step_every_s
        self._rng = rng
        self._active = active and not changes
        self._changes = {change.tick: change.value for change in sorted(changes, key=lambda c: c.tick)}
        self._set = nominal
        self._drift = 0.0
        self._level = 0.0

    def over(self, tick: int) -> float:
        """Its value during the control interval that starts at `tick`; to be asked in order."""
        shift = self._shift(tick)
        if not self._active:
            self._set = self._changes.get(tick, self._set)
            return self._set + shift
        shock = math.sqrt(1.0 - self._keep**2) * self._kind.drift_sd
        self._drift = self._keep * self._drift + shock * float(self._rng.standard_normal())
        happens, level = (float(draw) for draw in self._rng.random(2))
        if happens < self._step_chance:
            self._level = self._kind.step * (2.0 * level - 1.0)
        return self._nominal + self._drift + self._level + shift

    def _shift(self, tick: int) -> float:
        since_s = tick * self._interval_s - self._kind.shift_from_s
        over_s = max(self._kind.shift_over_s, self._interval_s)
        return self._kind.shift * min(max(since_s / over_s, 0.0), 1.0)
