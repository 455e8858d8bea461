"""Where a log was: a few of its rows, for a map of what a model has seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.data.window import Grid

OPERATED = "operated"
"""Key of a model's metrics."""
_MOST_ROWS = 500


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Rows of a log, evenly spread over it.

    Attributes:
        tags: of the axis `tag`.
        values: engineering units; NaN where there was no valid measurement.
    """

    tags: tuple[str, ...]
    values: Float[np.ndarray, "row tag"]

    def of(self, tag: str) -> Float[np.ndarray, " row"]:
        """The values of one tag."""
        column: Float[np.ndarray, " row"] = self.values[:, self.tags.index(tag)]
        return column


def operating_points(rows: Grid) -> dict[str, Any]:
    """For JSON: the tags of `rows`, and a few rows of them."""
    at = np.unique(np.linspace(0, len(rows) - 1, min(_MOST_ROWS, len(rows))).round().astype(np.int64))
    values = np.where(rows.valid[at], rows.values[at], np.nan)
    return {
        "tags": list(rows.rule.tags),
        "rows": [
            [float(f"{value:.5g}") if np.isfinite(value) else None for value in row]
            for row in values.tolist()
        ],
    }


def kept_points(metrics: Mapping[str, Any]) -> OperatingPoints | None:
    """The rows among a model's `metrics`; `None` where an older version made it."""
    kept = metrics.get(OPERATED)
    if not kept:
        return None
    values = np.array(kept["rows"], dtype=float).reshape(-1, len(kept["tags"]))
    return OperatingPoints(tuple(kept["tags"]), values)
