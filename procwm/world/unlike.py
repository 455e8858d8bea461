"""Tags of a log that cannot be those that a model learned from: swapped, or in another unit."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from procwm.data.window import Grid
from procwm.world.scaler import Scaler

_FAR = 8.0
"""Widths from where the model's log was: no operation goes there by itself."""
_NEAR = 3.0
"""Widths within which a tag is where it was."""
_FACTORS = (10.0, 60.0, 100.0, 1000.0, 3600.0, 1e6)
"""Between units of one quantity: decimals, minutes and hours."""
_STILL = 0.05
"""Widths that a tag moves by where it seems to stand still."""
_SPREAD = (0.2, 5.0)
"""How the spread of a tag may compare with what it was, once a factor is taken out."""


@dataclass(frozen=True)
class _Tag:
    """Where a tag is in a log, and where it was in the model's: medians, and widths about them."""

    name: str
    median: float
    spread: float
    center: float
    width: float

    def off(self, value: float) -> float:
        """Widths that `value` is from where the tag was."""
        return abs(value - self.center) / self.width


def unlike(rows: Grid, scaler: Scaler) -> tuple[str, ...]:
    """Sentences on tags of `rows` that are not where those of the model's log were."""
    tags = [tag for tag in (_tag(rows, scaler, name) for name in rows.rule.tags) if tag is not None]
    far = [tag for tag in tags if tag.off(tag.median) > _FAR]
    # In a larger unit a tag is near 0, which need not be far off, and hardly moves.
    small = [tag for tag in tags if tag not in far and tag.spread < _STILL * tag.width and _factor(tag)]
    return (*_sentences(far), *map(_other_unit, small))


def _tag(rows: Grid, scaler: Scaler, name: str) -> _Tag | None:
    value = rows.column(name)
    value = value[np.isfinite(value)]
    if not len(value):
        return None
    low, median, high = np.quantile(value, (0.25, 0.5, 0.75)).tolist()
    (center,), (width,) = scaler.part([name])
    return _Tag(name, median, (high - low) / 1.349, float(center), float(width))


def _sentences(far: list[_Tag]) -> Iterator[str]:
    told: set[str] = set()
    for one in far:
        for other in far:
            if one.name < other.name and _exchanged(one, other):
                told |= {one.name, other.name}
                yield (
                    f"{one.name} and {other.name} look swapped: {one.name} is about {one.median:.4g}, and it "
                    f"was {one.center:.4g} in the model's log, where {other.name} was {other.center:.4g}"
                )
    for one in far:
        if one.name in told:
            continue
        yield _other_unit(one)


def _other_unit(tag: _Tag) -> str:
    where = f"{tag.name} is about {tag.median:.4g}, and it was {tag.center:.4g} in the model's log"
    factor = _factor(tag)
    if factor is None:
        return f"{where}: as if it were another tag, or in another unit"
    how = f"{factor:g} times as large" if factor > 1.0 else f"a {1.0 / factor:g}th of it"
    return f"{where}: {how}, as if it were in another unit"


def _exchanged(one: _Tag, other: _Tag) -> bool:
    return one.off(other.median) < _NEAR and other.off(one.median) < _NEAR


def _factor(tag: _Tag) -> float | None:
    """What the tag is to be divided by to be where it was; `None` where no unit does that."""
    for factor in (*_FACTORS, *(1.0 / factor for factor in _FACTORS)):
        spread = tag.spread / factor / tag.width
        if tag.off(tag.median / factor) < _NEAR and _SPREAD[0] <= spread <= _SPREAD[1]:
            return factor
    return None
