"""What a log holds: one series of samples a tag, in engineering units and UTC nanoseconds."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from procwm.errors import LogError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, names_of

QUALITIES: tuple[Quality, ...] = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)
"""A quality's place in this tuple is its code in a `TagSeries`."""

CODES: Mapping[Quality, int] = MappingProxyType({quality: code for code, quality in enumerate(QUALITIES)})
"""The code of each quality in a `TagSeries`."""


@dataclass(frozen=True, eq=False)
class TagSeries:
    """Samples of one tag, oldest first, no two at the same time.

    Attributes:
        time_ns: source time, UTC nanoseconds since 1970, strictly increasing.
        value: engineering units; non-finite only where the quality is not Good.
        quality: index into `QUALITIES`.
    """

    time_ns: Int64[np.ndarray, " sample"]
    value: Float64[np.ndarray, " sample"]
    quality: Int8[np.ndarray, " sample"]

    def __len__(self) -> int:
        return len(self.time_ns)

    @property
    def good(self) -> Bool[np.ndarray, " sample"]:
        """Where the quality is Good."""
        good: Bool[np.ndarray, " sample"] = self.quality == CODES[Quality.GOOD]
        return good

    @property
    def usable(self) -> "TagSeries":
        """The Good samples alone: the only ones that a window ever sees. Not kept: a long log has many."""
        good = self.good
        return self if bool(good.all()) else self.where(good)

    @property
    def uncertain_believed(self) -> "TagSeries":
        """These samples with Uncertain ones made Good, as `Tag.use_uncertain` asks for."""
        uncertain = self.quality == CODES[Quality.UNCERTAIN]
        good = np.int8(CODES[Quality.GOOD])
        return TagSeries(self.time_ns, self.value, np.where(uncertain, good, self.quality))

    def where(self, keep: Bool[np.ndarray, " sample"] | slice) -> "TagSeries":
        """The samples that `keep` selects."""
        return TagSeries(self.time_ns[keep], self.value[keep], self.quality[keep])

    def between(self, start_ns: int, end_ns: int) -> "TagSeries":
        """Samples with `start_ns <= time < end_ns`."""
        first, last = np.searchsorted(self.time_ns, (start_ns, end_ns), side="left")
        return self.where(slice(int(first), int(last)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Samples of a plant's tags over one or several stretches of time.

    Attributes:
        series: one series for every tag.
        mv_names: which of the tags are MVs. An MV's samples are stamped when it is written, so they say
            nothing about when the instruments are read.
        ignored: columns or tags found in the file that the plant file does not name.
        duplicates: how many exact repetitions of a sample were dropped.
        notes: sentences about the file that are no errors.
    """

    series: Mapping[str, TagSeries]
    mv_names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    duplicates: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(len(series) for series in self.series.values()):
            raise LogError("the log holds no sample")

    @classmethod
    def from_samples(cls, samples: Iterable[Sample], plant: PlantSpec) -> "Log":
        """A log of received samples in any order; for several at one time see `in_order`."""
        by_tag: dict[str, list[Sample]] = {name: [] for name in plant.names}
        for sample in samples:
            by_tag[plant.tag(sample.tag).name].append(sample)
        series = {name: series_of(received) for name, received in by_tag.items()}
        return cls(series=series, mv_names=names_of(plant.mvs))

    @cached_property
    def start_ns(self) -> int:
        """Time of the first sample."""
        return min(int(series.time_ns[0]) for series in self.series.values() if len(series))

    @cached_property
    def end_ns(self) -> int:
        """Time of the last sample."""
        return max(int(series.time_ns[-1]) for series in self.series.values() if len(series))

    @property
    def hours(self) -> float:
        """Time from the first sample to the last."""
        return (self.end_ns - self.start_ns) / 3.6e12

    def between(self, start_ns: int, end_ns: int) -> "Log":
        """Samples with `start_ns <= time < end_ns`; `LogError` where there are none."""
        cut = {name: series.between(start_ns, end_ns) for name, series in self.series.items()}
        return Log(series=cut, mv_names=self.mv_names, ignored=self.ignored)

    def samples(self, start_ns: int | None = None, end_ns: int | None = None) -> list[Sample]:
        """Samples with `start_ns <= time < end_ns`, every one without them, in order of time, then of tag."""
        first_ns = self.start_ns if start_ns is None else start_ns
        last_ns = self.end_ns + 1 if end_ns is None else end_ns
        found = [
            Sample(name, value, QUALITIES[code], time_ns)
            for name, series in self.series.items()
            for part in [series.between(first_ns, last_ns)]
            for time_ns, value, code in zip(
                part.time_ns.tolist(), part.value.tolist(), part.quality.tolist(), strict=True
            )
        ]
        return sorted(found, key=lambda sample: sample.source_ns)

    @cached_property
    def identity(self) -> str:
        """SHA-256 over every sample: equal for equal logs, whatever files they came from."""
        digest = hashlib.sha256()
        for name in sorted(self.series):
            series = self.series[name]
            digest.update(name.encode())
            for array in (series.time_ns, series.value, series.quality):
                digest.update(array.tobytes())
        return digest.hexdigest()


def series_of(samples: Sequence[Sample]) -> TagSeries:
    """Samples of one tag in order of arrival as a series; for several at one time see `in_order`."""
    time_ns = np.array([sample.source_ns for sample in samples], dtype=np.int64)
    value = np.array([sample.value for sample in samples], dtype=np.float64)
    quality = np.array([CODES[sample.quality] for sample in samples], dtype=np.int8)
    quality[~np.isfinite(value)] = CODES[Quality.BAD]
    return in_order(time_ns, value, quality)


def in_order(
    time_ns: Int64[np.ndarray, " received"],
    value: Float64[np.ndarray, " received"],
    quality: Int8[np.ndarray, " received"],
) -> TagSeries:
    """Samples in order of arrival, sorted by source time; of several at one time one counts.

    It is the last Good one (a window sees no other), or the last one where none is Good.
    """
    if len(time_ns) > 1 and not bool((np.diff(time_ns) > 0).all()):
        order = np.lexsort((quality == CODES[Quality.GOOD], time_ns))
        ordered = time_ns[order]
        last = np.append(ordered[1:] != ordered[:-1], True)
        order = order[last]
        time_ns, value, quality = time_ns[order], value[order], quality[order]
    return TagSeries(time_ns, value, quality)


def iso_utc(time_ns: int) -> str:
    """A UTC time as ISO 8601, with as many decimals of a second as it needs."""
    text = str(np.datetime64(time_ns, "ns"))
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "Z"
