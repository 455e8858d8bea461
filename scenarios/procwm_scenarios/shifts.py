"""What a quiet crew does: another grade once a shift, and small moves against what disturbs it."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from procwm.plant.scenario import Equations
from procwm.plant.tags import PlantSpec
from procwm_scenarios.habits import Habits
from procwm_scenarios.region import OperatingRegion

_ATTEMPTS = 60
_BUMP = 0.01
"""Of an MV's limits: what operators know of gains is the difference that this makes at rest."""
_NEGLIGIBLE = 0.1
"""Directions of the MVs that do less than this share of what the strongest does are left alone."""


class Shifts:
    """Grades, each an operating point near the last, and answers to CVs that leave it.

    An answer moves the MVs by what would take back a share of the errors at rest, so that in the log MVs
    follow CVs as much as CVs follow MVs.
    """

    def __init__(
        self,
        plant: PlantSpec,
        equations: Equations,
        region: OperatingRegion,
        habits: Habits,
        rng: np.random.Generator,
    ) -> None:
        self._region, self._habits, self._rng = region, habits, rng
        self._names = [tag.name for tag in plant.cvs]
        self._rows = [equations.output_names.index(name) for name in self._names]
        self._low, self._high = np.array([tag.bounds for tag in plant.mvs], dtype=float).T
        self._cv_width = np.array([tag.bounds[1] - tag.bounds[0] for tag in plant.cvs])
        self._grade = np.asarray(equations.nominal_mv, dtype=float)
        self._target, self._gains = self._known(self._grade)
        self._grade_s = float(rng.uniform(0.0, habits.grade_s))
        self._look_s = float(rng.uniform(0.0, habits.answer_s[1]))

    def wishes(
        self, time_s: float, wanted: Sequence[float], readings: Mapping[str, float]
    ) -> Float[np.ndarray, " mv"] | None:
        """The MVs to have in place of `wanted`; `None` where nothing is to be done."""
        if time_s >= self._grade_s:
            self._grade_s = time_s + self._habits.grade_s
            self._look_s = time_s + float(self._rng.uniform(*self._habits.answer_s))
            return self._next_grade()
        if time_s >= self._look_s:
            self._look_s = time_s + float(self._rng.uniform(*self._habits.answer_s))
            return self._answer(np.asarray(wanted, dtype=float), readings)
        return None

    def _next_grade(self) -> Float[np.ndarray, " mv"] | None:
        width = self._high - self._low
        for _ in range(_ATTEMPTS):
            change = self._habits.grade * width * self._rng.uniform(-1.0, 1.0, len(width))
            trial = np.round(self._grade + change, self._habits.digits)
            if self._region.contains(trial):
                self._grade = trial
                self._target, self._gains = self._known(trial)
                return np.asarray(trial)
        return None

    def _answer(
        self, wanted: Float[np.ndarray, " mv"], readings: Mapping[str, float]
    ) -> Float[np.ndarray, " mv"] | None:
        seen = [readings.get(name, np.nan) for name in self._names]
        off = np.nan_to_num((np.array(seen) - self._target) / self._cv_width)
        if np.abs(off).max(initial=0.0) < self._habits.tolerance:
            return None
        width = self._high - self._low
        share = -self._habits.answer * np.linalg.pinv(self._gains, rcond=_NEGLIGIBLE) @ off
        move = width * np.clip(share, -self._habits.reach, self._habits.reach)
        return np.asarray(np.round(np.clip(wanted + move, self._low, self._high), self._habits.digits))

    def _known(
        self, mv: Float[np.ndarray, " mv"]
    ) -> tuple[Float[np.ndarray, " cv"], Float[np.ndarray, "cv mv"]]:
        """Where the CVs rest at `mv`, and their change per change of an MV, both in shares of limits."""
        rest = self._resting(mv)
        bumps = _BUMP * np.diag(self._high - self._low)
        columns = [(self._resting(mv + bump) - rest) / self._cv_width / _BUMP for bump in bumps]
        return rest, np.array(columns).T

    def _resting(self, mv: Float[np.ndarray, " mv"]) -> Float[np.ndarray, " cv"]:
        rest = self._region.rest(mv)
        return np.full(len(self._rows), np.nan) if rest is None else rest.outputs[self._rows]
