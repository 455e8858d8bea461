import dataclasses
from pathlib import Path

import pytest
import torch
from learning_cases import PLANT, QUICK, killed_and_resumed, record

from procwm.errors import TrainingError
from procwm.learning.config import TrainingConfig
from procwm.learning.identification.preparation import Prepared, prepare
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.optimisation.restraint import RESTRAINT, WORTH_RESTRAINT, RestraintTrials
from procwm.learning.train import train

OPEN = dataclasses.replace(QUICK, restraint=None, steps=80, members=0)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(PLANT, record(1500).log, OPEN)


@pytest.fixture
def choice(prepared: Prepared) -> RestraintTrials:
    """Both trials done."""
    found = RestraintTrials(prepared, OPEN, seed=0)
    while not found.finished:
        found.due.advance()
    assert len(found.trials) == 2
    return found


def _with_errors(choice: RestraintTrials, number: int, errors: torch.Tensor) -> None:
    trial = choice.trials[number]
    trial.__dict__["kept"] = dataclasses.replace(trial.kept, errors=errors)


def test_a_wholly_restrained_run_stays_with_the_linear_start(prepared: Prepared) -> None:
    moments = prepared.validation.moments

    def moved(restraint: float) -> float:
        """How far predictions of held-out time come away from the linear start's."""
        run = Optimisation(prepared.training, dataclasses.replace(OPEN, restraint=restraint), 0)
        tensors, future = prepared.validation.tensors, prepared.validation.tensors.future(moments, 8)

        def predicted() -> torch.Tensor:
            trainee = run.average
            latent = trainee.encoder(tensors.windows(moments))
            outputs: torch.Tensor = trainee.readout(trainee.imagine(latent, future.mv, future.dv))
            return outputs

        start = predicted()
        while run.step < 40:
            run.advance()
        return float((predicted() - start).square().mean().sqrt())

    assert moved(1.0) < 0.7 * min(moved(0.0), moved(0.5))


def test_the_trial_that_foresees_held_out_time_better_is_taken(choice: RestraintTrials) -> None:
    bold, restrained = choice.trials
    assert (bold.config.restraint, restrained.config.restraint) == (0.0, RESTRAINT)
    errors = restrained.start.errors - 0.5
    _with_errors(choice, 1, errors)
    _with_errors(choice, 0, errors + 0.01)
    assert choice.taken is restrained
    del choice.__dict__["taken"]
    _with_errors(choice, 0, errors - 0.01)
    assert choice.taken is bold


def test_no_restrained_trial_is_made_where_restraint_is_given_or_nothing_helps(prepared: Prepared) -> None:
    harmful = dataclasses.replace(OPEN, rate=1.0, linear_rate=1.0, encoder_rate=1.0, steps=10, check_every=5)
    for config in (dataclasses.replace(OPEN, restraint=0.3, steps=10), harmful):
        found = RestraintTrials(prepared, config, seed=0)
        while not found.finished:
            found.due.advance()
        assert found.trials == (found.taken,)
        assert found.taken.config.restraint == (config.restraint or 0.0)


@pytest.mark.parametrize(("left", "trials"), [(WORTH_RESTRAINT - 0.01, 1), (WORTH_RESTRAINT + 0.01, 2)])
def test_what_learns_most_by_itself_is_not_tried_with_restraint(
    prepared: Prepared, left: float, trials: int
) -> None:
    found = RestraintTrials(prepared, dataclasses.replace(OPEN, steps=1), seed=0)
    (bold,) = found.trials
    bold.advance()
    bold.__dict__["kept"] = dataclasses.replace(bold.start, errors=torch.full_like(bold.start.errors, left))
    assert len(found.trials) == trials


def test_a_training_killed_in_its_restrained_trial_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = dataclasses.replace(OPEN, checkpoint_s=0.0)
    log = record(1500).log
    whole = train(PLANT, log, config=asking)
    until = asking.steps + 5
    resumed, steps = killed_and_resumed(log, asking, until, tmp_path / "training", monkeypatch)
    assert steps == 2 * asking.steps + int(whole.metrics["best_step"]) - until
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_restraint_beyond_one_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"restraint is 1\.5"):
        TrainingConfig(restraint=1.5)
