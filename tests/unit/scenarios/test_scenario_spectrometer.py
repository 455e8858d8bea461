"""The spectrometer: what it shows of a mixture, and how much of it means nothing."""

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm_scenarios.spectrometer import Spectrometer

ROWS = 1500
PROBE = Spectrometer(components=3, channels=64)


def _shares() -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.3 + 0.02 * np.cumsum(rng.standard_normal((ROWS, 3)), axis=0) / 10.0


def _spectra(probe: Spectrometer, seed: int = 0) -> np.ndarray:
    return probe.spectra(_shares(), interval_s=60.0, seed=seed)


def _variance(spectra: np.ndarray) -> float:
    return float(spectra.var(axis=0).mean())


@pytest.mark.parametrize("nuisance", [0.1, 1.0, 100.0])
def test_nuisance_is_its_variance_beside_that_of_the_components(nuisance: float) -> None:
    probe = Spectrometer(components=3, channels=64, nuisance=nuisance)
    pure = _shares() @ probe.bands
    assert _variance(_spectra(probe) - pure) == pytest.approx(nuisance * _variance(pure), rel=0.3)


def test_without_nuisance_every_component_shows_its_bands() -> None:
    quiet = _spectra(PROBE.quiet())
    assert quiet == pytest.approx(_shares() @ PROBE.bands, abs=0.2 * quiet.std(axis=0).mean() + 1e-3)


def test_the_same_seed_shows_the_same_and_bands_belong_to_the_instrument() -> None:
    assert np.array_equal(_spectra(PROBE), _spectra(PROBE))
    assert not np.array_equal(_spectra(PROBE), _spectra(PROBE, seed=1))
    assert np.array_equal(PROBE.bands, PROBE.quiet().bands)


def test_nonsense_is_refused() -> None:
    with pytest.raises(SpecError, match="nuisance is -1"):
        Spectrometer(components=3, nuisance=-1.0)
    with pytest.raises(SpecError, match="channels"):
        Spectrometer(components=3, channels=4)
