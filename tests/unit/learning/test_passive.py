"""What a log in which no MV moves adds to one in which they do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, QUICK, Record, record

from procwm.data.cadence import default_hold_s
from procwm.data.series import Log, TagSeries
from procwm.data.window import WindowRule, grid
from procwm.errors import TrainingError
from procwm.learning.dataset.parts import Part, part, passive_part
from procwm.learning.identification.preparation import prepare
from procwm.learning.identification.regression import PASSIVE_WEIGHT, sums, with_passive
from procwm.learning.identification.state_space import followed, mean_squared_error
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.optimisation.pretraining import pretrained
from procwm.learning.train import Progress, train
from procwm.world.linear import LinearDynamics
from procwm.world.scaler import fit_scaler

HORIZON = 20
NONE = torch.zeros(0, dtype=torch.long)
UNREAD = (torch.zeros((4, 0), dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
SHORT = replace(QUICK, horizon=HORIZON)
_LINEAR = "encoder.linear.weight"
QUIET = Record(2000, seed=7, frozen=True, noise=0.1).log


def _part(log: Log) -> Part:
    rows = grid(
        log, WindowRule(tags=PLANT.names, interval_s=10.0, history=8, hold_s=default_hold_s(PLANT, log))
    )
    return part(rows, PLANT, fit_scaler(PLANT, PLANT.names, rows.values, rows.valid), HORIZON, 1)


def _error(model: LinearDynamics, part_of: Part, log: Log) -> float:
    """Of the model on another log, in its own scale."""
    rows = grid(log, part_of.grid.rule)
    scaler = fit_scaler(PLANT, PLANT.names, part_of.grid.values, part_of.grid.valid)
    found = part(rows, PLANT, scaler, HORIZON, 1)
    return float(
        mean_squared_error(model, followed(found.tensors, found.moments, HORIZON, NONE), UNREAD).mean().sqrt()
    )


def test_a_short_log_teaches_more_beside_a_long_one_in_which_no_mv_moves() -> None:
    errors = np.empty((4, 2))
    for seed in range(len(errors)):
        log, later = Record(140, seed=seed, noise=0.1).log, Record(400, seed=seed + 50, noise=0.1).log
        for column, passive in enumerate((None, QUIET)):
            whole = prepare(PLANT, log, SHORT, passive).whole
            errors[seed, column] = _error(whole.reference, whole.part, later)
    assert errors[:, 1].mean() < 0.9 * errors[:, 0].mean()


def _quiet(found: Part, log: Log = QUIET) -> Part:
    scaler = fit_scaler(PLANT, PLANT.names, found.grid.values, found.grid.valid)
    quiet = passive_part(grid(log, found.grid.rule), found, PLANT, scaler, HORIZON)
    assert quiet is not None
    return quiet


def test_a_passive_log_weighs_the_same_however_long_it_is() -> None:
    found = _part(record(400).log)
    quiet = _quiet(found)
    one, alone = (
        sums(log, moments, HORIZON, NONE)
        for log, moments in ((found.tensors, found.moments), (quiet.tensors, quiet.moments))
    )
    doubled = sums(quiet.tensors, torch.cat((quiet.moments, quiet.moments)), HORIZON, NONE)
    once, twice = (with_passive(one, passive) for passive in (alone, doubled))
    assert torch.allclose(once.covariance, twice.covariance)
    wanted = (one.covariance + PASSIVE_WEIGHT * alone.covariance) / (1.0 + PASSIVE_WEIGHT)
    assert torch.allclose(once.covariance, wanted)
    assert torch.equal(once.mean, one.mean)


@pytest.mark.parametrize("complete", [True, False])
def test_what_is_flagged_in_one_log_is_flagged_in_the_other(complete: bool) -> None:
    found = _part(record(400).log)
    beside = replace(found, tensors=replace(found.tensors, complete=complete))
    quiet = _quiet(beside, QUIET if complete else _with_holes(QUIET))
    one, other = (sums(part.tensors, part.moments, HORIZON, NONE) for part in (beside, quiet))
    assert len(one.mean) == len(other.mean)


def _with_holes(log: Log) -> Log:
    """A log in which the pressure fails for an hour."""
    pressure = log.series["PT.PV"]
    bad = np.zeros(len(pressure), dtype=np.int8)
    bad[100:200] = 2
    series = {**log.series, "PT.PV": TagSeries(pressure.time_ns, pressure.value, bad)}
    return Log(series=series, mv_names=log.mv_names)


def test_a_passive_log_that_is_too_short_is_refused() -> None:
    short = Record(20, frozen=True).log
    with pytest.raises(TrainingError, match="the log has 0 passive moments with 28 rows"):
        prepare(PLANT, record(400).log, SHORT, short)


def test_a_checkpoint_belongs_to_its_passive_log(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    checkpoint = tmp_path / "checkpoint"
    config = replace(SHORT, steps=4, check_every=2, checkpoint_s=0.0)
    log = record(400).log
    with pytest.raises(KeyboardInterrupt):
        train(PLANT, log, passive=QUIET, checkpoint=checkpoint, progress=stop, config=config)
    with pytest.raises(TrainingError, match="another log, plant, seed or configuration"):
        train(PLANT, log, checkpoint=checkpoint, config=config)


def test_pretraining_moves_the_encoder_alone() -> None:
    config = replace(SHORT, pretraining=3)
    material = prepare(PLANT, record(400).log, config, QUIET).training
    before, after = Optimisation(material, config, 0).average.state_dict(), pretrained(material, config, 0)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"encoder"}
    assert torch.equal(Optimisation(material, config, 0, after).average.encoder.linear.weight, after[_LINEAR])


def test_there_is_no_pretraining_without_a_passive_log() -> None:
    with pytest.raises(TrainingError, match="pretraining takes 3 steps on a passive log; none was given"):
        prepare(PLANT, record(400).log, replace(SHORT, pretraining=3))
