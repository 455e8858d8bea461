"""Subspace identification, against a system that is known."""

import numpy as np
import pytest

from procwm.comparison.linear_model import identify_linear, prediction_error
from procwm.comparison.subspace import Stretch, identify
from procwm.data.series import Log
from procwm.errors import TrainingError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

A = np.array([[0.95, 0.1], [0.0, 0.8]])
B = np.array([[0.0], [0.3]])
C = np.array([[1.0, 0.0]])
K = np.array([[0.3], [0.1]])
GAIN = (C @ np.linalg.solve(np.eye(2) - A, B)).item()


def stretch(rows: int, *, seed: int = 0, noise: float = 0.05, feedback: float = 0.0) -> Stretch:
    """Input steps every 20 rows, and an operator who moves against the output."""
    rng = np.random.default_rng(seed)
    steps = np.repeat(rng.standard_normal((rows // 20 + 1, 1)), 20, axis=0)[:rows]
    x, u, y = np.zeros(2), np.empty((rows, 1)), np.empty((rows, 1))
    for k in range(rows):
        e = noise * rng.standard_normal(1)
        y[k] = C @ x + e
        u[k] = steps[k] - feedback * y[k]
        x = A @ x + B @ u[k] + K @ e
    return u, y


@pytest.mark.parametrize("feedback", [0.0, 0.2])
def test_poles_and_gain_are_found_whether_or_not_somebody_closes_the_loop(feedback: float) -> None:
    model = identify([stretch(3000, feedback=feedback)], past=20, orders=(2,))[2]
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(model.A).real), [0.8, 0.95], atol=0.03)
    gain = (model.C @ np.linalg.solve(np.eye(2) - model.A, model.B)).item()
    assert gain == pytest.approx(GAIN, rel=0.06)


def test_what_cannot_be_foreseen_has_the_covariance_of_the_noise() -> None:
    model = identify([stretch(3000)], past=20, orders=(2,))[2]
    assert model.covariance.item() == pytest.approx(0.05**2, rel=0.1)


def test_stretches_are_not_joined_where_time_jumps() -> None:
    model = identify([stretch(80, seed=seed) for seed in range(40)], past=10, orders=(2,))[2]
    gain = (model.C @ np.linalg.solve(np.eye(2) - model.A, model.B)).item()
    assert gain == pytest.approx(GAIN, rel=0.1)


def test_a_filter_with_the_true_matrices_predicts_better_than_one_without_feedback() -> None:
    rows = [stretch(400)]
    assert prediction_error(A, B, C, K, rows) < prediction_error(A, B, C, 0.0 * K, rows)


PLANT = PlantSpec(
    name="two lags",
    interval_s=10.0,
    tags=(
        Tag(name="level", role=Role.CV, range=(-10.0, 10.0), setpoint=0.0),
        Tag(name="valve", role=Role.MV, range=(-5.0, 5.0)),
    ),
)


def log(rows: int, *, noise: float = 0.02) -> Log:
    """The system of this file as a routine log; row 10 has no Good sample of the level."""
    u, y = stretch(rows, noise=noise)
    samples = []
    for k in range(rows):
        now_ns = k * 10_000_000_000
        quality = Quality.BAD if k == 10 else Quality.GOOD
        samples.append(Sample("level", y[k].item(), quality, now_ns))
        samples.append(Sample("valve", u[k].item(), Quality.GOOD, now_ns + 1_000_000))
    return Log.from_samples(samples, PLANT)


def test_a_log_gives_a_model_in_scaled_units_with_the_plants_gain() -> None:
    model = identify_linear(PLANT, log(2000), history=33)
    order = model.order
    inner = np.linalg.solve(np.eye(order) - model.A[:order, :order], model.B[:order])
    gain = model.C[:, :order] @ inner * model.output_scale[:, None] / model.input_scale
    assert gain.item() == pytest.approx(GAIN, rel=0.06)
    assert 0.0 < model.error < 0.5


def test_a_log_too_short_to_identify_from_is_refused_with_its_length() -> None:
    with pytest.raises(TrainingError, match=r"two lags: the log has 1[0-9]{2} usable rows"):
        identify_linear(PLANT, log(150), history=33)
