"""A model with one thing wrong is caught before it controls anything, and the verdict says what is wrong."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from procwm.data.series import Log, TagSeries
from procwm.errors import SpecError, TrainingError
from procwm.learning.evaluation.evaluate import Evaluation, evaluate
from procwm.learning.evaluation.whiteness import whiteness
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.fitness import Fitness
from procwm.world.model import WorldModel

ROWS = 1200
STATE = np.diag([0.8, 0.85])
INPUT = np.array([[0.2, 0.0], [0.15, 0.06]])
"""The second MV does a quarter of what the first one does to the second CV."""
MVS = ("steam", "feed")


def plant(**sure: Any) -> PlantSpec:
    """Two CVs and two MVs; `sure` is what is known of the first MV."""
    cvs = [Tag(name=name, role=Role.CV, range=(0.0, 10.0)) for name in ("heat", "level")]
    mvs = [Tag(name=name, role=Role.MV, range=(0.0, 10.0)) for name in MVS]
    return PlantSpec(name="two by two", interval_s=1.0, tags=(*cvs, replace(mvs[0], **sure), mvs[1]))


def log(*, load: float = 0.0, still: bool = False, tied: bool = False) -> Log:
    """Operators' steps; `load` is the deviation of a slow unmeasured load on the first CV.

    Where they are `tied`, the second MV makes half the steps of the first.
    """
    rng = np.random.default_rng(1)
    u = np.stack([np.repeat(rng.uniform(3.0, 7.0, ROWS // n), n) for n in (24, 30)], axis=1)
    u = np.full_like(u, 5.0) if still else u
    u[:, 1] = 5.0 + 0.5 * (u[:, 0] - 5.0) if tied else u[:, 1]
    y, d = np.empty((ROWS, 2)), 0.0
    y[0] = 5.0
    for row in range(ROWS - 1):
        d = 0.97 * d + load * np.sqrt(1.0 - 0.97**2) * rng.standard_normal()
        y[row + 1] = STATE @ y[row] + INPUT @ u[row + 1] + [0.2 * d, -0.3] + 0.02 * rng.standard_normal(2)
    time_ns = np.arange(ROWS, dtype=np.int64) * 1_000_000_000
    columns = {"heat": y[:, 0], "level": y[:, 1], MVS[0]: u[:, 0], MVS[1]: u[:, 1]}
    good = np.zeros(ROWS, dtype=np.int8)
    return Log(
        series={name: TagSeries(time_ns, values, good) for name, values in columns.items()}, mv_names=MVS
    )


def model(gains: np.ndarray = INPUT, spec: PlantSpec | None = None) -> WorldModel:
    """Right but for `gains`; its CVs lie where the log's do on average."""
    offset = np.array([0.0, -0.3]) + (INPUT - gains) @ [5.0, 5.0]
    return exact_model(spec or plant(), state_matrix=STATE, input_matrix=gains, offset=offset)


def columns_of(series: TagSeries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return series.time_ns, series.value, series.quality


def verdict(wrong: WorldModel) -> Evaluation:
    return evaluate(wrong, log())


def test_the_right_model_is_fit_for_control_and_nothing_speaks_against_it() -> None:
    found = verdict(model(spec=plant(raises=("heat", "level"))))
    assert found.verdict.fitness is Fitness.CONTROL, found.verdict.reason
    for gain in found.diagnosis.gains:
        assert gain.logged == pytest.approx(gain.foreseen, abs=gain.error)
    assert found.diagnosis.shuffled.moves > 3.0
    content = found.as_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert {"gains", "shuffled", "whiteness", "collapse"} <= set(content)


def test_a_model_that_ignores_the_mvs_is_not_fit() -> None:
    found = verdict(model(np.zeros((2, 2))))
    assert found.nrmse[20] < found.persistence[20], "errors alone do not tell"
    assert found.diagnosis.shuffled.moves == 1.0
    assert found.verdict.fitness is Fitness.NOTHING
    assert "it ignores the MVs" in found.verdict.reason


def test_a_gain_of_the_wrong_sign_is_not_fit_however_small_its_part_in_the_error() -> None:
    found = verdict(model(INPUT * [[1.0, 1.0], [1.0, -1.0]]))
    assert found.nrmse[20] < 0.6 * found.persistence[20], "errors alone do not tell"
    assert found.verdict.fitness is Fitness.NOTHING
    assert "feed has the wrong sign: it moves level by -" in found.verdict.reason


def test_a_gain_of_the_wrong_size_is_fit_for_advice_only() -> None:
    found = verdict(model(INPUT * [[1.0, 1.0], [1.0, 3.5]]))
    assert found.verdict.fitness is Fitness.ADVICE
    assert "feed moves level by +" in found.verdict.reason


def test_an_effect_that_comes_too_late_or_too_soon_is_fit_for_advice_only() -> None:
    at_rest = np.linalg.solve(np.eye(2) - STATE, INPUT @ [5.0, 5.0] + [0.0, -0.3])
    for pace in (4.0, 0.25):
        state = STATE**pace
        gains = (np.eye(2) - state) @ np.linalg.solve(np.eye(2) - STATE, INPUT)
        offset = at_rest - state @ at_rest - gains @ [5.0, 5.0]
        found = verdict(exact_model(plant(), state_matrix=state, input_matrix=gains, offset=offset))
        assert found.verdict.fitness is Fitness.ADVICE
        assert "within 5 s steam moves" in found.verdict.reason, found.verdict.reason


def test_mvs_that_move_only_together_are_fit_for_advice_only() -> None:
    found = evaluate(model(), log(tied=True))
    assert found.verdict.fitness is Fitness.ADVICE
    assert (
        found.verdict.reason
        == "feed and steam move only together in this log, so what each of them does was not tested"
    )


def test_a_collapsed_latent_is_not_fit_although_it_predicts_as_well() -> None:
    small = model()
    with torch.no_grad():
        small.encoder.linear.weight *= 1e-4
        small.predictor.linear.weight[:, 2:] *= 1e-4
        small.predictor.linear.bias *= 1e-4
        small.readout.weight *= 1e4
    found = verdict(small)
    assert found.nrmse == pytest.approx(verdict(model()).nrmse)
    assert found.verdict.fitness is Fitness.NOTHING
    assert "collapsed" in found.verdict.reason


@pytest.mark.parametrize("part", ["predictor.linear.weight", "encoder.linear.weight", "readout.bias"])
def test_a_model_that_is_not_finite_is_refused_before_anything_is_said_of_it(part: str) -> None:
    broken = model()
    with torch.no_grad():
        broken.get_parameter(part).view(-1)[0] = torch.nan
    with pytest.raises(TrainingError, match="predictions of this log are not finite"):
        verdict(broken)


def test_errors_that_the_controllers_correction_leaves_for_long_are_fit_for_advice_only() -> None:
    slow, quick = model(), model()
    slow.feedback.fill_(0.02)
    found = evaluate(slow, log(load=0.5))
    heat, level = found.diagnosis.whiteness
    assert heat.foretold > 0.8
    assert level.foretold < 0.1
    assert found.verdict.fitness is Fitness.ADVICE
    assert "errors of heat one interval ahead last" in found.verdict.reason
    assert "level" not in found.verdict.reason
    quick.feedback.fill_(0.4)
    assert evaluate(quick, log(load=0.5)).diagnosis.whiteness[0].foretold < 0.3


def test_the_effect_on_a_cv_is_judged_however_its_analysers_cycle_falls_on_the_horizon() -> None:
    seldom = log()
    answers = seldom.series["level"]
    for cycle, told in ((4, True), (300, False)):
        series = {**seldom.series, "level": TagSeries(*(part[::cycle] for part in columns_of(answers)))}
        found = evaluate(model(), Log(series=series, mv_names=MVS))
        of_level = [gain for gain in found.diagnosis.gains if gain.output == "level"]
        assert all(math.isfinite(gain.logged) is told for gain in of_level)
        assert not told or all(abs(gain.logged) > 0.1 for gain in of_level)


def test_the_plant_file_knows_better_than_a_model_with_another_sign() -> None:
    found = verdict(model(spec=plant(lowers=("level",))))
    assert found.verdict.fitness is Fitness.NOTHING
    assert (
        "by the plant file steam lowers level; in the model it does not at 100% of the moments"
        in found.verdict.reason
    )


def test_what_a_log_without_moves_does_not_show_is_not_held_against_a_model() -> None:
    found = evaluate(model(), log(load=1.0, still=True))
    assert all(gain.share == 0.0 for gain in found.diagnosis.gains)
    assert "MVs do not move in this log, so what they do was not tested" in found.verdict.reason
    assert found.verdict.fitness is Fitness.ADVICE


def test_white_errors_are_told_from_coloured_ones_by_the_statistic_of_ljung_and_box() -> None:
    rng = np.random.default_rng(0)
    p_values = [whiteness("level", rng.standard_normal(400)).p_value for _ in range(200)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.04)
    errors = rng.standard_normal(400)
    errors[1:] += 0.6 * errors[:-1]
    found = whiteness("level", np.insert(errors, 50, np.nan))
    assert found.p_value < 1e-6
    assert found.foretold == pytest.approx((0.6 / 1.36) ** 2 + (0.6 / 1.36) ** 4, abs=0.1)
    assert whiteness("level", np.full(3, 1.0)).lags == 0


@pytest.mark.parametrize(
    ("sure", "told"),
    [
        (
            {"raises": ("steam",)},
            "steam: raises names CVs and PVs with limits; steam is not one of",
        ),
        ({"raises": ("heat",), "lowers": ("heat",)}, "steam: heat stands in raises and in lowers"),
    ],
)
def test_a_known_sign_that_makes_no_sense_is_refused(sure: dict[str, tuple[str, ...]], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        plant(**sure)


def test_the_apparent_dead_time_is_how_long_a_step_does_not_show() -> None:
    tags = [Tag(name=name, role=Role.PV, range=(0.0, 10.0)) for name in ("inlet", "pipe")]
    heat = Tag(name="heat", role=Role.CV, range=(0.0, 10.0))
    spec = PlantSpec(
        name="long pipe",
        interval_s=5.0,
        tags=(heat, *tags, Tag(name="steam", role=Role.MV, range=(0.0, 10.0))),
    )
    state = np.array([[0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    late = exact_model(
        spec,
        state_matrix=state,
        input_matrix=np.array([[0.0], [1.0], [0.0]]),
        states=("heat", "inlet", "pipe"),
    )
    u = np.repeat(np.random.default_rng(0).uniform(3.0, 7.0, ROWS // 24), 24)
    rows = np.full((ROWS, 3), 5.0)
    for row in range(ROWS - 1):
        rows[row + 1] = state @ rows[row] + [0.0, u[row + 1], 0.0]
    time_ns, good = np.arange(ROWS, dtype=np.int64) * 5_000_000_000, np.zeros(ROWS, dtype=np.int8)
    columns = {"heat": rows[:, 0], "inlet": rows[:, 1], "pipe": rows[:, 2], "steam": u}
    series = {name: TagSeries(time_ns, values, good) for name, values in columns.items()}
    (gain,) = evaluate(late, Log(series=series, mv_names=("steam",))).diagnosis.gains
    # The end of the first interval sees it at the inlet, that of the second in the pipe.
    assert gain.dead_s == 10.0
    assert gain.gain == pytest.approx(1.0, abs=0.01)


def test_a_model_is_held_to_the_effects_that_the_plant_file_knows() -> None:
    right = {"gains": {"heat": (0.8, 1.2), "level": (0.5, 2.0)}, "dead_times_s": {"level": 0.0}}
    assert verdict(model(spec=plant(**right, setpoint_of="heat"))).verdict.fitness is Fitness.CONTROL
    found = verdict(model(spec=plant(gains={"level": (2.0, 3.0)}, no_effect=("heat",))))
    assert found.verdict.fitness is Fitness.ADVICE
    assert (
        "by the plant file's no_effect steam does not move heat; in the model it does" in found.verdict.reason
    )
    assert "by the plant file's gains steam moves level by 2 to 3 per unit at rest" in found.verdict.reason
    assert "see which of the two is right: mend the plant file" in found.verdict.next
    found = verdict(model(spec=plant(gains={"level": (-2.0, -1.0)})))
    assert found.verdict.fitness is Fitness.NOTHING
