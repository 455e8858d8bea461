"""What spectroscopists use: partial least squares after the usual pre-processing."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy.signal import savgol_filter

Spectra = Float[np.ndarray, "row channel"]
Values = Float[np.ndarray, " row"]

LARGEST = 12
"""Components, at most."""
FOLDS = 5
_WINDOW, _ORDER = 15, 2


def normal(spectra: Spectra) -> Spectra:
    """Standard normal variates: offset and gain of every spectrum taken out."""
    centered = spectra - spectra.mean(axis=1, keepdims=True)
    return np.asarray(centered / centered.std(axis=1, keepdims=True))


def sloped(spectra: Spectra) -> Spectra:
    """Standard normal variates of the first derivative by Savitzky and Golay."""
    return normal(savgol_filter(spectra, _WINDOW, _ORDER, deriv=1, axis=1))


TREATMENTS: tuple[Callable[[Spectra], Spectra], ...] = (np.asarray, normal, sloped)


class PartialLeastSquares:
    """One quantity (Wold, Sjostrom, Eriksson, Chemometrics and Intelligent Laboratory Systems 58, 2001)."""

    def __init__(self, spectra: Spectra, values: Values, components: int) -> None:
        self._mean, self._middle = spectra.mean(axis=0), float(values.mean())
        left, target = spectra - self._mean, values - self._middle
        weights, loadings, gains = [], [], []
        for _ in range(components):
            weight = left.T @ target
            size = np.linalg.norm(weight)
            if size < 1e-12:
                break
            weight = weight / size
            score = left @ weight
            square = float(score @ score)
            loading, gain = left.T @ score / square, float(target @ score) / square
            left, target = left - np.outer(score, loading), target - gain * score
            weights.append(weight)
            loadings.append(loading)
            gains.append(gain)
        self._weight = np.zeros(spectra.shape[1])
        if weights:
            both = np.array(loadings) @ np.array(weights).T
            self._weight = np.array(weights).T @ np.linalg.solve(both, np.array(gains))

    def __call__(self, spectra: Spectra) -> Values:
        """The quantity."""
        return np.asarray((spectra - self._mean) @ self._weight + self._middle)


def read_by_pls(
    spectra: Spectra, labelled: Int[np.ndarray, " label"], values: Float[np.ndarray, " label"]
) -> Values:
    """The quantity at every row; treatment and components by cross-validation of the labels.

    Args:
        spectra: of all rows.
        labelled: rows with a label.
        values: of the labels.
    """
    folds = np.arange(len(values)) % min(FOLDS, len(values))
    best, found = np.inf, np.full(len(spectra), values.mean())
    for treatment in TREATMENTS:
        treated = treatment(spectra)
        own = treated[labelled]
        for components in range(1, min(LARGEST, len(values) - 2) + 1):
            error = sum(_missed(own, values, folds == fold, components) for fold in range(folds.max() + 1))
            if error < best:
                best, found = error, PartialLeastSquares(own, values, components)(treated)
    return found


def _missed(spectra: Spectra, values: Values, left_out: np.ndarray, components: int) -> float:
    """Sum of the squared errors at the labels left out."""
    found = PartialLeastSquares(spectra[~left_out], values[~left_out], components)(spectra[left_out])
    return float(np.sum((found - values[left_out]) ** 2))
