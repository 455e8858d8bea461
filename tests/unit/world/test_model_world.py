from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_cases import PLANT
from torch import nn

from procwm.data.window import Window
from procwm.errors import SpecError
from procwm.testing import check_world_model, exact_model
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel, fill_forward
from procwm.world.parts.specs import WindowShape

A = np.array([[0.9, 0.1], [0.0, 0.8]])
B = np.array([[0.0], [0.5]])
E = np.array([[0.02], [0.0]])


def _exact(**options: object) -> WorldModel:
    return exact_model(
        PLANT,
        state_matrix=A,
        input_matrix=B,
        disturbance_matrix=E,
        offset=np.array([0.1, -0.2]),
        guards={"high": (np.array([1.0, 0.5]), -10.0)},
        **options,  # type: ignore[arg-type]
    )


def _window(level: float, pressure: float) -> Window:
    values = np.array([[level, 4.0, 5.0, pressure]] * 4)
    return Window(0, values, np.isfinite(values), np.isfinite(values))


def test_an_exact_model_keeps_the_contract() -> None:
    check_world_model(_exact(), [_window(6.0, 2.0), _window(3.0, 9.0)])


def test_an_exact_model_gives_the_linear_systems_trajectory() -> None:
    model = _exact()
    mv = np.array([[4.0], [6.0], [5.0]])
    dv = np.array([[5.0], [7.0], [6.0]])
    latent = model.encode(model.model_input([_window(6.0, 2.0)]))
    rollout = model.rollout(latent, model.tensor(mv, ("P.SP",))[None], model.tensor(dv, ("TD.PV",))[None])
    x, expected = np.array([6.0, 2.0]), []
    for u, d in zip(mv, dv, strict=True):
        x = A @ x + B @ u + E @ d + np.array([0.1, -0.2])
        expected.append(x)
    np.testing.assert_allclose(model.engineering(rollout.cv[0], ("LT.PV", "PT.PV")), expected, rtol=1e-12)
    guard = [x @ np.array([1.0, 0.5]) - 10.0 for x in expected]
    np.testing.assert_allclose(rollout.guard[0, :, 0].numpy(), guard, rtol=1e-12)


def test_only_the_present_row_matters_to_an_exact_model() -> None:
    model = _exact()
    window = _window(6.0, 2.0)
    past = window.values.copy()
    past[:-1] += 3.0
    other = Window(0, past, window.valid, window.valid)
    first, second = (model.encode(model.model_input([each])) for each in (window, other))
    assert torch.equal(first, second)


def test_every_output_of_an_exact_model_must_be_a_state() -> None:
    with pytest.raises(SpecError, match="every output must be a state"):
        exact_model(PLANT, state_matrix=np.eye(1), input_matrix=np.ones((1, 1)), states=("LT.PV",))


def test_missing_values_are_filled_from_the_past_of_the_window_alone() -> None:
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, np.nan], [4.0, 5.0]])
    filled = fill_forward(values, np.isfinite(values))
    np.testing.assert_array_equal(filled, [[0.0, 1.0], [2.0, 1.0], [2.0, 1.0], [4.0, 5.0]])


def test_a_missing_present_value_falls_back_on_the_last_one() -> None:
    model = _exact()
    window = _window(6.0, 2.0)
    values = window.values.copy()
    values[-1, 0] = np.nan
    gap = Window(0, values, np.isfinite(values), np.isfinite(values))
    assert torch.equal(model.encode(model.model_input([gap])), model.encode(model.model_input([window])))


def test_a_guardrail_is_added_to_a_copy_and_replaces_its_namesake() -> None:
    model = _exact()
    other = GuardHead(name="low", network=nn.Sequential(nn.Linear(2, 1)), margin=0.0, coverage=0.9)
    more = model.with_guard(other)
    assert model.guard_names == ("high",)
    assert more.guard_names == ("high", "low")
    stricter = GuardHead(name="high", network=nn.Sequential(nn.Linear(2, 1)), margin=1.0, coverage=0.9)
    replaced = more.with_guard(stricter)
    assert replaced.guard_names == ("low", "high")
    assert replaced.guard_heads[1].margin == 1.0
    assert all(parameter.dtype == torch.float64 for parameter in replaced.parameters())


def test_a_model_without_guardrails_has_an_empty_axis() -> None:
    model = exact_model(PLANT, state_matrix=A, input_matrix=B)
    latent = model.encode(model.model_input([_window(6.0, 2.0)]))
    assert model.guard(latent).shape == (1, 0)


def test_an_encoder_that_cannot_read_the_windows_is_refused() -> None:
    model = _exact()
    encoder = MlpEncoder().build(WindowShape(history=3, tags=4, latent=2))
    with pytest.raises(SpecError, match="cannot read windows of 4 rows and 4 tags"):
        replace(model.parts, dynamics=replace(model.parts.dynamics, encoder=encoder))
