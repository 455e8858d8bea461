"""Samples of a log that an instrument should not have sent: masks, each with its reason."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float64
from numpy.lib.stride_tricks import sliding_window_view

from procwm.data.series import CODES, Log, TagSeries
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec, Role, Tag

_SPIKE_WIDTH = 5
_SPIKE_TIMES = 5.0
_SPIKE_SPAN = 0.02
_FLAT_SAMPLES = 50
_FLAT_TIMES = 20


class Reason(StrEnum):
    """Why a sample is not to be trusted."""

    QUALITY = "quality is not Good"
    RANGE = "outside the instrument's range"
    SPIKE = "a spike of one sample"
    FLATLINE = "stuck at one value"


@dataclass(frozen=True, kw_only=True, eq=False)
class Screening:
    """What is wrong with a log, sample by sample, looked at anew for every tag: a long log has many samples.

    Attributes:
        log: as it was.
        plant: whose tags are screened.
    """

    log: Log
    plant: PlantSpec

    def masks(self, tag: str) -> dict[Reason, Bool[np.ndarray, " sample"]]:
        """By reason, where a sample of `tag` is not to be trusted."""
        return _masks(self.plant.tag(tag), self.log.series[tag])

    def trusted(self) -> Log:
        """The log with every sample that is not to be trusted marked Bad."""
        series = {name: self._trusted(name) for name in self.plant.names}
        return Log(series=series, mv_names=self.log.mv_names, ignored=self.log.ignored)

    def _trusted(self, tag: str) -> TagSeries:
        held, wrong = self.log.series[tag], np.any(list(self.masks(tag).values()), axis=0)
        return (
            TagSeries(held.time_ns, held.value, np.where(wrong, _BAD, held.quality)) if wrong.any() else held
        )


_BAD = np.int8(CODES[Quality.BAD])


def screen(log: Log, plant: PlantSpec) -> Screening:
    """Screen every tag of `plant`. What an MV was told is no measurement: only its quality counts."""
    return Screening(log=log, plant=plant)


def _masks(tag: Tag, series: TagSeries) -> dict[Reason, Bool[np.ndarray, " sample"]]:
    good = series.good
    nothing = np.zeros(len(series), dtype=np.bool_)
    masks = {
        Reason.QUALITY: ~good,
        Reason.RANGE: nothing,
        Reason.SPIKE: nothing,
        Reason.FLATLINE: nothing,
    }
    if tag.role is not Role.MV:
        value = series.usable.value
        for reason, mask in (
            (Reason.RANGE, out_of_range(value, tag)),
            (Reason.SPIKE, spikes(value, tag.span)),
            (Reason.FLATLINE, flatlines(value)),
        ):
            masks[reason] = nothing.copy()
            masks[reason][good] = mask
    return masks


def out_of_range(value: Float64[np.ndarray, " sample"], tag: Tag) -> Bool[np.ndarray, " sample"]:
    """Where `value` is outside the instrument's range by more than a thousandth of it."""
    low, high = tag.range
    slack = 1e-3 * tag.span
    outside: Bool[np.ndarray, " sample"] = (value < low - slack) | (value > high + slack)
    return outside


def spikes(value: Float64[np.ndarray, " sample"], span: float) -> Bool[np.ndarray, " sample"]:
    """Where a single sample leaves its neighbours and the next one is back.

    A Hampel filter: the distance to the median of five exceeds 2 % of `span` and is five times as large as
    98 of 100 others (about ten standard deviations of white noise). A step is none: the median follows it.
    """
    if len(value) < _SPIKE_WIDTH:
        return np.zeros(len(value), dtype=np.bool_)
    padded = np.pad(value, _SPIKE_WIDTH // 2, mode="edge")
    distance = np.abs(value - np.median(sliding_window_view(padded, _SPIKE_WIDTH), axis=1))
    usual = float(np.quantile(distance, 0.98))
    found: Bool[np.ndarray, " sample"] = distance > max(_SPIKE_TIMES * usual, _SPIKE_SPAN * span)
    return found


def flatlines(value: Float64[np.ndarray, " sample"]) -> Bool[np.ndarray, " sample"]:
    """Where an instrument that usually moves repeats one value.

    A run of equal samples is a flatline when it has at least 50 samples and is 20 times as long as 95 of 100
    other runs, so a quantised or a stepwise signal is none.
    """
    if not len(value):
        return np.zeros(0, dtype=np.bool_)
    starts = np.flatnonzero(np.append(True, np.diff(value) != 0))
    lengths = np.diff(np.append(starts, len(value)))
    usual = float(np.quantile(lengths, 0.95)) if len(lengths) > 1 else float(len(value))
    flat = lengths >= max(_FLAT_SAMPLES, _FLAT_TIMES * usual)
    return np.repeat(flat, lengths)
