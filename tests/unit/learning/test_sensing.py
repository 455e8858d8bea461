"""Sensors of many channels, learned without labels, on a plant whose states are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sensor_cases import SensedPlant, sensed_plant

from procwm.errors import TrainingError
from procwm.learning.sensing.array_learning import learn_arrays
from procwm.learning.sensing.array_model import ArrayModel
from procwm.learning.sensing.channel_nuisances import ChannelNuisances
from procwm.learning.sensing.laboratory_head import LaboratoryHead, learn_laboratory_head
from procwm.learning.sensing.latent_objective import ArrayTraining, LatentTargets
from procwm.learning.sensing.predictive_start import predictive_start

TAUGHT = 500
QUICK = ArrayTraining(steps=8, batch=8)
PLANT = sensed_plant()


def _learned(config: ArrayTraining = QUICK, seed: int = 0) -> ArrayModel:
    return learn_arrays(PLANT.arrays[:TAUGHT], PLANT.mv[:TAUGHT], seed=seed, config=config)


def _head(model: ArrayModel, plant: SensedPlant, rows: np.ndarray) -> LaboratoryHead:
    directions = model.directions(plant.arrays, plant.mv)
    return learn_laboratory_head([each[rows] for each in directions], plant.moved[rows], model.shares)


def test_what_flickers_is_no_latent_however_large_it_is() -> None:
    arrays = torch.as_tensor(sensed_plant(flicker=30.0).arrays)
    start = predictive_start(arrays)
    latent = arrays @ start.weight.T + start.offset
    shown = np.corrcoef(latent.T, sensed_plant(flicker=30.0).moved)[-1, :-1]
    assert np.linalg.norm(shown) > 0.95
    assert latent.std(dim=0)[:2] == pytest.approx(1.0, abs=0.1)


def test_the_direction_that_the_moves_move_comes_first() -> None:
    model = _learned(replace(QUICK, steps=0))
    (directions,), (shares,) = model.directions(PLANT.arrays, PLANT.mv), model.shares
    assert abs(np.corrcoef(directions[:, 0], PLANT.moved)[0, 1]) > 0.95
    assert shares[0] > 0.9
    assert shares[1] < 0.5


def test_six_labels_tell_a_quantity_on_later_time() -> None:
    model = _learned()
    head = _head(model, PLANT, np.linspace(30, TAUGHT - 1, 6).astype(int))
    later = [each[TAUGHT:] for each in model.directions(PLANT.arrays, PLANT.mv)]
    error = head(later) - PLANT.moved[TAUGHT:]
    assert error.std() < 0.25 * PLANT.moved.std()


def test_directions_are_foreseen_under_the_moves() -> None:
    model, horizon = _learned(), 10
    head = _head(model, PLANT, np.linspace(30, TAUGHT - 1, 20).astype(int))
    ahead = head([each[TAUGHT:] for each in model.directions_ahead(PLANT.arrays, PLANT.mv, horizon)])
    true = PLANT.moved[TAUGHT + horizon :]
    assert len(ahead) == len(true)
    assert (ahead - true).std() < 0.4 * true.std()


def test_the_band_holds_what_it_says_and_is_infinite_for_too_few_labels() -> None:
    model = _learned()
    head = _head(model, PLANT, np.linspace(30, TAUGHT - 1, 30).astype(int))
    later = [each[TAUGHT:] for each in model.directions(PLANT.arrays, PLANT.mv)]
    assert np.mean(np.abs(head(later) - PLANT.moved[TAUGHT:]) <= head.band) > 0.75
    assert _head(model, PLANT, np.array([30, 200, 400])).band == np.inf


def test_a_quantity_comes_back_in_its_own_unit() -> None:
    model, rows = _learned(), np.linspace(30, TAUGHT - 1, 12).astype(int)
    directions = [each[rows] for each in model.directions(PLANT.arrays, PLANT.mv)]
    plain = learn_laboratory_head(directions, PLANT.moved[rows], model.shares)
    other = learn_laboratory_head(directions, 300.0 + 50.0 * PLANT.moved[rows], model.shares)
    assert other(directions) == pytest.approx(300.0 + 50.0 * plain(directions))


@pytest.mark.parametrize("targets", list(LatentTargets))
def test_the_same_seed_learns_the_same(targets: LatentTargets) -> None:
    config = replace(QUICK, targets=targets)
    first, again, other = (_learned(config, seed).losses for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(10))
def test_learning_does_no_harm_whatever_the_seed(seed: int) -> None:
    model = _learned(seed=seed)
    head = _head(model, PLANT, np.linspace(30, TAUGHT - 1, 12).astype(int))
    later = [each[TAUGHT:] for each in model.directions(PLANT.arrays, PLANT.mv)]
    assert (head(later) - PLANT.moved[TAUGHT:]).std() < 0.2 * PLANT.moved.std()


def test_learning_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    _learned()
    assert torch.equal(torch.rand(1), expected)


def test_a_sensor_of_a_plant_that_nobody_moves_is_learned_all_the_same() -> None:
    model = learn_arrays(PLANT.arrays, PLANT.mv[:, :0], seed=0, config=QUICK)
    assert all((shares == 1.0).all() for shares in model.shares)
    model = learn_arrays(
        PLANT.arrays, PLANT.mv[:, :0], seed=0, config=replace(QUICK, targets=LatentTargets.OWN)
    )
    assert np.isfinite(model.losses).all()


def test_a_channel_that_stands_still_does_no_harm() -> None:
    arrays = PLANT.arrays.copy()
    arrays[:, 3] = 1.0
    model = learn_arrays(arrays, PLANT.mv, seed=0, config=QUICK)
    assert all(torch.isfinite(each).all() for each in model.directions(arrays, PLANT.mv))


def test_without_nuisances_arrays_stay_as_they_are() -> None:
    none = ChannelNuisances(gain=0.0, baseline=0.0, shift=0.0, hidden=0.0)
    arrays = torch.as_tensor(PLANT.arrays[:20], dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(none.disturbed(arrays, 1.0, generator), arrays)
    assert (none.mask(20, 30, generator) == 1.0).all()


def test_nuisances_differ_from_array_to_array() -> None:
    arrays = torch.as_tensor(PLANT.arrays[:1], dtype=torch.float32).expand(20, -1)
    generator = torch.Generator().manual_seed(0)
    added = ChannelNuisances().disturbed(arrays, 1.0, generator) - arrays
    assert (added.std(dim=0) > 0.0).all()
    mask = ChannelNuisances(hidden=0.5).mask(20, 30, generator)
    assert 0.2 < mask.mean() < 0.8


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(TrainingError, match="at least"):
        learn_arrays(PLANT.arrays[:40], PLANT.mv[:40], seed=0)
    arrays = PLANT.arrays.copy()
    arrays[5, 5] = np.nan
    with pytest.raises(TrainingError, match="finite"):
        learn_arrays(arrays, PLANT.mv, seed=0)
    with pytest.raises(TrainingError, match="2 laboratory values"):
        learn_laboratory_head([torch.zeros((2, 3)).double()], np.zeros(2), [torch.ones(3).double()])
    with pytest.raises(TrainingError, match="not finite"):
        learn_laboratory_head([torch.zeros((3, 3)).double()], np.full(3, np.nan), [torch.ones(3).double()])
