"""Feedback that is made slower as long as the loop hardly suffers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_loop import HISTORY, loop, model_of, plant_spec

from procwm.control.caution import caution
from procwm.control.unhurried import TriedLoop, patient
from procwm.planning.objective import row_weights
from procwm.plant.contract import ControlSettings
from procwm.world.step_responses import step_responses

SPEC = plant_spec()
MODEL = model_of(SPEC)


def error(size: float) -> np.ndarray:
    return np.full((MODEL.horizon, 2, 2), size)


def multiple(size: float) -> float:
    """Of the price of moves whose effects are known to `size`."""
    found = (patient(MODEL, SPEC, error(size)) / error(size)) ** 2
    assert np.ptp(found) == pytest.approx(0.0, abs=1e-9)
    return float(found.flat[0])


def test_the_better_a_log_shows_effects_the_less_a_multiple_of_their_price_costs() -> None:
    known = [multiple(size) for size in (0.02, 0.08, 0.1, 1.0)]
    assert known[0] == pytest.approx(10.0), "the most there is"
    assert known[0] > known[1] > known[2] > known[3] == 1.0


def test_where_nothing_is_in_doubt_or_caution_is_off_nothing_changes() -> None:
    np.testing.assert_array_equal(patient(MODEL, SPEC, error(0.0)), error(0.0))
    off = replace(SPEC, control=ControlSettings(caution=0.0))
    np.testing.assert_array_equal(patient(MODEL, off, error(0.02)), error(0.02))


def test_a_model_that_diverges_has_no_loop_to_try() -> None:
    model = model_of(SPEC)
    model.predictor.linear.weight[:, :2] = torch.nan
    np.testing.assert_array_equal(patient(model, SPEC, error(0.02)), error(0.02))


def test_the_price_is_raised_until_the_loop_would_cost_a_tenth_more() -> None:
    span = np.full(2, 100.0)
    response = MODEL.per_unit(step_responses(MODEL)).transpose(0, 2, 1)
    tried = TriedLoop(response=response, move_weight=np.array([0.05, 0.05]))
    price = caution(error(0.1), np.ones(2), span, span)
    least, taken = tried.cost(0.0 * price), multiple(0.1)
    assert tried.cost(taken * price) <= 1.1 * least < tried.cost(10.0**0.25 * taken * price)


def test_the_loop_that_is_tried_costs_what_the_same_one_costs_written_out() -> None:
    rises = 0.5 * (1.0 - 0.6 ** np.arange(1, 7))
    horizon, weight, dear = len(rises), 0.05, 0.02
    tried = TriedLoop(response=rises[:, None, None], move_weight=np.array([weight]))
    effect = np.array([[rises[k - j] if k >= j else 0.0 for j in range(horizon)] for k in range(horizon)])
    rows = np.diag(row_weights(horizon))
    gram = effect.T @ rows @ effect + (weight + dear) * np.eye(horizon)
    gain = np.linalg.solve(gram, effect.T @ rows)[0]
    moves, cost = [], 0.0

    def level(at: int) -> float:
        return sum(rises[min(at - made, horizon - 1)] * move for made, move in enumerate(moves) if made <= at)

    for now in range(2 * horizon):
        moves.append(float(gain @ [1.0 - level(now + lead) for lead in range(horizon)]))
        cost += (1.0 - level(now)) ** 2 + weight * moves[-1] ** 2
    assert tried.cost(np.array([dear])) == pytest.approx(cost, rel=1e-6)


def test_a_controller_takes_its_time_and_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    known = MODEL.with_calibration(response_standard_error=torch.tensor(error(0.08)))

    def travel() -> float:
        run = loop(SPEC, model=known, noise=0.5).run(HISTORY + 60, setpoints={"L1": 55.0})
        assert run.levels[-20:, 0].mean() == pytest.approx(55.0, abs=0.5)
        return float(np.abs(np.diff(run.moves, axis=0)).sum())

    patiently = travel()
    monkeypatch.setattr("procwm.control.controller.patient", lambda model, plant, error: error)
    assert patiently < 0.9 * travel()
