"""What is known ahead, for one cycle: reports of coming values, checked, and moved up as time goes by."""

import math
from collections.abc import Collection
from typing import Any

from procwm.control.forecast import Forecast
from procwm.data.series import iso_utc
from procwm.plant.link import ForeseeingLink
from procwm.plant.samples import Outlook, Quality
from procwm.plant.tags import PlantSpec, Role, Tag

_MOST = 1000
"""Values ahead that are looked at and recorded; no horizon is longer."""
_TOLD = 10
"""Values that the audit log shows of a forecast; the record of the cycle has them all."""


class Ahead:
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

    def known(self, link: Any, now_ns: int, *, asked: Collection[str]) -> tuple[Forecast, list[str]]:
        """What counts at the tick `now_ns`, and what has changed about that, a sentence each.

        Args:
            link: to the plant; brings outlooks where it is a `ForeseeingLink`.
            now_ns: UTC.
            asked: CVs that somebody has given a setpoint or zone, which goes before a forecast.
        """
        brought = (
            {outlook.tag: outlook for outlook in link.outlooks()} if isinstance(link, ForeseeingLink) else {}
        )
        forecast: dict[str, tuple[float, ...]] = {}
        told = []
        for tag in self._tags:
            outlook = brought.get(tag.name)
            why = self._refusal(tag, outlook, now_ns, asked)
            if outlook is not None and not why:
                forecast[tag.name] = outlook.values[self._past(outlook, now_ns) :][:_MOST]
            if self._said.get(tag.name) != why:
                told.append(f"forecast of {tag.name} " + (f"not used: {why}" if why else _words(outlook)))
                self._said[tag.name] = why
        return forecast, told

    def _refusal(self, tag: Tag, outlook: Outlook | None, now_ns: int, asked: Collection[str]) -> str:
        """Why it counts for nothing, in words that stay the same from cycle to cycle; empty where it does."""
        if outlook is None:
            return "there is none"
        if tag.role is Role.CV and tag.name in asked:
            return "a setpoint or zone given at run time goes before it"
        if outlook.quality is not Quality.GOOD:
            return f"its quality is {outlook.quality}"
        if outlook.source_ns is None:
            return "it carries no source time, so nobody knows when it was made"
        if outlook.source_ns - now_ns > 1e9 * self._skew_s:
            return (
                f"it is stamped {iso_utc(outlook.source_ns)}, more than {self._skew_s:g} s ahead of our clock"
            )
        if not outlook.values:
            return "it holds no numbers"
        for number, value in enumerate(outlook.values, start=1):
            if not math.isfinite(value):
                return f"its value {number} is {value}"
            if not tag.range[0] <= value <= tag.range[1]:
                return f"its value {number}, {value:g}, is beyond the instrument's range {list(tag.range)}"
        if self._past(outlook, now_ns) >= len(outlook.values):
            return (
                f"it is over: it was made at {iso_utc(outlook.source_ns)} for {len(outlook.values)} intervals"
            )
        return ""

    def _past(self, outlook: Outlook, now_ns: int) -> int:
        """Count of its intervals that are over."""
        assert outlook.source_ns is not None, "its time has been looked at"
        return max(0, round((now_ns - outlook.source_ns) / (1e9 * self._interval_s)))


def _words(outlook: Outlook | None) -> str:
    assert outlook is not None, "what counts is there"
    assert outlook.source_ns is not None, "what counts has a time"
    shown = ", ".join(f"{value:g}" for value in outlook.values[:_TOLD])
    more = ", ..." if len(outlook.values) > _TOLD else ""
    return f"taken up: {shown}{more}, made at {iso_utc(outlook.source_ns)}"
