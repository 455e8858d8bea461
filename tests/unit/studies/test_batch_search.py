"""Searches of many problems at once: each as if it were alone, inside limits, safe first."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from procwm.errors import SpecError
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem
from procwm.world.model import WorldModel
from procwm_studies.planner.basins import bad_starts, in_the_better_basin, two_basins
from procwm_studies.planner.batch_search import (
    CROSS_ENTROPY,
    IMPROVED_CROSS_ENTROPY,
    PATH_INTEGRAL,
    BatchFound,
    BatchMethod,
    BatchSearch,
)
from procwm_studies.planner.problems import Case, Cycles

METHODS = (IMPROVED_CROSS_ENTROPY, CROSS_ENTROPY, PATH_INTEGRAL)


def found(model: WorldModel, problems: Sequence[ControlProblem], method: BatchMethod) -> BatchFound:
    batch = BatchSearch(model, problems, move_blocks(problems[0].horizon))
    return batch.found(method, torch.Generator().manual_seed(0))


def several(count: int) -> tuple[WorldModel, list[ControlProblem]]:
    cycles = Cycles(Case(mvs=2, cvs=3, horizon=8, hidden=(12, 12), curved=True))
    generator = np.random.default_rng(0)
    problems = [
        replace(cycles.problem, latent=cycles.problem.latent + 0.3 * generator.standard_normal(8))
        for _ in range(count)
    ]
    return cycles.model, problems


@pytest.mark.parametrize("method", METHODS)
def test_a_problem_in_a_batch_gets_the_answer_that_it_gets_alone(method: BatchMethod) -> None:
    model, problems = several(3)
    together = found(model, problems, method)
    for number, problem in enumerate(problems):
        alone = found(model, [problem], method)
        assert together.knots[number] == pytest.approx(alone.knots[0], abs=1e-9)
        space = MoveSpace(move_blocks(8), problem)
        mv = space.expand(together.knots[number])
        prediction = Evaluator(model, problem).predict(mv[None])
        assert space.admits(mv)
        assert together.cost[number] == pytest.approx(float(prediction.cost[0]))
        assert together.safe[number] == (prediction.violation[0] == 0.0)
        held = Evaluator(model, problem).predict(space.expand(space.hold)[None])
        assert (prediction.violation[0], prediction.cost[0]) < (held.violation[0], 0.9 * held.cost[0])


def test_memory_is_bounded_by_rolling_out_a_few_at_a_time_with_the_same_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, problems = several(3)
    whole = found(model, problems, IMPROVED_CROSS_ENTROPY)
    sizes: list[int] = []
    rollout = model.rollout

    def counted(latent: torch.Tensor, mv: torch.Tensor, dv: torch.Tensor) -> object:
        sizes.append(len(mv))
        return rollout(latent, mv, dv)

    monkeypatch.setattr(model, "rollout", counted)
    parts = found(model, problems, replace(IMPROVED_CROSS_ENTROPY, at_once=60))
    assert max(sizes) <= 60
    assert parts.knots == pytest.approx(whole.knots, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_the_lower_of_two_basins(method: BatchMethod) -> None:
    model = two_basins()
    problems = list(bad_starts(model, 20, np.random.default_rng(0)))
    knots = found(model, problems, method).knots
    better = [
        in_the_better_basin(MoveSpace(move_blocks(problem.horizon), problem).expand(one))
        for problem, one in zip(problems, knots, strict=True)
    ]
    assert sum(better) >= 18


def test_predictions_that_are_not_finite_are_no_answer_and_spoil_no_other_problem() -> None:
    model, problems = several(2)
    spoilt = replace(problems[0], latent=np.full(8, np.nan))
    together = found(model, [spoilt, problems[1]], IMPROVED_CROSS_ENTROPY)
    assert together.cost[0] == np.inf
    assert not together.safe[0]
    assert together.knots[0] == pytest.approx(MoveSpace(move_blocks(8), spoilt).hold)
    assert together.knots[1] == pytest.approx(found(model, problems[1:], IMPROVED_CROSS_ENTROPY).knots[0])


def test_problems_of_another_horizon_than_their_moves_are_refused() -> None:
    model, problems = several(1)
    with pytest.raises(SpecError, match="horizon of its moves, 9"):
        BatchSearch(model, problems, move_blocks(9))
