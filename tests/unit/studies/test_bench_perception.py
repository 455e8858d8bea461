"""`procwm bench perception`: its comparators and its report, on what needs no training."""

from pathlib import Path

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm_studies import study
from procwm_studies.perception import sensed
from procwm_studies.perception.perception import report
from procwm_studies.perception.pls import PartialLeastSquares, normal, read_by_pls
from procwm_studies.perception.sensed import SensedLog, fermentation_log
from procwm_studies.results import Row


def _spectra(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shares = rng.random((rows, 3))
    return 1.0 + shares @ rng.random((3, 40)), shares[:, 0]


def test_with_as_many_components_as_there_are_pls_is_exact() -> None:
    spectra, values = _spectra()
    found = PartialLeastSquares(spectra[:40], values[:40], 3)(spectra[40:])
    assert found == pytest.approx(values[40:], abs=1e-8)


def test_values_that_are_all_the_same_are_foretold_as_such() -> None:
    spectra, _ = _spectra()
    assert PartialLeastSquares(spectra, np.full(60, 7.0), 3)(spectra) == pytest.approx(7.0)


def test_cross_validation_finds_the_components() -> None:
    spectra, values = _spectra()
    labelled = np.arange(0, 60, 4)
    assert read_by_pls(spectra, labelled, values[labelled]) == pytest.approx(values, abs=1e-6)


def test_normal_variates_know_neither_offset_nor_gain() -> None:
    spectra, _ = _spectra()
    assert normal(3.0 * spectra + 2.0) == pytest.approx(normal(spectra))


def test_labels_are_evenly_spread_over_what_may_have_them() -> None:
    log = SensedLog(
        arrays=np.zeros((100, 8)),
        mv=np.zeros((100, 1)),
        quantities=("A",),
        values=np.zeros((100, 1)),
        taught=60,
        labelled=np.arange(10, 60),
        tested=np.arange(70, 90),
    )
    assert log.labels(3).tolist() == [10, 34, 59]


def test_the_report_has_a_table_for_each_nuisance_and_one_for_the_fermentation() -> None:
    def row(plant: str, nuisance: float | None, quantity: str) -> Row:
        figures = {"now": 0.1, "ahead": 0.2, "train_s": 1.0}
        named = {"plant": plant, "nuisance": nuisance, "quantity": quantity, "seed": 1}
        return {**named, **figures, "method": "PLS", "labels": 8}

    rows = [row("williams_otto", 0.1, "A"), row("williams_otto", 10.0, "A")]
    text = report([*rows, row("fermentation", None, "ethanol")], "procwm bench perception")
    assert text.count("| PLS |") == 3
    assert "nuisance 10 times" in text
    assert "ethanol" in text


def test_a_plant_that_it_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="knows no cstr"):
        study("perception")(tmp_path, scenarios=["cstr"])


def test_without_its_package_the_fermentation_says_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensed, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match="chemotools"):
        fermentation_log()
