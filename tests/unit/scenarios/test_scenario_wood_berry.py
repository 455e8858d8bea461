"""The Wood and Berry column against its transfer functions."""

import numpy as np
import pytest

from procwm.comparison.linearise import linearise
from procwm_scenarios import wood_berry as column

EQUATIONS = column.scenario.equations


def test_the_nominal_point_is_where_the_gains_lead_from_the_source_s() -> None:
    top, bottom, _ = EQUATIONS.outputs(
        EQUATIONS.steady_state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance
    ).full().ravel()  # fmt: skip
    assert top == pytest.approx(96.25 - 12.8 * 0.05 + 18.9 * 0.05)
    assert bottom == pytest.approx(0.5 - 6.6 * 0.05 + 19.4 * 0.05)


def test_the_gains_at_rest_are_those_of_the_source() -> None:
    whole = linearise(EQUATIONS)
    assert whole.steady_gain[:2] == pytest.approx(np.array([[12.8, -18.9], [6.6, -19.4]]), rel=1e-5)
    assert whole.steady_disturbance_gain[:2, 0] == pytest.approx([3.8, 4.9], rel=1e-5)


@pytest.mark.parametrize(
    ("output", "mv", "dead_min", "lag_min"),
    [(0, 0, 1.0, 16.7), (0, 1, 3.0, 21.0), (1, 0, 7.0, 10.9), (1, 1, 3.0, 14.4)],
)
def test_a_step_comes_after_the_dead_time_and_with_the_lag_of_the_source(
    output: int, mv: int, dead_min: float, lag_min: float
) -> None:
    whole = linearise(EQUATIONS)
    # The first moment of an impulse response is dead time plus lag, whatever stands for the dead time.
    inverse = np.linalg.inv(whole.A)
    gain = -(whole.C @ inverse @ whole.B)[output, mv]
    moment = (whole.C @ inverse @ inverse @ whole.B)[output, mv]
    assert moment / gain / 60.0 == pytest.approx(dead_min + lag_min, rel=1e-6)
