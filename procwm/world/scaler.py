"""The only door between engineering units (numpy) and scaled units (torch)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from procwm.errors import SpecError, TrainingError
from procwm.plant.tags import PlantSpec

_NORMAL_IQR = 1.349  # interquartile range of a standard normal variable
_SMALLEST_WIDTH = 1e-3  # of the span: a tag that hardly moves must not have its noise blown up


@dataclass(frozen=True, eq=False)
class Scaler:
    """`scaled = (value - center) / width`, one pair of numbers a tag.

    Attributes:
        tags: names, in the order of `center` and `width`.
        center, width: engineering units; `width` is above 0.
    """

    tags: tuple[str, ...]
    center: Float[np.ndarray, " tag"]
    width: Float[np.ndarray, " tag"]

    def __post_init__(self) -> None:
        if not (len(self.tags) == len(self.center) == len(self.width)):
            raise SpecError("a scaler needs one center and one width for every tag")
        for tag, center, width in zip(self.tags, self.center, self.width, strict=True):
            if not (np.isfinite(center) and np.isfinite(width) and width > 0):
                raise SpecError(f"{tag}: center {center} and width {width} must be finite, the width above 0")

    def part(self, tags: Sequence[str]) -> tuple[Float[np.ndarray, " tag"], Float[np.ndarray, " tag"]]:
        """`(center, width)` of the given tags, in their order, engineering units."""
        try:
            rows = [self._row[tag] for tag in tags]
        except KeyError as missing:
            raise SpecError(f"the scaler has no tag {missing.args[0]}") from None
        return self.center[rows], self.width[rows]

    def scale(
        self, values: Float[np.ndarray, "*rows tag"], tags: Sequence[str]
    ) -> Float[np.ndarray, "*rows tag"]:
        """Engineering units to scaled units; the last axis runs over `tags`. NaN stays NaN."""
        center, width = self.part(tags)
        scaled: Float[np.ndarray, "*rows tag"] = (values - center) / width
        return scaled

    def unscale(
        self, values: Float[np.ndarray, "*rows tag"], tags: Sequence[str]
    ) -> Float[np.ndarray, "*rows tag"]:
        """Scaled units to engineering units; the last axis runs over `tags`."""
        center, width = self.part(tags)
        unscaled: Float[np.ndarray, "*rows tag"] = values * width + center
        return unscaled

    @cached_property
    def _row(self) -> dict[str, int]:
        return {tag: row for row, tag in enumerate(self.tags)}


def fit_scaler(
    plant: PlantSpec,
    tags: Sequence[str],
    values: Float[np.ndarray, "rows tag"],
    valid: Bool[np.ndarray, "rows tag"],
) -> Scaler:
    """Median and robust width of every tag, over its valid values.

    The width is the interquartile range of a normal variable with that standard deviation, so that a
    rare excursion does not flatten everyday operation. Where more than half of the values are equal
    the interquartile range says nothing, and the standard deviation is used.

    Raises:
        TrainingError: a tag has no valid value.
    """
    center, width = np.zeros(len(tags)), np.ones(len(tags))
    for column, name in enumerate(tags):
        seen = values[valid[:, column], column]
        if seen.size == 0:
            raise TrainingError(
                f"{name}: none of its values is Good and believable (`procwm check` says why); "
                "take it out of the plant file"
            )
        low, middle, high = np.quantile(seen, (0.25, 0.5, 0.75))
        spread = (high - low) / _NORMAL_IQR
        deviation = float(seen.std())
        center[column] = middle
        # The interquartile range of a tag with two clusters or rare steps can be far from its deviation.
        width[column] = np.clip(spread, 0.5 * deviation, 2.0 * deviation) if spread > 0 else deviation
        width[column] = max(width[column], _SMALLEST_WIDTH * plant.tag(name).span)
    return Scaler(tuple(tags), center, width)
