import numpy as np
import pytest
import torch

from procwm.control.disturbance import Disturbance, DisturbanceEstimator
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model

POLE, GAIN, HORIZON = 0.8, 0.5, 8


def plant() -> PlantSpec:
    return PlantSpec(
        name="one level",
        interval_s=1.0,
        tags=(
            Tag(name="L", role=Role.CV, unit="%", range=(-100.0, 100.0), setpoint=0.0),
            Tag(name="V", role=Role.MV, unit="%", range=(-100.0, 100.0)),
        ),
    )


class Bench:
    """A first-order plant beside its model; the latent is the scaled level, and the level is measured."""

    def __init__(self, *, gain: float = GAIN, load: float = 0.0, noise: float = 0.0, seed: int = 0) -> None:
        self.model = exact_model(
            plant(), state_matrix=np.array([[POLE]]), input_matrix=np.array([[GAIN]]), horizon=HORIZON
        )
        self.estimator = DisturbanceEstimator(self.model)
        self.gain, self.load, self.noise, self.level = gain, load, noise, 0.0
        self.rng = np.random.default_rng(seed)
        self.state = self.estimator.start()
        self.tick(0.0)

    def tick(self, mv: float, *, measured: float | None = None) -> Disturbance:
        self.level = POLE * self.level + self.gain * mv + self.load
        reading = self.level + self.noise * self.rng.standard_normal() if measured is None else measured
        latent = self.model.tensor(np.array([reading]), ["L"]).numpy()
        self.state = self.estimator.update(
            self.state,
            latent=latent,
            mv=np.array([[mv]]),
            dv=np.zeros((1, 0)),
            output=np.array([[reading]]),
        )
        return self.state

    def corrected(self, mv: float) -> np.ndarray:
        """Predicted levels of resting at `mv`, disturbance estimate included."""
        level, rows = self.level, []
        for _ in range(HORIZON):
            level = POLE * level + GAIN * mv
            rows.append(level)
        return np.array(rows) + self.state.bias[:, 0]


def test_an_exact_model_without_a_load_needs_no_correction() -> None:
    bench = Bench()
    for mv in (1.0, -2.0, 3.0) * 5:
        bench.tick(mv)
    np.testing.assert_allclose(bench.state.bias, 0.0, atol=1e-9)


@pytest.mark.parametrize(("gain", "load"), [(GAIN, 0.7), (0.8 * GAIN, 0.0), (1.3 * GAIN, -0.4)])
def test_at_rest_the_corrected_prediction_is_exact_at_every_lead(gain: float, load: float) -> None:
    bench = Bench(gain=gain, load=load)
    for _ in range(80):
        bench.tick(2.0)
    np.testing.assert_allclose(bench.corrected(2.0), bench.level, atol=1e-6)


def test_one_bias_for_all_leads_would_leave_an_offset() -> None:
    bench = Bench(load=0.7)
    for _ in range(80):
        bench.tick(2.0)
    assert bench.state.bias[-1, 0] > 3.0 * bench.state.bias[0, 0]


def test_leads_that_nothing_has_reached_yet_take_the_longest_known_bias() -> None:
    bench = Bench(load=0.7)
    for _ in range(3):
        bench.tick(2.0)
    assert (bench.state.count[:, 0] > 0).tolist() == [True] * 3 + [False] * (HORIZON - 3)
    assert set(bench.state.bias[3:, 0]) == {bench.state.bias[2, 0]}


def test_a_missing_measurement_teaches_nothing_and_the_latents_go_on() -> None:
    bench = Bench(load=0.7)
    for _ in range(40):
        bench.tick(2.0)
    before = bench.state
    for _ in range(3):
        bench.tick(2.0, measured=float("nan"))
    np.testing.assert_array_equal(bench.state.bias, before.bias)
    np.testing.assert_array_equal(bench.state.count, before.count)
    for _ in range(20):
        bench.tick(2.0)
    np.testing.assert_allclose(bench.corrected(2.0), bench.level, atol=1e-3)


def test_an_outlier_moves_the_estimate_no_more_than_a_few_typical_errors() -> None:
    bench = Bench(noise=0.1)
    for _ in range(60):
        bench.tick(2.0)
    before = bench.state
    bench.tick(2.0, measured=bench.level + 80.0)
    assert np.abs(bench.state.bias - before.bias).max() < 1.0


def test_a_real_load_is_learned_although_it_looks_like_an_outlier_at_first() -> None:
    bench = Bench(noise=0.02)
    for _ in range(40):
        bench.tick(2.0)
    bench.load = 5.0
    for _ in range(60):
        bench.tick(2.0)
    np.testing.assert_allclose(bench.corrected(2.0), bench.level, atol=0.3)


def test_a_missed_tick_shifts_the_leads_and_corrupts_none() -> None:
    bench = Bench(load=0.7)
    for _ in range(40):
        bench.tick(2.0)
    levels = []
    for _ in range(2):
        bench.level = POLE * bench.level + GAIN * 2.0 + bench.load
        levels.append([bench.level])
    bench.state = bench.estimator.update(
        bench.state,
        latent=bench.model.tensor(np.array(levels[-1]), ["L"]).numpy(),
        mv=np.full((2, 1), 2.0),
        dv=np.zeros((2, 0)),
        output=np.array(levels),
    )
    for _ in range(20):
        bench.tick(2.0)
    np.testing.assert_allclose(bench.corrected(2.0), bench.level, atol=1e-4)


def test_an_update_leaves_the_state_before_as_it_was() -> None:
    bench = Bench(load=0.7)
    for _ in range(5):
        bench.tick(2.0)
    before = bench.state
    copies = [array.copy() for array in (before.latent, before.bias, before.spread, before.count)]
    bench.tick(5.0)
    for array, copy in zip((before.latent, before.bias, before.spread, before.count), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_latent_that_runs_away_is_passed_over() -> None:
    bench = Bench()
    bench.state = Disturbance(
        np.full_like(bench.state.latent, np.inf), bench.state.bias, bench.state.spread, bench.state.count
    )
    bench.tick(1.0)
    assert np.isfinite(bench.state.bias).all()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    model = Bench().model
    model = model.with_calibration(feedback=torch.full_like(model.feedback, share))
    with pytest.raises(SpecError, match="above 0 and up to 1"):
        DisturbanceEstimator(model)
