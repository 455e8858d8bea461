"""Scales, the estimate of gains and the contest of versions, each apart from a loop."""

from dataclasses import replace

import numpy as np
from linear_loop import model_of, plant_spec

from procwm.control.adaptation.contest import Contest
from procwm.control.adaptation.gain_estimate import GainEstimate
from procwm.control.adaptation.tag_scales import LEAST, MOST, KnownRange, TagScales
from procwm.plant.tags import PlantSpec, Tag
from procwm.world.step_responses import step_responses

PRIOR = np.array([0.3])


def with_mv(plant: PlantSpec, **known: object) -> PlantSpec:
    """`plant` with something known of its first MV."""
    tags: list[Tag] = [replace(t, **known) if t.name == "V1" else t for t in plant.tags]  # type: ignore[arg-type]
    return replace(plant, tags=tuple(tags))


def test_an_mv_that_does_twice_as_much_has_step_responses_twice_as_large_and_the_others_stay() -> None:
    plant = plant_spec()
    model = model_of(plant)
    scaled = TagScales.as_trained(plant).with_factor(0, 2.0, 50.0).applied(model)
    before, after = (one.per_unit(step_responses(one)) for one in (model, scaled))
    np.testing.assert_allclose(after[:, 0], 2.0 * before[:, 0], rtol=1e-9)
    np.testing.assert_allclose(after[:, 1], before[:, 1], rtol=1e-9)


def test_an_output_that_answers_half_as_much_does_so_to_every_mv() -> None:
    plant = plant_spec()
    model = model_of(plant)
    scaled = TagScales.as_trained(plant).with_factor(3, 0.5, 50.0).applied(model)
    before, after = (one.per_unit(step_responses(one)) for one in (model, scaled))
    np.testing.assert_allclose(after[:, :, 1], 0.5 * before[:, :, 1], rtol=1e-9)
    np.testing.assert_allclose(after[:, :, 0], before[:, :, 0], rtol=1e-9)


def test_the_present_reading_means_after_a_change_what_it_meant_before() -> None:
    plant = plant_spec()
    scales = TagScales.as_trained(plant)
    model = model_of(plant)
    for index, factor, tag in ((0, 2.0, "V1"), (0, 0.7, "V1"), (2, 1.5, "L1"), (2, 0.9, "L1")):
        changed = scales.with_factor(index, factor, 61.0)
        reads = [one.applied(model).scaler.scale(np.array([61.0]), (tag,)) for one in (scales, changed)]
        np.testing.assert_allclose(reads[0], reads[1], rtol=1e-9)
        scales = changed


def test_gains_of_the_plant_file_bound_the_factor_and_a_setpoint_has_none() -> None:
    plant = with_mv(plant_spec(), gains={"L1": (0.5, 1.2)})
    model = model_of(plant)
    gain = model.per_unit(step_responses(model))[-1, 0, 0]
    known, scales = KnownRange(plant, model), TagScales.as_trained(plant)
    np.testing.assert_allclose(known.clipped(scales, 0, 9.0), 1.2 / gain)
    np.testing.assert_allclose(known.clipped(scales, 0, 0.1), 0.5 / gain)
    np.testing.assert_allclose(known.clipped(scales, 1, 9.0), MOST)
    np.testing.assert_allclose(known.clipped(scales, 1, -9.0), LEAST)
    twice = scales.with_factor(0, 1.1, 50.0)
    np.testing.assert_allclose(known.clipped(twice, 2, 9.0), 1.2 / gain / 1.1)
    held = with_mv(plant_spec(), setpoint_of="L1")
    free = [KnownRange(held, model_of(held)).free(index) for index in range(4)]
    assert free == [False, True, False, True]


def test_a_gain_outside_its_known_range_is_not_moved_further() -> None:
    plant = with_mv(plant_spec(), gains={"L1": (5.0, 6.0)})
    known, scales = KnownRange(plant, model_of(plant)), TagScales.as_trained(plant)
    assert known.clipped(scales, 0, 2.0) == known.clipped(scales, 0, 0.5) == 1.0


def test_outputs_keep_their_scale_where_a_guardrail_was_learned_on_it() -> None:
    plant = plant_spec()
    known = KnownRange(plant, model_of(plant, guard_above=80.0))
    assert [known.free(index) for index in range(4)] == [True, True, False, False]


def closed_loop_data(change: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planned and made responses and errors where half of what is made answers a load."""
    rng = np.random.default_rng(seed)
    planned, load = rng.standard_normal((2, 4000))
    made = planned - load
    return planned, made, change * made + load


def test_moves_made_against_loads_do_not_make_a_gain_look_small() -> None:
    for change in (0.0, 0.6):
        estimate = GainEstimate.before(PRIOR)
        planned, made, error = closed_loop_data(change, 0)
        for z, x, e in zip(planned, made, error, strict=True):
            estimate = estimate.learned(np.array([[z]]), np.array([[x]]), np.array([e]), np.array([1.0]))
        least_squares = float(made @ error / (made @ made))
        assert abs(estimate.change[0] - change) < 3.0 * estimate.deviation[0]
        assert least_squares < change - 0.4, "the trap is there"


def test_without_movement_or_measurement_nothing_is_learned_and_nothing_forgotten() -> None:
    estimate = GainEstimate.before(PRIOR)
    one, none = np.array([[1.0]]), np.array([[0.0]])
    for _ in range(50):
        estimate = estimate.learned(one, one, np.array([0.5]), np.array([1.0]))
    for _ in range(5000):
        still = estimate.learned(none, none, np.array([3.0]), np.array([1.0]))
        still = still.learned(one * 0.0, one, np.array([np.nan]), np.array([1.0]))
    assert still.change[0] == estimate.change[0]
    assert still.deviation[0] == estimate.deviation[0]


def test_what_was_seen_gives_way_to_what_is_new() -> None:
    estimate, one = GainEstimate.before(PRIOR), np.array([[1.0]])
    for change, count in ((0.0, 5000), (0.5, 500)):
        for _ in range(count):
            estimate = estimate.learned(one, one, np.array([change]), np.array([1.0]))
    assert 0.4 < estimate.change[0] < 0.5


def contested(held: np.ndarray, challenging: np.ndarray) -> Contest:
    contest = Contest()
    for one, other in zip(held, challenging, strict=True):
        contest = contest.ticked(np.array([[one]]), np.array([[other]]), np.array([[1.0]]), length=5, kept=40)
    return contest


def test_a_version_that_errs_less_wins_and_one_false_reading_decides_nothing() -> None:
    noise = np.random.default_rng(1).standard_normal((2, 400))
    better = contested(2.0 * noise[0], noise[0])
    assert better.t > 10.0
    assert 0.5 < better.better < 0.8
    spike = noise[0].copy()
    spike[100] = 1e6
    assert abs(contested(spike, noise[0]).t) < 2.0
    assert abs(contested(noise[0], noise[1]).t) < 3.0


def test_stretches_without_a_difference_and_without_measurements_do_not_count() -> None:
    noise = np.random.default_rng(2).standard_normal(200)
    assert contested(noise, noise).stretches == 0.0
    assert contested(np.full(200, np.nan), noise).ticks == 0
