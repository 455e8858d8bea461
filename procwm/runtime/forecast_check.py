"""Which reported forecasts count in a cycle, moved up as time goes by."""

import math
from collections.abc import Collection, Sequence

from procwm.control.forecast import Forecast
from procwm.data.series import iso_utc
from procwm.plant.samples import ForecastSample, Quality
from procwm.plant.tags import PlantSpec, Role, Tag

_MOST = 1000
"""Values ahead that are looked at and recorded; no horizon is longer."""
_TOLD = 10
"""Values that the audit log shows of a forecast; the record of the cycle has them all."""


class ForecastCheck:
    """Decides in every cycle which forecasts count, and tells when that changes.

    One that is not Good, has no time, is stamped ahead of our clock, holds a number that is not finite or
    beyond the instrument, or is over, counts for nothing as a whole: the tag is then held as if there were
    no forecast.
    """

    def __init__(self, plant: PlantSpec) -> None:
        """Args: plant: whose tags may have a `forecast_node`."""
        self._interval_s = plant.interval_s
        self._skew_s = plant.control.clock_skew_s or plant.interval_s
        self._tags = [tag for tag in plant.tags if tag.forecast_node is not None]
        self._said: dict[str, str] = {}

    def known(
        self, reported: Sequence[ForecastSample], now_ns: int, *, asked: Collection[str]
    ) -> tuple[Forecast, list[str]]:
        """What counts at the tick `now_ns`, and what has changed about that, a sentence each.

        Args:
            reported: the newest of each tag that the link brings.
            now_ns: UTC.
            asked: CVs that somebody has given a setpoint or zone, which goes before a forecast.
        """
        newest = {sample.tag: sample for sample in reported}
        forecast: dict[str, tuple[float, ...]] = {}
        told = []
        for tag in self._tags:
            sample = newest.get(tag.name)
            why = self._refusal(tag, sample, now_ns, asked)
            if sample is not None and not why:
                forecast[tag.name] = sample.values[self._past(sample, now_ns) :][:_MOST]
            if self._said.get(tag.name) != why:
                told.append(f"forecast of {tag.name} " + (f"not used: {why}" if why else _words(sample)))
                self._said[tag.name] = why
        return forecast, told

    def _refusal(self, tag: Tag, sample: ForecastSample | None, now_ns: int, asked: Collection[str]) -> str:
        """Why it counts for nothing, in words that stay the same from cycle to cycle; empty where it does."""
        if sample is None:
            return "there is none"
        if tag.role is Role.CV and tag.name in asked:
            return "a setpoint or zone given at run time goes before it"
        if sample.quality is not Quality.GOOD:
            return f"its quality is {sample.quality}"
        if sample.source_ns is None:
            return "it carries no source time, so nobody knows when it was made"
        if sample.source_ns - now_ns > 1e9 * self._skew_s:
            return (
                f"it is stamped {iso_utc(sample.source_ns)}, more than {self._skew_s:g} s ahead of our clock"
            )
        if not sample.values:
            return "it holds no numbers"
        for number, value in enumerate(sample.values, start=1):
            if not math.isfinite(value):
                return f"its value {number} is {value}"
            if not tag.range[0] <= value <= tag.range[1]:
                return f"its value {number}, {value:g}, is beyond the instrument's range {list(tag.range)}"
        if self._past(sample, now_ns) >= len(sample.values):
            return (
                f"it is over: it was made at {iso_utc(sample.source_ns)} for {len(sample.values)} intervals"
            )
        return ""

    def _past(self, sample: ForecastSample, now_ns: int) -> int:
        """Count of its intervals that are over."""
        assert sample.source_ns is not None, "its time has been looked at"
        return max(0, round((now_ns - sample.source_ns) / (1e9 * self._interval_s)))


def _words(sample: ForecastSample | None) -> str:
    assert sample is not None, "what counts is there"
    assert sample.source_ns is not None, "what counts has a time"
    shown = ", ".join(f"{value:g}" for value in sample.values[:_TOLD])
    more = ", ..." if len(sample.values) > _TOLD else ""
    return f"taken up: {shown}{more}, made at {iso_utc(sample.source_ns)}"
