"""MV trajectories with few degrees of freedom that keep hard limits by construction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from procwm.errors import SpecError
from procwm.planning.problem import ControlProblem

_MOVING_SHARE = 0.6
"""Share of the horizon in which MVs move; in the rest they rest, so that its end shows where that leads."""


def block_lengths(horizon: int) -> tuple[int, ...]:
    """Intervals per block of moves: 1, 1, 1, 1, 2, 2, 4, 4, 8, 8, ... over the first part of `horizon`."""
    if horizon < 1:
        raise SpecError(f"a horizon of {horizon} intervals cannot be planned over; it must be at least 1")
    lengths = [1]
    while True:
        length = 2 ** max(0, len(lengths) // 2 - 1)
        if sum(lengths) + length > _MOVING_SHARE * horizon:
            return tuple(lengths)
        lengths.append(length)


@dataclass(frozen=True, eq=False)
class MoveBlocks:
    """Blocks of equal moves; after the last block MVs rest.

    A trajectory is given by its knots: the MVs at the end of each block. Between knots it is straight, so
    a long block still has the authority of all its moves, which a staircase under `max_move` has not.

    Attributes:
        lengths: intervals in each block.
        horizon: count of intervals ahead.
    """

    lengths: tuple[int, ...]
    horizon: int

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1 or sum(self.lengths) > self.horizon:
            raise SpecError(
                f"move blocks {self.lengths} must each be at least 1 interval and fit the horizon "
                f"of {self.horizon} intervals"
            )

    @cached_property
    def ends(self) -> Int[np.ndarray, " knot"]:
        """Row of the horizon at which each block ends."""
        return np.cumsum(self.lengths) - 1

    @cached_property
    def moves_matrix(self) -> Float[np.ndarray, "horizon knot"]:
        """Share of every knot in the move of every row."""
        return np.diff(self.matrix, axis=0, prepend=0.0)

    @cached_property
    def matrix(self) -> Float[np.ndarray, "horizon knot"]:
        """Share of every knot in every row; what is missing to 1 is the share of the last MVs written."""
        position = np.concatenate(([0], self.ends + 1))
        rows = np.arange(1, self.horizon + 1)
        unit = np.eye(len(position))
        columns = [np.interp(rows, position, share) for share in unit[1:]]
        return np.stack(columns, axis=1)


def move_blocks(horizon: int, lengths: Sequence[int] | None = None) -> MoveBlocks:
    """Blocks over `horizon`; `lengths` defaults to `block_lengths(horizon)`."""
    return MoveBlocks(tuple(lengths) if lengths is not None else block_lengths(horizon), horizon)


@dataclass(frozen=True, eq=False)
class MoveSpace:
    """The MV trajectories open to one problem, engineering units.

    Where the plant's last MV lies outside its limits, the limits are widened to what can be reached: they
    then ask for the soonest return.

    Attributes:
        blocks: degrees of freedom.
        problem: gives limits and the last MVs written.
        schedule: a trajectory that MVs with levels follow; they are then no degrees of freedom, and their
            knots cannot be moved. `None` leaves them as free as the others.
    """

    blocks: MoveBlocks
    problem: ControlProblem
    schedule: Float[np.ndarray, "horizon mv"] | None = None

    @cached_property
    def _scheduled(self) -> Bool[np.ndarray, " mv"]:
        found = np.zeros(len(self.problem.last_mv), dtype=bool)
        if self.schedule is not None:
            found[list(self.problem.discrete)] = True
        return found

    def _with_schedule(self, bound: Float[np.ndarray, "knot mv"]) -> Float[np.ndarray, "knot mv"]:
        """`bound` with the knots of MVs that follow a schedule where the schedule is."""
        if self.schedule is None:
            return bound
        return np.where(self._scheduled, self.schedule[self.blocks.ends], bound)

    @cached_property
    def reach(self) -> Float[np.ndarray, "knot mv"]:
        """Largest change over each block; +inf where moves are not limited."""
        reach: np.ndarray = np.asarray(self.blocks.lengths, float)[:, None] * self.problem.max_move
        return np.where(self._scheduled, np.inf, reach)

    @cached_property
    def knot_moves(self) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """From a change of the knots to that of the moves over each block."""
        size = self.low.size
        return np.eye(size) - np.eye(size, k=-self.low.shape[1])

    @cached_property
    def low(self) -> Float[np.ndarray, "knot mv"]:
        """Lowest value of each knot."""
        lowest: np.ndarray = np.minimum(
            self.problem.mv_low, self.problem.last_mv + np.cumsum(self.reach, axis=0)
        )
        return self._with_schedule(lowest)

    @cached_property
    def high(self) -> Float[np.ndarray, "knot mv"]:
        """Highest value of each knot."""
        highest: np.ndarray = np.maximum(
            self.problem.mv_high, self.problem.last_mv - np.cumsum(self.reach, axis=0)
        )
        return self._with_schedule(highest)

    @property
    def hold(self) -> Float[np.ndarray, "knot mv"]:
        """MVs resting where they are, or returning to their limits."""
        return self.clip(np.broadcast_to(self.problem.last_mv, self.low.shape))

    def clip(self, knots: Float[np.ndarray, "*batch knot mv"]) -> Float[np.ndarray, "*batch knot mv"]:
        """The nearest knots within limits, taken one after the other."""
        before = np.broadcast_to(self.problem.last_mv, knots[..., 0, :].shape)
        kept = []
        for block, (reach, low, high) in enumerate(zip(self.reach, self.low, self.high, strict=True)):
            # Plain minima and maxima: `clip` looks at its arguments for longer than it works.
            near = np.minimum(np.maximum(knots[..., block, :], before - reach), before + reach)
            before = np.minimum(np.maximum(near, low), high)
            kept.append(before)
        return np.stack(kept, axis=-2)

    def expand(self, knots: Float[np.ndarray, "*batch knot mv"]) -> Float[np.ndarray, "*batch horizon mv"]:
        """The trajectory through `knots`; what rounding adds to a limit is taken off."""
        problem, matrix = self.problem, self.blocks.matrix
        rest = 1.0 - matrix.sum(axis=1)
        mv: np.ndarray = rest[:, None] * problem.last_mv + matrix @ knots
        mv = np.maximum(mv, np.minimum(problem.mv_low, problem.last_mv))
        mv = np.minimum(mv, np.maximum(problem.mv_high, problem.last_mv))
        return mv if self.schedule is None else np.where(self._scheduled, self.schedule, mv)

    def admits(self, mv: Float[np.ndarray, "horizon mv"]) -> bool:
        """Whether every row is finite, within limits or nearer to them than the row before, and no move is
        too large; to a billionth of the span."""
        problem = self.problem
        rounding = 1e-9 * problem.mv_span
        before = np.vstack((problem.last_mv, mv[:-1]))
        return bool(
            np.isfinite(mv).all()
            and (np.abs(mv - before) <= problem.max_move + rounding).all()
            and (mv >= np.minimum(problem.mv_low, before) - rounding).all()
            and (mv <= np.maximum(problem.mv_high, before) + rounding).all()
        )

    def moves(self, rows: Float[np.ndarray, "row mv"]) -> Float[np.ndarray, "row mv"]:
        """Differences of rows from each to the next; the first is counted from the last MVs written."""
        moved = rows.copy()
        moved[1:] -= rows[:-1]
        moved[0] -= self.problem.last_mv
        return moved

    def project(self, mv: Float[np.ndarray, "horizon mv"]) -> Float[np.ndarray, "knot mv"]:
        """Knots of any trajectory, brought within limits."""
        return self.clip(mv[self.blocks.ends])
