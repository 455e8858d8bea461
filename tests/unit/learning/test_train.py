import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, QUICK, KilledError, Record, killed_and_resumed, record, trained
from threadpoolctl import threadpool_info

from procwm.data.anchors import SHORTEST_HORIZON
from procwm.data.series import Log, TagSeries
from procwm.data.window import grid
from procwm.errors import LogError, TrainingError
from procwm.learning.config import TrainingConfig
from procwm.learning.dataset.stopwatch import Stopwatch
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.identification.linear_start import HISTORIES, MOST_LATENTS
from procwm.learning.identification.preparation import prepare
from procwm.learning.optimisation.early_stopping import HeldOutTrial
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.train import Progress, train
from procwm.testing import check_world_model
from procwm.world.model import WorldModel
from procwm.world.predictors.mean import MeanPredictor
from procwm.world.storage.model_files import load_model

MEAN = MeanPredictor(hidden=(16,))


def _weights(model: WorldModel) -> dict[str, torch.Tensor]:
    return dict(model.state_dict())


def _equal(one: WorldModel, other: WorldModel) -> bool:
    pairs = zip(_weights(one).values(), _weights(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_trained_model_keeps_the_contract() -> None:
    model = trained()
    rows = grid(record(1500).log, model.rule)
    check_world_model(model, rows.windows(range(100, 110)))


def test_the_same_seed_gives_the_same_weights_whatever_the_callers_random_state() -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    again = train(PLANT, record(1500).log, config=QUICK)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert _equal(again, trained())


def test_another_seed_gives_other_weights() -> None:
    assert not _equal(train(PLANT, record(1500).log, seed=1, config=QUICK), trained())


@pytest.mark.parametrize("kill_after", [33, 165])
def test_killed_and_resumed_training_ends_with_the_same_weights(
    kill_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the first run, and in the final one."""
    config = dataclasses.replace(QUICK, checkpoint_s=0.0)
    path = tmp_path / "training.safetensors"
    model, steps = killed_and_resumed(record(1500).log, config, kill_after, path, monkeypatch)
    assert steps == QUICK.steps + trained().metrics["best_step"] - kill_after
    assert _equal(model, trained())
    assert not any(tmp_path.iterdir()), "nothing is left behind"


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a training that was killed after its first step leaves."""
    path = tmp_path / "training.safetensors"
    advance = Optimisation.advance

    def killed(run: Optimisation) -> None:
        if run.step == 1:
            raise KilledError
        advance(run)

    with monkeypatch.context() as patch:
        patch.setattr(Optimisation, "advance", killed)
        with pytest.raises(KilledError):
            train(
                PLANT, record(1500).log, config=dataclasses.replace(QUICK, checkpoint_s=0.0), checkpoint=path
            )
    return path


def test_a_checkpoint_of_another_training_is_refused(checkpoint: Path) -> None:
    with pytest.raises(TrainingError, match="another log, plant, seed or configuration"):
        train(PLANT, record(1500).log, seed=1, config=QUICK, checkpoint=checkpoint)


def test_a_checkpoint_cut_short_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(TrainingError, match="cut short: remove it"):
        train(PLANT, record(1500).log, config=QUICK, checkpoint=checkpoint)


def test_progress_is_told_after_every_check() -> None:
    told: list[Progress] = []
    train(PLANT, record(1500).log, config=QUICK, progress=told.append)
    assert [progress.step for progress in told[:4]] == [20, 40, 60, 80]
    assert told[-1].step == told[-1].steps == QUICK.steps + trained().metrics["best_step"]
    assert all(
        progress.step <= progress.steps <= 2 * QUICK.steps and np.isfinite(progress.error)
        for progress in told
    )


def test_a_training_takes_one_thread_and_gives_back_what_the_caller_had() -> None:
    had = torch.get_num_threads()
    torch.set_num_threads(3)
    during: set[int] = set()
    try:
        before = [library["num_threads"] for library in threadpool_info()]
        train(PLANT, record(1500).log, config=QUICK, progress=lambda _: during.update(_threads()))
        assert during == {1}
        assert torch.get_num_threads() == 3
        assert [library["num_threads"] for library in threadpool_info()] == before
    finally:
        torch.set_num_threads(had)


def _threads() -> set[int]:
    """Of torch and of every numerical library."""
    return {torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())}


def test_the_predictor_that_held_out_time_chooses_is_taken_and_kept(tmp_path: Path) -> None:
    few = dataclasses.replace(QUICK, steps=40, members=0, predictor=MEAN)
    log = record(1500).log
    chosen = train(PLANT, log, config=few)
    trial = HeldOutTrial(prepare(PLANT, log, few), few, seed=0)
    while not trial.finished:
        trial.advance()
    assert set(trial.best) == {"mlp", "scheduled", "mean"}
    assert len({check.error for check in trial.best.values()}) == 3
    best = trial.kept
    assert best is trial.best[best.kind]
    assert chosen.predictor.spec.kind == best.kind == chosen.metrics["predictor"]
    assert chosen.metrics["validation_error"] == best.error
    chosen.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model").predictor.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in chosen.predictor.state_dict().items())


def test_the_mean_gives_way_only_to_a_network_that_is_surely_better() -> None:
    few = dataclasses.replace(QUICK, steps=40, members=0, predictor=MEAN)
    prepared = prepare(PLANT, record(1500).log, few)

    def kept(gain: float, spread: float) -> str:
        """By a trial in which the perceptron is so much better than the mean."""
        trial = HeldOutTrial(prepared, few, seed=0)
        while not trial.finished:
            trial.advance()
        mean = trial.best["mean"]
        noise = torch.randn(len(mean.errors), generator=torch.Generator().manual_seed(0))
        errors = mean.errors - gain - spread * (noise - noise.mean())
        trial.best["mlp"] = dataclasses.replace(trial.best["mlp"], errors=errors)
        trial.best["scheduled"] = trial.best["mean"]
        return trial.kept.kind

    assert kept(gain=0.05, spread=0.1) == "mlp"
    assert kept(gain=0.001, spread=0.5) == "mean"


def test_every_network_of_a_mean_learns_to_foresee_by_itself() -> None:
    few = dataclasses.replace(QUICK, steps=80, members=0, predictor=MEAN, alone=False)
    trial = HeldOutTrial(prepare(PLANT, record(1500).log, few), few, seed=0)
    while not trial.finished:
        trial.advance()
    assert set(trial.best) == {"mean"}
    alone = dataclasses.replace(few, alone=True)
    each = HeldOutTrial(prepare(PLANT, record(1500).log, alone), alone, seed=0)
    while not each.finished:
        each.advance()
    assert torch.equal(each.best["mean"].errors, trial.best["mean"].errors)
    assert max(check.error for check in each.best.values()) < 0.99


def test_a_training_killed_after_its_trial_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = dataclasses.replace(QUICK, steps=40, members=0, predictor=MEAN, checkpoint_s=0.0)
    log = record(1500).log
    whole = train(PLANT, log, config=few)
    resumed, steps = killed_and_resumed(log, few, few.steps + 5, tmp_path / "training", monkeypatch)
    assert steps == int(whole.metrics["best_step"]) - 5
    assert _equal(resumed, whole)


def test_a_training_that_makes_nothing_better_keeps_the_linear_start() -> None:
    wild = dataclasses.replace(QUICK, rate=1.0, linear_rate=1.0, encoder_rate=1.0, steps=10, check_every=5)
    model = train(PLANT, record(1500).log, config=wild)
    assert (model.metrics["best_step"], model.metrics["validation_error"]) == (0, pytest.approx(1.0))
    held_out = evaluate(model, record(400, seed=5).log)
    assert held_out.nrmse == pytest.approx(held_out.linear, rel=1e-4)


def test_held_out_time_of_two_horizons_cannot_show_that_training_helps_so_nothing_is_tried() -> None:
    told: list[Progress] = []
    config = dataclasses.replace(QUICK, horizon=12)
    short = train(PLANT, record(150).log, config=config, progress=told.append)
    assert short.metrics["best_step"] == 0
    assert not told
    assert trained().metrics["best_step"] > 0


def test_phases_of_a_training_add_up_to_the_time_it_took() -> None:
    # Of the processor: time in which others have it belongs to no phase.
    clock = time.process_time
    watch, config = Stopwatch(clock), dataclasses.replace(QUICK, steps=5, members=2)
    began = clock()
    train(PLANT, record(400).log, config=config, stopwatch=watch)
    whole = clock() - began
    assert 0.8 * whole < sum(watch.seconds.values()) <= whole
    assert list(watch.seconds)[:2] == ["screening", "choice of PVs"]
    assert {"trial", "final run", "ensembles", "step responses"} < set(watch.seconds)


def test_a_log_with_a_frozen_mv_is_refused_by_tag() -> None:
    with pytest.raises(TrainingError, match=r"P\.SP never moves.*cannot be identified"):
        train(PLANT, Record(1500, frozen=True).log, config=QUICK)


def test_a_log_that_is_too_short_says_how_much_is_needed() -> None:
    with pytest.raises((TrainingError, LogError), match="at least"):
        train(PLANT, record(80).log, config=QUICK)


def test_two_stretches_with_a_gap_between_them_are_learned_from() -> None:
    log = record(1500).log
    middle = log.start_ns + (log.end_ns - log.start_ns) // 2
    parted = {
        name: series.where((series.time_ns < middle) | (series.time_ns > middle + 3_600_000_000_000))
        for name, series in log.series.items()
    }
    model = train(PLANT, Log(series=parted, mv_names=log.mv_names), config=QUICK)
    assert 0 < model.metrics["training_moments"] < trained().metrics["training_moments"]


def test_a_missing_measurement_is_no_target() -> None:
    log = record(1500).log
    level = log.series["LT.PV"]
    lost = np.zeros(len(level), dtype=np.bool_)
    lost[300:420] = True
    corrupt = TagSeries(
        level.time_ns, np.where(lost, 19.9, level.value), np.where(lost, 2, 0).astype(np.int8)
    )
    model = train(PLANT, Log(series={**log.series, "LT.PV": corrupt}, mv_names=log.mv_names), config=QUICK)
    assert model.metrics["validation_error"] == pytest.approx(trained().metrics["validation_error"], rel=0.5)


def test_lengths_chosen_from_the_log_stay_within_their_rule() -> None:
    prepared = prepare(PLANT, record(1500).log, TrainingConfig())
    assert prepared.whole.rule.history in HISTORIES
    # A step response of two lags of 10 and 6 intervals is within a tenth of its end after some 30.
    assert SHORTEST_HORIZON <= prepared.whole.horizon <= 40
    assert prepared.training.latent == prepared.whole.latent <= MOST_LATENTS


@pytest.mark.parametrize(("option", "value"), [("steps", 0), ("latent", 0), ("history", 0), ("batch", -1)])
def test_nonsense_in_a_configuration_is_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(TrainingError, match=option):
        TrainingConfig(**{option: value})  # type: ignore[arg-type]
