"""A spectrometer at a reactor: bands of pure components under much that means nothing.

Absorbances add (Beer and Lambert): every component brings its own bands, in proportion to its share. What
else varies is what in-line probes show (P. Geladi, D. MacDougall and H. Martens, "Linearization and
scatter-correction for near-infrared reflectance spectra of meat", Applied Spectroscopy 39, 491-500 (1985);
H. Martens and T. Naes, Multivariate Calibration (1989), chapter 7): scatter, which stretches and lifts the
whole spectrum from one moment to the next, a baseline that drifts, a window on which a film grows until it
is cleaned, and flicker. Places, widths and heights of bands are drawn once and are no substance's.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.errors import SpecError

Spectra = Float[np.ndarray, "row channel"]

BANDS = 4
"""Of every component: own choice."""
WIDTHS = (0.015, 0.05)
"""Standard deviation of a band, narrowest and widest, as a share of the axis: own choice."""
FILM_WIDTHS = (0.04, 0.15)
"""The same of the film on the window, whose bands are broad: own choice."""
NOISE_SHARE = 0.03
"""Standard deviation of a channel's noise beside that of the signal: own choice."""
BASELINE_S = 4.0 * 3600.0
"""Time constant of the baseline's drift: own choice."""
CLEANED_S = 24.0 * 3600.0
"""Mean time between cleanings of the window: own choice."""
FLICKERS = 12
"""Shapes that flicker is made of: own choice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrometer:
    """What a probe in a mixture shows.

    Attributes:
        components: how many there are.
        channels: of a spectrum.
        nuisance: variance of all that means nothing beside the variance that the components bring.
        design: seed of the bands, which are the instrument's and not a run's.
    """

    components: int
    channels: int = 256
    nuisance: float = 1.0
    design: int = 0

    def __post_init__(self) -> None:
        if self.components < 1 or self.channels < 8:
            raise SpecError(
                f"a spectrometer has {self.components} components and {self.channels} channels; it needs 1 "
                "and 8 at least"
            )
        if not 0.0 <= self.nuisance < math.inf:
            raise SpecError(f"nuisance is {self.nuisance}; it must be a number from 0 on")

    @property
    def bands(self) -> Float[np.ndarray, "component channel"]:
        """Absorbance of each component by itself."""
        rng = np.random.default_rng([self.design, 1])
        return np.stack([_bands(self.channels, WIDTHS, rng) for _ in range(self.components)])

    def spectra(self, shares: Float[np.ndarray, "row component"], *, interval_s: float, seed: int) -> Spectra:
        """One spectrum for each row of a run; the same arguments give the same spectra.

        Args:
            shares: of the components.
            interval_s: between rows.
            seed: of scatter, drift, film, flicker and noise.
        """
        rng = np.random.default_rng([seed, 2])
        pure = shares @ self.bands
        signal = float(pure.var(axis=0).mean())
        noise = NOISE_SHARE * math.sqrt(signal) * rng.standard_normal(pure.shape)
        # Each fourth of the nuisance is a kind of its own.
        each = self.nuisance * signal / 4.0
        kinds = (
            _scatter(pure, each, rng),
            self._baseline(len(pure), interval_s, rng),
            self._film(len(pure), interval_s, rng),
            self._flicker(len(pure), rng),
        )
        found: Spectra = pure + noise
        for kind in kinds if each else ():
            found += kind * math.sqrt(each / float(kind.var(axis=0).mean()))
        return found

    def quiet(self) -> "Spectrometer":
        """The same instrument without what means nothing, noise apart."""
        return replace(self, nuisance=0.0)

    def _baseline(self, rows: int, interval_s: float, rng: np.random.Generator) -> Spectra:
        """Offset, slope and curvature, each wandering by itself."""
        axis = np.linspace(-1.0, 1.0, self.channels)
        shapes = np.stack((np.ones_like(axis), axis, axis**2 - 1.0 / 3.0))
        keep = math.exp(-interval_s / BASELINE_S)
        drift: Spectra = _wandering(rows, len(shapes), keep, rng) @ shapes
        return drift

    def _film(self, rows: int, interval_s: float, rng: np.random.Generator) -> Spectra:
        """A film that grows at a rate of its own after every cleaning."""
        shape = _bands(self.channels, FILM_WIDTHS, np.random.default_rng([self.design, 3]))
        thickness, rate, grown = np.zeros(rows), 1.0, float(rng.random())
        for row in range(rows):
            if rng.random() < interval_s / CLEANED_S:
                grown, rate = 0.0, float(rng.uniform(0.5, 1.5))
            grown += rate * interval_s / CLEANED_S
            thickness[row] = grown
        film: Spectra = thickness[:, None] * shape
        return film

    def _flicker(self, rows: int, rng: np.random.Generator) -> Spectra:
        """Smooth shapes that come and go from one spectrum to the next."""
        design = np.random.default_rng([self.design, 4])
        shapes = np.stack([_bands(self.channels, FILM_WIDTHS, design) for _ in range(FLICKERS)])
        flicker: Spectra = rng.standard_normal((rows, FLICKERS)) @ (shapes - shapes.mean(axis=0))
        return flicker


def _bands(
    channels: int, widths: tuple[float, float], rng: np.random.Generator
) -> Float[np.ndarray, " channel"]:
    axis = np.linspace(0.0, 1.0, channels)
    places, heights = rng.random(BANDS), rng.uniform(0.3, 1.0, BANDS)
    spreads = rng.uniform(*widths, BANDS)
    shape: Float[np.ndarray, " channel"] = (
        heights[:, None] * np.exp(-0.5 * ((axis - places[:, None]) / spreads[:, None]) ** 2)
    ).sum(axis=0)
    return shape


def _scatter(pure: Spectra, variance: float, rng: np.random.Generator) -> Spectra:
    """What is added where scatter lengthens or shortens the path, by about so much variance."""
    usual = float((pure.mean(axis=0) ** 2).mean())
    path = math.sqrt(math.log1p(variance / usual)) * rng.standard_normal((len(pure), 1))
    added: Spectra = pure * np.expm1(path)
    return added


def _wandering(rows: int, count: int, keep: float, rng: np.random.Generator) -> Float[np.ndarray, "row part"]:
    """Processes of unit variance that keep a share of themselves from row to row."""
    shocks = rng.standard_normal((rows, count))
    found = np.empty((rows, count))
    found[0] = shocks[0]
    for row in range(1, rows):
        found[row] = keep * found[row - 1] + math.sqrt(1.0 - keep**2) * shocks[row]
    return found
