"""The people who run a simulated plant: routine moves now and then, and designed step tests."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from procwm.plant.tags import PlantSpec, Tag
from procwm_scenarios.habits import Habits
from procwm_scenarios.region import OperatingRegion
from procwm_scenarios.shifts import Shifts

_ATTEMPTS = 60


@runtime_checkable
class Crew(Protocol):
    """Whoever holds the MVs of a simulated plant."""

    def values(
        self, time_s: float, readings: Mapping[str, float], guards: Mapping[str, float]
    ) -> Float[np.ndarray, " mv"]:
        """The MVs in force from `time_s` on, given the latest good readings; nothing measures `guards`."""
        ...


@dataclass
class _Desk:
    """What the operators have in mind for one MV."""

    value: float
    wanted: float
    decide_s: float
    portion_s: float = -math.inf


class Operators:
    """Routine operation: MVs walk between values whose steady state the operators trust."""

    def __init__(
        self,
        plant: PlantSpec,
        region: OperatingRegion,
        habits: Habits,
        *,
        nominal_mv: Sequence[float],
        rng: np.random.Generator,
        shifts: Shifts | None = None,
    ) -> None:
        """Args: shifts: what a crew does beside, where it works in shifts."""
        self._mvs = plant.mvs
        self._watched = plant.outputs
        self._region = region
        self._habits = habits
        self._nominal = np.asarray(nominal_mv, dtype=float)
        self._rng = rng
        self._shifts = shifts
        self._safe_s = 0.0
        self._desks = [
            _Desk(value=value, wanted=value, decide_s=float(rng.uniform(0.0, habits.pause_s[1])))
            for value in self._nominal
        ]

    def values(
        self, time_s: float, readings: Mapping[str, float], guards: Mapping[str, float]
    ) -> Float[np.ndarray, " mv"]:
        """The MVs they leave in force from `time_s` on, seeing the latest good readings.

        Nothing measures `guards`: operators find out late.
        """
        if all(value <= 0.0 for value in guards.values()):
            self._safe_s = time_s
        if self._alarmed(readings) or time_s - self._safe_s > self._habits.notice_s:
            self._go_home(time_s)
        elif self._shifts is not None:
            self._take(self._shifts.wishes(time_s, [desk.wanted for desk in self._desks], readings))
        for index, desk in enumerate(self._desks):
            if time_s >= desk.decide_s:
                desk.decide_s = time_s + float(self._rng.uniform(*self._habits.pause_s))
                self._decide(index)
        for desk, tag in zip(self._desks, self._mvs, strict=True):
            if desk.value != desk.wanted and time_s >= desk.portion_s:
                portion = self._habits.portion * _width(tag)
                move = min(max(desk.wanted - desk.value, -portion), portion)
                desk.value = round(desk.value + move, self._habits.digits)
                desk.portion_s = time_s + self._habits.portion_s
        return np.array([desk.value for desk in self._desks])

    def _alarmed(self, readings: Mapping[str, float]) -> bool:
        return any(
            tag.limits is not None
            and tag.name in readings
            and not tag.limits[0] <= readings[tag.name] <= tag.limits[1]
            for tag in self._watched
        )

    def _go_home(self, time_s: float) -> None:
        for desk, nominal in zip(self._desks, self._nominal, strict=True):
            desk.wanted = round(float(nominal), self._habits.digits)
            desk.decide_s = max(desk.decide_s, time_s + self._habits.pause_s[0])

    def _decide(self, index: int) -> None:
        wanted = np.array([desk.wanted for desk in self._desks])
        campaign = self._rng.random() < self._habits.campaign
        for _ in range(_ATTEMPTS):
            trial = self._anywhere() if campaign else self._changed(wanted, index)
            if self._region.contains(trial):
                self._take(trial)
                return

    def _take(self, wanted: Float[np.ndarray, " mv"] | None) -> None:
        if wanted is not None:
            for desk, value in zip(self._desks, wanted, strict=True):
                desk.wanted = float(value)

    def _anywhere(self) -> Float[np.ndarray, " mv"]:
        low, high = _limits(self._mvs)
        trial: Float[np.ndarray, " mv"] = np.round(self._rng.uniform(low, high), self._habits.digits)
        return trial

    def _changed(self, wanted: Float[np.ndarray, " mv"], index: int) -> Float[np.ndarray, " mv"]:
        low, high = self._mvs[index].bounds
        if self._rng.random() < self._habits.home:
            change = self._rng.uniform(0.5, 1.0) * (self._nominal[index] - wanted[index])
        else:
            change = self._habits.reach * (high - low) * self._rng.uniform(-1.0, 1.0)
        trial = wanted.copy()
        trial[index] = round(min(max(wanted[index] + change, low), high), self._habits.digits)
        return trial


class TestMoves:
    """Small two-level moves of random length around what the operators left in force."""

    __test__ = False

    def __init__(self, mvs: Sequence[Tag], habits: Habits, *, rng: np.random.Generator) -> None:
        self._mvs = mvs
        self._habits = habits
        self._rng = rng
        self._sign = np.ones(len(mvs))
        self._switch_s = np.zeros(len(mvs))

    def around(self, base: Float[np.ndarray, " mv"], time_s: float) -> Float[np.ndarray, " mv"]:
        """The MVs with the test's moves added, inside their limits."""
        due = time_s >= self._switch_s
        holds = self._rng.uniform(*self._habits.test_hold_s, len(self._mvs))
        self._sign = np.where(due, -self._sign, self._sign)
        self._switch_s = np.where(due, time_s + holds, self._switch_s)
        width = np.array([_width(tag) for tag in self._mvs])
        low, high = _limits(self._mvs)
        tested = np.minimum(np.maximum(base + self._sign * self._habits.test_move * width, low), high)
        return np.asarray(tested)


def _width(tag: Tag) -> float:
    low, high = tag.bounds
    return high - low


def _limits(mvs: Sequence[Tag]) -> tuple[Float[np.ndarray, " mv"], Float[np.ndarray, " mv"]]:
    bounds = np.array([tag.bounds for tag in mvs], dtype=float)
    return bounds[:, 0], bounds[:, 1]
