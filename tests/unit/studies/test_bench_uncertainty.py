"""What `procwm bench uncertainty` tests bands on, and how it tells."""

import asyncio

import numpy as np
import pytest

from procwm.plant.registry import scenario
from procwm_studies.model import uncertainty
from procwm_studies.model.uncertainty import report
from procwm_studies.results import Row


def _row(log: str, lead: int, coverage: float, width: float) -> Row:
    return {
        "plant": "tank",
        "log": log,
        "hours": 20.0,
        "seed": 0,
        "horizon": lead,
        "asked": 0.9,
        "coverage": coverage,
        "half_width": {"Y": 2.0},
        "nrmse": 0.1,
        "moments": 100,
        "widening": {
            "disagreement": {"Y": 0.1},
            "distance": 1.0,
            "correlation": 0.4,
            "coverage": 0.95,
            "half_width": {"Y": 2.0 * width},
            "seldom": 0.25,
            "seldom_coverage": 0.7,
            "seldom_constant": None,
        },
    }


def test_the_report_sets_the_widening_band_beside_the_constant_one() -> None:
    rows = [_row(log, lead, 0.875, 1.5) for log in ("later", "elsewhere") for lead in (1, 5, 20)]
    text = report(rows, "procwm bench uncertainty")
    assert text.splitlines().count("| tank | 20.00 | 0.875 | 0.875 | 0.875 | 0.875 |") == 1
    assert "| tank | elsewhere | 20 | 0.875 | 0.950 | 1.500 | 0.250 | – | 0.700 | 0.400 |" in text


def test_elsewhere_mvs_step_anywhere_within_their_limits_as_fast_as_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uncertainty, "ELSEWHERE_HOURS", 1.0)
    tank = scenario("quadruple_tank")
    log = asyncio.run(uncertainty._wandering(tank, seed=3))
    for tag in tank.plant.mvs:
        values = log.series[tag.name].value
        low, high = tag.bounds
        assert low <= values.min() < values.max() <= high
        assert tag.max_move is not None
        assert np.abs(np.diff(values)).max() <= tag.max_move + 0.01
        assert np.ptp(values) > 0.3 * (high - low)
