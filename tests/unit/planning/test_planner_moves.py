"""Move blocks and the limits they keep by construction."""

from dataclasses import replace

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm.planning.moves import MoveBlocks, MoveSpace, block_lengths, move_blocks
from procwm.planning.problem import ControlProblem
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model

PLANT = PlantSpec(
    name="tank",
    interval_s=1.0,
    tags=(
        Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="U", role=Role.MV, range=(0.0, 10.0), limits=(1.0, 9.0), max_move=0.5),
    ),
)


def problem(last_mv: float, horizon: int = 10) -> ControlProblem:
    model = exact_model(PLANT, state_matrix=np.eye(1), input_matrix=np.ones((1, 1)), horizon=horizon)
    return control_problem(model, latent=np.zeros(1), last_mv=np.array([last_mv]))


@pytest.mark.parametrize("horizon", [1, 2, 3, 7, 20, 40, 120])
def test_default_blocks_fit_the_horizon_and_grow(horizon: int) -> None:
    lengths = block_lengths(horizon)
    assert sum(lengths) <= horizon
    assert list(lengths) == sorted(lengths)


def test_forty_intervals_are_planned_with_nine_moves() -> None:
    assert block_lengths(40) == (1, 1, 1, 1, 2, 2, 4, 4, 8)


@pytest.mark.parametrize("lengths", [(), (0, 1), (3, 3)])
def test_blocks_that_do_not_fit_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="move blocks"):
        MoveBlocks(lengths, 5)
    with pytest.raises(SpecError, match="horizon of 0"):
        block_lengths(0)


def test_between_knots_a_trajectory_is_straight_and_rests_after_the_last() -> None:
    space = MoveSpace(move_blocks(6, (1, 3)), problem(2.0, horizon=6))
    mv = space.expand(np.array([[2.5], [4.0]]))
    assert mv[:, 0] == pytest.approx([2.5, 3.0, 3.5, 4.0, 4.0, 4.0])
    assert space.project(mv) == pytest.approx(np.array([[2.5], [4.0]]))


def test_clipped_knots_keep_moves_and_limits() -> None:
    space = MoveSpace(move_blocks(10), problem(8.7))
    mv = space.expand(space.clip(np.full((len(space.blocks.lengths), 1), 100.0)))
    assert space.admits(mv)
    assert mv[:, 0] == pytest.approx([9.0] * 10)


def test_a_trajectory_that_breaks_a_limit_is_not_admitted() -> None:
    space = MoveSpace(move_blocks(3), problem(2.0, horizon=3))
    assert space.admits(np.array([[2.5], [3.0], [3.0]]))
    assert not space.admits(np.array([[2.6], [3.0], [3.0]])), "first move too large"
    assert not space.admits(np.array([[2.0], [1.4], [1.9]])), "later move too large"
    assert not space.admits(np.array([[1.5], [1.0], [0.9]])), "below the low limit"
    assert not space.admits(np.array([[2.0], [np.nan], [2.0]])), "not finite"


def test_an_mv_outside_its_limits_returns_as_fast_as_it_may() -> None:
    space = MoveSpace(move_blocks(6, (1, 1, 1, 1)), problem(10.0, horizon=6))
    mv = space.expand(space.hold)
    assert mv[:, 0] == pytest.approx([9.5, 9.0, 9.0, 9.0, 9.0, 9.0])
    assert space.admits(mv)


def test_without_max_move_a_knot_may_jump() -> None:
    free = replace(problem(2.0), max_move=np.array([np.inf]))
    space = MoveSpace(move_blocks(10), free)
    assert space.expand(space.clip(np.full((len(space.blocks.lengths), 1), 9.0)))[0, 0] == 9.0
