"""What stands between the true plant and its tags: transmitters, analysers and sticking valves."""

import math
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from procwm.errors import SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import Tag

_DAY_S = 86_400.0
_UNCERTAIN_NOISE = 5.0
"""By how much the noise of a reading grows while the transmitter calls it Uncertain."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """How a true value becomes a reading. Values in engineering units.

    Attributes:
        noise_sd: standard deviation of white measurement noise.
        resolution: readings are multiples of it; 0 is no quantisation.
        dead_time_s: from the process to the reading; whole control intervals.
        cycle_s: one reading every so often, whole control intervals; `None` is every interval.
        failures_per_day: how often a burst of missing, Bad or Uncertain readings begins.
        failure_s: mean duration of such a burst.
        sticks_per_day: how often the reading freezes while its quality stays Good.
        stick_s: mean duration of that.
        drift_per_h: how fast the reading leaves the true value once it does, engineering units.
        drift_from_s: time from the start at which it begins to.
        stuck_from_s: time from the start after which the reading never changes, its quality Good.
    """

    noise_sd: float = 0.0
    resolution: float = 0.0
    dead_time_s: float = 0.0
    cycle_s: float | None = None
    failures_per_day: float = 0.0
    failure_s: float = 60.0
    sticks_per_day: float = 0.0
    stick_s: float = 600.0
    drift_per_h: float = 0.0
    drift_from_s: float = 0.0
    stuck_from_s: float = math.inf


class _Failure(Enum):
    MISSING = auto()
    BAD = auto()
    UNCERTAIN = auto()


class Transmitter:
    """A running instrument: fed the true value at every tick, it answers with samples."""

    def __init__(
        self, tag: Tag, instrument: Instrument, *, interval_s: float, rng: np.random.Generator, noise: bool
    ) -> None:
        """Args: noise: whether to add noise, quantisation and failures; dead time and cycle stay."""
        self._tag = tag
        self._instrument = instrument
        self._interval_s = interval_s
        self._rng = rng
        self._noise = noise
        dead = _whole_intervals(tag, "dead_time_s", instrument.dead_time_s, interval_s)
        self._pipe: deque[float] = deque(maxlen=dead + 1)
        self._cycle = _whole_intervals(tag, "cycle_s", instrument.cycle_s or interval_s, interval_s)
        self._tick = -1
        self._failure = _Failure.MISSING
        self._failed_until = 0
        self._stuck_until = 0
        self._last = math.nan

    def read(self, true_value: float, time_ns: int) -> Sample | None:
        """The sample reported at this tick, or `None` where there is none."""
        self._tick += 1
        if not self._pipe:
            self._pipe.extend([true_value] * (self._pipe.maxlen or 1))
        self._pipe.append(true_value)
        # Every tick draws the same count of numbers, so that one event leaves later noise unchanged.
        normal = float(self._rng.standard_normal())
        fails, sticks, length, kind = (float(draw) for draw in self._rng.random(4))
        if self._noise:
            self._start_faults(fails, sticks, length, kind)
        if self._tick % self._cycle:
            return None
        return self._sample(self._pipe[0], normal, time_ns)

    def _start_faults(self, fails: float, sticks: float, length: float, kind: float) -> None:
        per_day = _DAY_S / self._interval_s
        duration = -math.log(1.0 - length)
        if self._tick >= self._failed_until and fails < self._instrument.failures_per_day / per_day:
            self._failure = list(_Failure)[int(kind * len(_Failure))]
            self._failed_until = self._until(self._instrument.failure_s * duration)
        if self._tick >= self._stuck_until and sticks < self._instrument.sticks_per_day / per_day:
            self._stuck_until = self._until(self._instrument.stick_s * duration)

    def _until(self, duration_s: float) -> int:
        return self._tick + max(1, round(duration_s / self._interval_s))

    def _sample(self, true_value: float, normal: float, time_ns: int) -> Sample | None:
        failure = self._failure if self._tick < self._failed_until else None
        if failure is _Failure.MISSING:
            return None
        if failure is _Failure.BAD:
            # A broken 4-20 mA loop reads as the low end of the range.
            return Sample(self._tag.name, self._tag.range[0], Quality.BAD, time_ns)
        time_s = self._tick * self._interval_s
        stuck = self._tick < self._stuck_until or time_s > self._instrument.stuck_from_s
        true_value += self._instrument.drift_per_h / 3600.0 * max(time_s - self._instrument.drift_from_s, 0.0)
        if stuck and math.isfinite(self._last):
            return Sample(self._tag.name, self._last, Quality.GOOD, time_ns)
        uncertain = failure is _Failure.UNCERTAIN
        self._last = self._reading(true_value, normal * (_UNCERTAIN_NOISE if uncertain else 1.0))
        quality = Quality.UNCERTAIN if uncertain else Quality.GOOD
        return Sample(self._tag.name, self._last, quality, time_ns)

    def _reading(self, true_value: float, normal: float) -> float:
        low, high = self._tag.range
        if not self._noise:
            return min(max(true_value, low), high)
        noisy = true_value + self._instrument.noise_sd * normal
        if self._instrument.resolution:
            noisy = round(noisy / self._instrument.resolution) * self._instrument.resolution
        return min(max(noisy, low), high)


def _whole_intervals(tag: Tag, label: str, duration_s: float, interval_s: float) -> int:
    count = round(duration_s / interval_s)
    if count < 0 or abs(count * interval_s - duration_s) > 1e-9 * interval_s:
        raise SpecError(f"{tag.name}: {label} is {duration_s} s; it must be a multiple of {interval_s} s")
    return count


@dataclass(frozen=True, kw_only=True)
class Stiction:
    """A valve that stays where it is until the asked-for position is more than `band` away.

    Attributes:
        band: engineering units of the MV.
        from_s: time from the start until which it follows freely.
    """

    band: float
    from_s: float = 0.0

    def follow(self, position: float, asked: float, time_s: float) -> float:
        """The new position of a valve at `position`."""
        return asked if abs(asked - position) > self.band or time_s < self.from_s else position
