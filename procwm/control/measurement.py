"""What is known at a tick: measured outputs, disturbances, and what stands in for those that are missing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from procwm.control.targets import number
from procwm.data.window import Window
from procwm.errors import SpecError
from procwm.plant.samples import Quality, Sample, readable
from procwm.plant.tags import PlantSpec, Tag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILLED_SHARE = 0.8
"""Of the rows of a window: with fewer that have any measured output there is too little to encode."""
_PREDICTED_SHARE = 0.5
"""Of the rows of a window: an output that is missing for longer is no longer controlled."""


def nanoseconds(time: datetime) -> int:
    """UTC nanoseconds of an aware `time`; `SpecError` where it is naive, or none at all."""
    if not isinstance(time, datetime):
        raise SpecError(f"the time {time!r} is no datetime; give an aware one, as in datetime.now(UTC)")
    if time.tzinfo is None or time.utcoffset() is None:
        raise SpecError(
            f"the time {time.isoformat()} has no time zone; give an aware datetime, as in datetime.now(UTC)"
        )
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def utc(time_ns: int) -> datetime:
    """The aware datetime of a UTC time, rounded up, so that what is stamped by then is past."""
    return _EPOCH + timedelta(microseconds=-(-time_ns // 1000))


def as_samples(
    samples: Mapping[str, float] | Sequence[Sample], plant: PlantSpec, time_ns: int
) -> tuple[Sample, ...]:
    """Samples from either form; values given by tag are of this tick, and Bad where not finite.

    Raises:
        SpecError: a tag is not the plant's, or a value is not a number.
    """
    if isinstance(samples, Mapping):
        samples = tuple(_reading(name, value, time_ns) for name, value in samples.items())
    if not isinstance(samples, Iterable):
        raise SpecError(f"the samples are {samples!r}; give values by tag, or a list of Sample")
    known = tuple(samples)
    for sample in known:
        if not isinstance(sample, Sample) or not isinstance(sample.source_ns, Integral):
            raise SpecError(f"{sample!r} is no Sample with a source time in whole nanoseconds")
        plant.tag(sample.tag)
    return readable(known)


def values_in_force(given: Mapping[str, float], plant: PlantSpec) -> dict[str, float]:
    """MVs in force, by tag.

    Raises:
        SpecError: a tag is no MV of `plant`, or a value is not finite.
    """
    known = {name: number(name, value) for name, value in given.items()}
    for name, value in known.items():
        if plant.tag(name) not in plant.mvs:
            raise SpecError(f"{name} is a {plant.tag(name).role}; only MVs have a value in force")
        if not np.isfinite(value):
            raise SpecError(f"{name}: its value in force, as read back, is {value}; it must be finite")
    return known


def _reading(tag: str, given: Any, time_ns: int) -> Sample:
    # An instrument that is on or off reads True or False.
    value = number(tag, int(given) if isinstance(given, bool | np.bool_) else given)
    return Sample(tag, value, Quality.GOOD if np.isfinite(value) else Quality.BAD, time_ns)


@dataclass(frozen=True, eq=False)
class Measurements:
    """The present of one window, engineering units.

    Attributes:
        output: NaN where there is no valid measurement.
        dv: the last known value where there is no valid one.
        absent: rows since an output was last valid, 0 where it is now.
        controlled: outputs that are measured, or were recently enough for the model to stand in.
        filled: rows of the window with at least one measured output.
        history: rows of the window.
        notes: one sentence for everything that is missing.
    """

    output: Float[np.ndarray, " output"]
    dv: Float[np.ndarray, " dv"]
    absent: Float[np.ndarray, " output"]
    controlled: Bool[np.ndarray, " output"]
    filled: int
    history: int
    notes: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether the window holds enough to tell the state of the plant."""
        return self.wanted == 0

    @property
    def wanted(self) -> int:
        """Rows that are still to come until there is enough."""
        return max(0, rows_wanted(self.history) - self.filled)


def rows_wanted(history: int) -> int:
    """Rows with a measured output that a window of `history` rows must have before anything is planned."""
    return math.ceil(_FILLED_SHARE * history)


def measurements(
    window: Window,
    plant: PlantSpec,
    tags: Sequence[str],
    *,
    last_dv: Float[np.ndarray, " dv"],
) -> Measurements:
    """What `window` says about the present.

    An output without a valid value is predicted by the model for up to half a window; then it is no longer
    controlled. A DV without one keeps its last value.

    Args:
        window: that ends now.
        plant: whose outputs and DVs are wanted.
        tags: names of the window's columns.
        last_dv: DVs known so far, engineering units.
    """
    column = {tag: index for index, tag in enumerate(tags)}
    outputs = [column[tag.name] for tag in plant.outputs]
    dvs = [column[tag.name] for tag in plant.dvs]
    history = len(window.values)
    valid = window.valid[:, outputs]
    absent = np.where(valid.any(axis=0), valid[::-1].argmax(axis=0), history).astype(float)
    controlled = absent <= _PREDICTED_SHARE * history
    dv = window.values[-1, dvs]
    known = np.isfinite(dv)
    interval_s = plant.interval_s
    notes = [
        _missing(tag, rows * interval_s, bool(kept))
        for tag, rows, kept in zip(plant.outputs, absent, controlled, strict=True)
        if rows
    ]
    notes += [
        f"{tag.name}: no good value; its last one stands in"
        for tag, ok in zip(plant.dvs, known, strict=True)
        if not ok
    ]
    return Measurements(
        output=window.values[-1, outputs],
        dv=np.where(known, dv, last_dv),
        absent=absent,
        controlled=controlled,
        filled=int(valid.any(axis=1).sum()),
        history=history,
        notes=tuple(notes),
    )


def _missing(tag: Tag, age_s: float, kept: bool) -> str:
    what = "the model stands in" if kept else "not controlled until it is measured again"
    return f"{tag.name}: no good value for {age_s:g} s; {what}"
