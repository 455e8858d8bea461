"""The monitor that plants know: principal components, with T^2 and the squared prediction error."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.data.window import Grid
from procwm.world.conformal import return_level
from procwm.world.model import fill_forward

EXPLAINED = 0.9
"""Share of the variance that the components are to explain."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PcaMonitor:
    """T^2 and SPE of every tag of a row and of `lags` rows before it, each beside its limit.

    Jackson and Mudholkar, Control procedures for residuals associated with principal component analysis,
    Technometrics 21 (1979); with lags, Ku, Storer and Georgakis, Disturbance detection and isolation by
    dynamic principal component analysis, Chemometrics and Intelligent Laboratory Systems 30 (1995).

    Attributes:
        lags: rows before the present one.
        mean, spread: of the log that it was made from.
        components: one a column.
        variance: of each component.
        t_limit, spe_limit: of the roots of both statistics.
    """

    lags: int
    mean: Float[np.ndarray, " feature"]
    spread: Float[np.ndarray, " feature"]
    components: Float[np.ndarray, "feature component"]
    variance: Float[np.ndarray, " component"]
    t_limit: float
    spe_limit: float

    def ratios(self, rows: Grid) -> Float[np.ndarray, " row"]:
        """The larger of both statistics' roots beside its limit; NaN in the first rows of a stretch."""
        t, spe = self._statistics(rows)
        larger: np.ndarray = np.maximum(t / self.t_limit, spe / self.spe_limit)
        return larger

    def limits(self, rows: Grid, *, block: int, period: float) -> tuple[float, float]:
        """Limits that either of both exceeds once in `period` blocks of rows like `rows`."""
        t, spe = (return_level(part, block, 2.0 * period) for part in self._statistics(rows))
        return t, spe

    def _statistics(self, rows: Grid) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        scaled = (_features(rows, self.lags) - self.mean) / self.spread
        scores = scaled @ self.components
        missed = scaled - scores @ self.components.T
        return np.sqrt((scores**2 / self.variance).sum(axis=1)), np.sqrt((missed**2).sum(axis=1))


def fit_pca(rows: Grid, *, lags: int, limits: tuple[float, float] = (1.0, 1.0)) -> PcaMonitor:
    """Components of `rows`."""
    features = _features(rows, lags)
    features = features[np.isfinite(features).all(axis=1)]
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    scaled = (features - mean) / spread
    variance, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    variance, vectors = variance[::-1], vectors[:, ::-1]
    enough = int(np.searchsorted(np.cumsum(variance) / variance.sum(), EXPLAINED)) + 1
    kept = min(enough, len(variance) - 1)
    return PcaMonitor(
        lags=lags,
        mean=mean,
        spread=spread,
        components=vectors[:, :kept],
        variance=variance[:kept],
        t_limit=limits[0],
        spe_limit=limits[1],
    )


def _features(rows: Grid, lags: int) -> Float[np.ndarray, "row feature"]:
    """Every tag, held while it is missing, now and `lags` rows back; NaN where a stretch has no such row."""
    found = np.full((len(rows), (lags + 1) * rows.values.shape[1]), np.nan)
    for stretch in rows.stretches:
        held = fill_forward(rows.values[stretch], rows.valid[stretch])
        count = len(held) - lags
        if count > 0:
            parts = [held[lags - back : lags - back + count] for back in range(lags + 1)]
            found[stretch.start + lags : stretch.stop] = np.concatenate(parts, axis=1)
    return found
