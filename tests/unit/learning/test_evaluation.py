import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_cases import PLANT, Record, record, trained

from procwm.data.series import Log, TagSeries
from procwm.errors import LogError
from procwm.learning.evaluation.diagnostics import collapse
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.verdict import judged
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.fitness import Fitness, Verdict

TEST = Record(600, seed=7)


def test_a_trained_model_is_far_ahead_of_persistence() -> None:
    evaluation = evaluate(trained(), TEST.log)
    assert evaluation.nrmse[20] < 0.2 * evaluation.persistence[20]
    assert evaluation.verdict.fitness is not Fitness.NOTHING


def test_errors_against_the_truth_leave_out_the_noise_of_the_measurement() -> None:
    noisy = Record(600, seed=7, noise=0.3)
    truth = {
        "LT.PV": noisy.series(noisy.level),
        "PT.PV": noisy.series(0.5 * noisy.hidden + 0.1 * noisy.hidden**2),
    }
    model = trained()
    assert evaluate(model, noisy.log, truth).nrmse[20] < evaluate(model, noisy.log).nrmse[20]


def test_an_evaluation_is_one_json_object() -> None:
    content = evaluate(trained(), TEST.log).as_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content["nrmse"]) == {"1", "5", "8", "20"} == set(content["linear"])
    assert set(content["by_output"]["20"]) == {"LT.PV", "PT.PV"}


def test_gains_have_the_plants_signs_and_sizes() -> None:
    gains = {(gain.mv, gain.output): gain for gain in evaluate(trained(), TEST.log).diagnosis.gains}
    # After 8 intervals of the plant's own equations, with a hidden level of 4.5 cm: 0.38 cm/V.
    level = gains["P.SP", "LT.PV"]
    assert level.positive == 1.0
    assert level.gain == pytest.approx(0.38, rel=0.15)


def test_an_exact_model_has_no_error() -> None:
    plant = PLANT
    rng = np.random.default_rng(0)
    rows = 600
    u, level, pressure = np.empty(rows), np.empty(rows), np.empty(rows)
    y, p = 5.0, 3.0
    for row in range(rows):
        level[row], pressure[row] = y, p
        u[row] = rng.uniform(2.0, 7.0)
        y, p = 0.8 * y + 0.2 * u[row], 0.5 * p + 0.1 * u[row] + 1.0
    record_ = Record(rows)
    log = Log(
        series={
            "LT.PV": record_.series(level),
            "P.SP": TagSeries(record_.time_ns + 1, u, np.zeros(rows, dtype=np.int8)),
            "TD.PV": record_.series(np.full(rows, 5.0)),
            "PT.PV": record_.series(pressure),
        },
        mv_names=("P.SP",),
    )
    model = exact_model(
        plant,
        state_matrix=np.diag([0.8, 0.5]),
        input_matrix=np.array([[0.2], [0.1]]),
        offset=np.array([0.0, 1.0]),
    )
    evaluation = evaluate(model, log)
    assert max(evaluation.nrmse.values()) < 1e-9
    assert evaluation.linear == {}
    assert evaluation.verdict.sentence.startswith("fit for control: at 20 intervals its error is 0.000")


def test_a_model_that_predicts_nonsense_is_not_fit() -> None:
    model = exact_model(PLANT, state_matrix=-np.eye(2), input_matrix=np.zeros((2, 1)))
    evaluation = evaluate(model, TEST.log)
    assert evaluation.verdict.fitness is Fitness.NOTHING
    assert "no better than persistence" in evaluation.verdict.reason


def test_a_cv_that_cannot_be_foreseen_does_not_hide_behind_the_others() -> None:
    level, purity = (Tag(name=name, role=Role.CV, range=(0.0, 10.0)) for name in ("level", "purity"))
    valve = Tag(name="valve", role=Role.MV, range=(0.0, 10.0))
    plant = PlantSpec(name="two CVs", interval_s=1.0, tags=(level, purity, valve))
    rng = np.random.default_rng(0)
    u = np.repeat(rng.uniform(2.0, 8.0, 60), 10)
    y = np.empty((600, 2))
    y[0] = 5.0
    for row in range(599):
        drift = 5.0 + 0.97 * (y[row, 1] - 5.0) + 0.2 * float(rng.standard_normal())
        y[row + 1] = 0.8 * y[row, 0] + 0.2 * u[row + 1], drift
    time_ns = np.arange(600, dtype=np.int64) * 1_000_000_000
    columns = {"level": y[:, 0], "purity": y[:, 1], "valve": u}
    log = Log(
        series={name: TagSeries(time_ns, v, np.zeros(600, dtype=np.int8)) for name, v in columns.items()},
        mv_names=("valve",),
    )
    model = exact_model(
        plant,
        state_matrix=np.diag([0.8, 1.03]),
        input_matrix=np.array([[0.2], [0.0]]),
        offset=np.array([0.0, -0.15]),
    )
    evaluation = evaluate(model, log)
    last = max(evaluation.nrmse)
    assert evaluation.nrmse[last] < evaluation.persistence[last]
    assert evaluation.verdict.fitness is Fitness.ADVICE
    assert evaluation.verdict.reason.startswith("purity cannot be foreseen: ")


def test_a_model_that_foresees_no_better_than_the_mean_is_not_fit_for_control() -> None:
    fine = evaluate(trained(), TEST.log)

    def at(error: float) -> Verdict:
        errors = {"model": {20: error, 1: 0.5}, "persistence": {20: 1.4, 1: 1.2}}
        by_output = {
            name: {lead: {"LT.PV": value} for lead, value in by_lead.items()}
            for name, by_lead in errors.items()
        }
        return judged(PLANT, errors, by_output, replace(fine.diagnosis, whiteness=()))

    assert at(0.99).fitness is Fitness.CONTROL
    assert at(1.004).fitness is Fitness.ADVICE
    assert "1.004 of a standard deviation, no better than knowing the mean" in at(1.004).reason


def test_a_log_too_short_to_score_is_refused() -> None:
    with pytest.raises(LogError, match="rows in a row"):
        evaluate(trained(), Record(20).log)


def test_a_cv_that_stands_still_cannot_be_scored() -> None:
    still = Record(300, noise=0.0)
    flat = {**still.log.series, "LT.PV": still.series(np.full(300, 5.0))}
    with pytest.raises(LogError, match=r"LT\.PV stands still"):
        evaluate(trained(), Log(series=flat, mv_names=("P.SP",)))


def test_collapse_shows_in_the_spread_even_where_the_rank_looks_healthy() -> None:
    latent = 0.001 * torch.randn((500, 6), generator=torch.Generator().manual_seed(0)).double()
    tags = torch.randn((500, 1), generator=torch.Generator().manual_seed(1)).double()
    found = collapse(latent, tags, ("a",))
    assert found.rank > 5.5
    assert found.collapsed
    assert found.probe_r2["a"] < 0.1


def test_a_probe_finds_what_the_latent_holds() -> None:
    latent = torch.randn((500, 3), generator=torch.Generator().manual_seed(0)).double()
    tags = latent @ torch.tensor([[1.0], [2.0], [0.0]], dtype=torch.float64) + 3.0
    found = collapse(latent, torch.cat((tags, torch.ones_like(tags)), dim=1), ("held", "still"))
    assert found.probe_r2 == {"held": pytest.approx(1.0, abs=1e-4)}
    assert not found.collapsed


def test_training_leaves_its_own_figures_in_the_artifact() -> None:
    assert trained().metrics["validation"]["nrmse"].keys() == {"1", "5", "8", "20"}
    assert record(1500).log.hours > 4.0


def test_the_band_learned_on_held_out_time_holds_a_later_log() -> None:
    evaluation = evaluate(trained(), record(1500, 11).log)
    assert evaluation.coverage.keys() == evaluation.half_width.keys() == {1, 5, 8}
    assert all(0.8 < share < 0.99 for share in evaluation.coverage.values()), evaluation.coverage
    assert 0.0 < evaluation.half_width[1]["LT.PV"] < evaluation.half_width[8]["LT.PV"] < 2.0


def test_a_model_without_a_band_claims_no_coverage() -> None:
    model = exact_model(PLANT, state_matrix=0.9 * np.eye(2), input_matrix=np.ones((2, 1)))
    assert evaluate(model, TEST.log).coverage == {}
    assert np.isinf(model.half_width).all()
