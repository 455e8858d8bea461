"""The linear model that training starts from, against plants that are known."""

import dataclasses

import numpy as np
import pytest
import torch
from learning_cases import PLANT, Record, record

from procwm.data.anchors import HELD_OUT, LEAST_MOMENTS, SHORTEST_HISTORY, SHORTEST_HORIZON
from procwm.data.cadence import default_hold_s
from procwm.data.series import Log, TagSeries
from procwm.data.window import WindowRule, grid
from procwm.errors import TrainingError
from procwm.learning.config import TrainingConfig
from procwm.learning.dataset import parts
from procwm.learning.dataset.parts import Part, part
from procwm.learning.identification.preparation import prepare
from procwm.learning.identification.regression import regress, sums, sums_of_each
from procwm.learning.identification.state_space import followed, mean_squared_error, state_space, states
from procwm.plant.tags import PlantSpec, Role
from procwm.world.linear import LinearDynamics
from procwm.world.scaler import fit_scaler

HORIZON = 20
NONE = torch.zeros(0, dtype=torch.long)
UNREAD = (torch.zeros((6, 0), dtype=torch.float64), torch.zeros(0, dtype=torch.float64))


def learned(log: Log, weight: float = 1e-3, plant: PlantSpec = PLANT) -> tuple[Part, LinearDynamics]:
    hold_s = default_hold_s(plant, log)
    rows = grid(log, WindowRule(tags=plant.names, interval_s=10.0, history=16, hold_s=hold_s))
    found = part(rows, plant, fit_scaler(plant, plant.names, rows.values, rows.valid), HORIZON)
    foreseen = regress(sums(found.tensors, found.moments, HORIZON, NONE), weight)
    seen = states(found.tensors, found.moments, foreseen, 6)
    return found, state_space(found.tensors, seen, 6)


def test_the_outputs_of_the_start_are_the_measured_ones() -> None:
    found, model = learned(record(1500).log)
    window = found.tensors.windows(found.moments)
    features = torch.cat((window.values.flatten(1), 1.0 - window.valid.flatten(1)), dim=1).double()
    read = model.readout(model.encoder(features))
    assert torch.allclose(read, found.tensors.outputs[found.moments].double(), atol=1e-5)


def test_states_are_white() -> None:
    found, model = learned(record(1500).log)
    window = found.tensors.windows(found.moments)
    features = torch.cat((window.values.flatten(1), 1.0 - window.valid.flatten(1)), dim=1).double()
    covariance = torch.cov(model.encoder(features).T, correction=0)
    assert torch.allclose(covariance, torch.eye(6, dtype=torch.float64), atol=0.02)


@pytest.mark.parametrize("weight", [1e-3, 1e-1])
def test_a_slow_quiet_tag_is_foreseen_better_than_by_persistence_one_interval_ahead(weight: float) -> None:
    found, model = learned(Record(1500, noise=0.0).log, weight=weight)
    tensors, moments = found.tensors, found.moments
    error = mean_squared_error(model, followed(tensors, moments, HORIZON, NONE), UNREAD)[0]
    change = (tensors.outputs[moments + 1] - tensors.outputs[moments]).double().square().mean(dim=0)
    assert (error < 0.1 * change).all()


def test_a_plant_without_measured_disturbances_has_a_start() -> None:
    plant = dataclasses.replace(PLANT, tags=tuple(tag for tag in PLANT.tags if tag.role is not Role.DV))
    found, model = learned(record(1500).log, plant=plant)
    error = mean_squared_error(model, followed(found.tensors, found.moments, HORIZON, NONE), UNREAD)[-1]
    assert (error < 0.1 * found.tensors.outputs.var(dim=0)).all()


def test_missing_values_are_flagged_to_the_start_and_do_no_harm() -> None:
    log = record(1500).log
    pressure = log.series["PT.PV"]
    bad = np.zeros(len(pressure), dtype=np.int8)
    bad[::7] = 2
    parted = {**log.series, "PT.PV": TagSeries(pressure.time_ns, pressure.value, bad)}
    plant = dataclasses.replace(
        PLANT, tags=tuple(dataclasses.replace(tag, max_hold_s=5.0) for tag in PLANT.tags)
    )
    rule = WindowRule(tags=plant.names, interval_s=10.0, history=16, hold_s=(5.0, np.inf, 5.0, 5.0))
    rows = grid(Log(series=parted, mv_names=log.mv_names), rule)
    found = part(rows, plant, fit_scaler(plant, rule.tags, rows.values, rows.valid), HORIZON)
    assert not found.tensors.complete
    seen = states(
        found.tensors, found.moments, regress(sums(found.tensors, found.moments, HORIZON, NONE), 1e-2), 6
    )
    whole, model = learned(log)
    harmed = mean_squared_error(
        state_space(found.tensors, seen, 6), followed(found.tensors, found.moments, HORIZON, NONE), UNREAD
    )
    assert float(harmed[:, 0].mean()) < 1.5 * float(
        mean_squared_error(model, followed(whole.tensors, whole.moments, HORIZON, NONE), UNREAD)[:, 0].mean()
    )


def test_the_shortest_log_that_is_enough_is_learned_from_and_one_row_less_is_not() -> None:
    # Without its held-out end the log must hold so many moments; of the first row the MV is not known yet.
    enough = int(np.ceil((LEAST_MOMENTS + SHORTEST_HISTORY + SHORTEST_HORIZON - 1) / (1.0 - HELD_OUT))) + 1
    assert prepare(PLANT, Record(enough).log, TrainingConfig()).whole.rule.history == SHORTEST_HISTORY
    with pytest.raises(TrainingError, match="at least 64 are needed"):
        prepare(PLANT, Record(enough - 1).log, TrainingConfig())


def test_sums_over_moments_that_sets_share_are_those_of_each_set() -> None:
    found, _ = learned(record(600).log)
    sets = [found.moments[:300], found.moments[100:], found.moments[::7]]
    for own, together in zip(sets, sums_of_each(found.tensors, sets, HORIZON, NONE), strict=True):
        alone = sums(found.tensors, own, HORIZON, NONE)
        for each in dataclasses.fields(alone):
            values = [getattr(one, each.name) for one in (together, alone)]
            torch.testing.assert_close(*values, rtol=1e-10, atol=1e-10)


def test_a_long_log_is_regressed_on_moments_from_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_REGRESSED", 200)
    found, _ = learned(record(600).log)
    assert len(found.regressed) == 200
    assert bool(torch.isin(found.regressed, found.moments).all())
    quarters = torch.histc(found.regressed.double(), bins=4, min=0.0, max=600.0)
    assert float(quarters.min()) > 30
