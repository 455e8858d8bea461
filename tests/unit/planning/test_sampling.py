"""The search for a start: inside limits, safe first, repeatable."""

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import lag, latent

from procwm.planning.foresight import Foresight
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.prediction import Evaluator, Prediction
from procwm.planning.problem import ControlProblem
from procwm.planning.sampling import SamplingConfig, Search, coloured_noise, search
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.testing import control_problem
from procwm.world.model import WorldModel
from procwm_studies.planner.basins import two_basins


class Watched(Evaluator):
    """Remembers every candidate."""

    def __init__(self, model: WorldModel, problem: ControlProblem) -> None:
        super().__init__(model, problem)
        self.seen: list[np.ndarray] = []

    def predict(self, mv: np.ndarray) -> Prediction:
        self.seen.append(mv)
        return super().predict(mv)


def find(
    evaluator: Evaluator,
    *,
    seed: int = 0,
    deadline: float = np.inf,
    config: SamplingConfig | None = None,
) -> tuple[Search, MoveSpace]:
    space = MoveSpace(move_blocks(evaluator.problem.horizon), evaluator.problem)
    found = search(
        evaluator, space, space.hold[None], np.random.default_rng(seed), deadline=deadline, config=config
    )
    return found, space


def tank(y: float = 2.0, **options: float | bool) -> tuple[WorldModel, ControlProblem]:
    model = lag(**options)  # type: ignore[arg-type]
    return model, control_problem(model, latent=latent(model, y), last_mv=np.array([0.0]))


def test_every_candidate_keeps_range_and_largest_move() -> None:
    model, problem = tank(max_move=0.3)
    problem = replace(problem, mv_low=np.array([-0.5]), mv_high=np.array([1.0]))
    evaluator = Watched(model, problem)
    found, space = find(evaluator)
    tried = np.concatenate(evaluator.seen)
    assert found.tried == len(tried) > 500
    assert all(space.admits(mv) for mv in tried)


def test_the_same_seed_finds_the_same_plan_and_another_seed_another() -> None:
    model, problem = tank()
    first, again, other = (find(Evaluator(model, problem), seed=seed)[0].knots for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_comes_near_the_optimum() -> None:
    model, problem = tank()
    evaluator = Evaluator(model, problem)
    found, space = find(evaluator)
    optimum = SequentialProgram().solve(
        Foresight(transcribe(model), space, evaluator.objective), space.hold, deadline=np.inf
    )
    near, best, resting = evaluator.predict(
        space.expand(np.stack((found.knots, optimum.knots, space.hold)))
    ).cost
    assert near - best < 0.3 * (resting - best)


def test_it_leaves_the_basin_it_starts_in() -> None:
    model = two_basins()
    problem = control_problem(model, latent=latent(model, 3.0), last_mv=np.array([-2.0]))
    problem = replace(problem, target=np.full((10, 1), 8.0))
    evaluator = Evaluator(model, problem)
    found, space = find(evaluator)
    best = evaluator.predict(space.expand(found.knots)[None])
    assert best.mv[0, -1, 0] == pytest.approx(3.0, abs=1.0)


def test_safe_candidates_rank_before_cheaper_unsafe_ones_and_finite_ones_before_others() -> None:
    guard = np.array([[[-1.0]], [[0.5]], [[-1.0]], [[0.2]], [[np.nan]]])
    cost = np.array([3.0, 1.0, 2.0, 9.0, np.inf])
    rows = np.zeros((5, 1, 1))
    assert Prediction(rows, rows, guard, cost).ranking.tolist() == [2, 0, 3, 1, 4]


def test_the_best_candidate_is_safe_where_a_safe_one_exists() -> None:
    model, problem = tank(y=3.0, guard_above=4.0)
    evaluator = Evaluator(model, problem)
    found, space = find(evaluator)
    assert evaluator.predict(space.expand(found.knots)[None]).violation[0] == 0.0


class Fragile(Watched):
    """A model that breaks down wherever an MV rises."""

    def predict(self, mv: np.ndarray) -> Prediction:
        prediction = super().predict(mv)
        broken = (mv > 0.0).any(axis=(1, 2))
        return Prediction(mv, prediction.cv, prediction.guard, np.where(broken, np.inf, prediction.cost))


def test_candidates_that_are_not_finite_never_rank_and_are_counted() -> None:
    model, problem = tank()
    evaluator = Fragile(model, problem)
    found, space = find(evaluator)
    assert found.finite
    assert (space.expand(found.knots) <= 0.0).all()
    assert found.excluded == sum((mv > 0.0).any(axis=(1, 2)).sum() for mv in evaluator.seen) > 100


def test_a_model_of_nan_finds_nothing() -> None:
    model, problem = tank()
    model.readout.bias.fill_(np.nan)
    found, space = find(Evaluator(model, problem))
    assert not found.finite
    assert found.excluded == found.tried
    assert np.array_equal(found.knots, space.hold)


def test_no_round_begins_after_the_deadline() -> None:
    found, space = find(Evaluator(*tank()), deadline=-np.inf)
    assert (found.tried, found.finite) == (0, False)
    assert np.array_equal(found.knots, space.hold)


def test_coloured_noise_is_smoother_than_white_noise_of_the_same_variance() -> None:
    def roughness(colour: float) -> float:
        noise = coloured_noise(np.random.default_rng(0), 400, (9, 2), colour)
        assert noise.std() == pytest.approx(1.0, abs=0.05)
        return float(np.diff(noise, axis=1).std())

    assert roughness(2.0) < 0.8 * roughness(0.0)
    assert coloured_noise(np.random.default_rng(0), 3, (1, 2), 2.0).shape == (3, 1, 2)
