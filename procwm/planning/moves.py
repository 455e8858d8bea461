"""MV trajectories with few degrees of freedom that keep hard limits by construction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from procwm.errors import SpecError
from procwm.planning.problem import ControlProblem
from procwm.planning.quadratic_program import Interval

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
    def sizes(self) -> Float[np.ndarray, "knot 1"]:
        """Intervals in each block."""
        return np.asarray(self.lengths, float)[:, None]

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

    @cached_property
    def rest(self) -> Float[np.ndarray, "horizon 1"]:
        """Share of the last MVs written in every row."""
        return np.asarray(1.0 - self.matrix.sum(axis=1, keepdims=True))

    def of(self, mvs: int) -> "KnotShares":
        """The same for several MVs at once; worked out once for each count of MVs."""
        if mvs not in self._shares:
            unit, size = np.eye(mvs), mvs * len(self.lengths)
            gram = self.moves_matrix.T @ self.moves_matrix
            self._shares[mvs] = KnotShares(
                np.eye(size) - np.eye(size, k=-mvs),
                np.kron(gram, unit),
                self.matrix[:, None, :, None] * unit[None, :, None, :],
            )
        return self._shares[mvs]

    @cached_property
    def _shares(self) -> "dict[int, KnotShares]":
        return {}


class KnotShares(NamedTuple):
    """What knots of several MVs add up to; the axis `knot_mv` runs over knots, then MVs.

    Attributes:
        moves: from a change of the knots to that of the moves over each block.
        gram: squared moves of all rows, summed, as a quadratic form.
        rows: from knots to rows.
    """

    moves: Float[np.ndarray, "knot_mv knot_mv"]
    gram: Float[np.ndarray, "knot_mv knot_mv"]
    rows: Float[np.ndarray, "horizon mv knot mv"]


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
        reach: np.ndarray = self.blocks.sizes * self.problem.max_move
        return reach if self.schedule is None else np.where(self._scheduled, np.inf, reach)

    @cached_property
    def _reach_so_far(self) -> Float[np.ndarray, "knot mv"]:
        return self.reach.cumsum(axis=0)

    @cached_property
    def low(self) -> Float[np.ndarray, "knot mv"]:
        """Lowest value of each knot."""
        lowest: np.ndarray = np.minimum(self.problem.mv_low, self.problem.last_mv + self._reach_so_far)
        return self._with_schedule(lowest)

    @cached_property
    def high(self) -> Float[np.ndarray, "knot mv"]:
        """Highest value of each knot."""
        highest: np.ndarray = np.maximum(self.problem.mv_high, self.problem.last_mv - self._reach_so_far)
        return self._with_schedule(highest)

    @cached_property
    def hard(self) -> Interval:
        """Limits of all knots, and then of the moves over each block, relative to `mv_span`."""
        span, reach = self.problem.mv_span, self.reach / self.problem.mv_span
        return Interval(
            np.concatenate((self.low / span, -reach)).ravel(),
            np.concatenate((self.high / span, reach)).ravel(),
        )

    def hard_values(self, knots: Float[np.ndarray, "knot mv"]) -> Float[np.ndarray, " two_knot_mv"]:
        """What `hard` limits, at `knots`."""
        values = np.concatenate((knots, self.moves(knots)))
        values /= self.problem.mv_span
        return np.asarray(values.ravel())

    @property
    def hold(self) -> Float[np.ndarray, "knot mv"]:
        """MVs resting where they are, or returning to their limits."""
        return self.clip(np.broadcast_to(self.problem.last_mv, self.low.shape))

    def clip(self, knots: Float[np.ndarray, "*batch knot mv"]) -> Float[np.ndarray, "*batch knot mv"]:
        """The nearest knots within limits, taken one after the other."""
        if knots.ndim == 2 and self._keeps(knots):
            return knots.copy()
        before = np.broadcast_to(self.problem.last_mv, knots[..., 0, :].shape)
        kept = []
        for block, (reach, low, high) in enumerate(zip(self.reach, self.low, self.high, strict=True)):
            # Plain minima and maxima: `clip` looks at its arguments for longer than it works.
            near = np.minimum(np.maximum(knots[..., block, :], before - reach), before + reach)
            before = np.minimum(np.maximum(near, low), high)
            kept.append(before)
        return np.stack(kept, axis=-2)

    def _keeps(self, knots: Float[np.ndarray, "knot mv"]) -> bool:
        """Whether `clip` would change nothing, as is the rule."""
        before = np.concatenate((self.problem.last_mv[None], knots[:-1]))
        low, high = np.maximum(before - self.reach, self.low), np.minimum(before + self.reach, self.high)
        return bool(((knots >= low) & (knots <= high)).all())

    def expand(self, knots: Float[np.ndarray, "*batch knot mv"]) -> Float[np.ndarray, "*batch horizon mv"]:
        """The trajectory through `knots`; what rounding adds to a limit is taken off."""
        mv: np.ndarray = self.blocks.matrix @ knots
        mv += self._resting
        low, high = self._outermost
        mv = np.minimum(np.maximum(mv, low), high)
        return mv if self.schedule is None else np.where(self._scheduled, self.schedule, mv)

    @cached_property
    def _resting(self) -> Float[np.ndarray, "horizon mv"]:
        """Share of the last MVs written in every row."""
        share: np.ndarray = self.blocks.rest * self.problem.last_mv
        return share

    @cached_property
    def _outermost(self) -> tuple[Float[np.ndarray, " mv"], Float[np.ndarray, " mv"]]:
        """Limits, or where the plant is where that is outside."""
        problem = self.problem
        return np.minimum(problem.mv_low, problem.last_mv), np.maximum(problem.mv_high, problem.last_mv)

    def admits(self, mv: Float[np.ndarray, "horizon mv"]) -> bool:
        """Whether every row is finite, within limits or nearer to them than the row before, and no move is
        too large; to a billionth of the span."""
        problem = self.problem
        rounding = 1e-9 * problem.mv_span
        before = np.concatenate((problem.last_mv[None], mv[:-1]))
        return bool(
            (
                np.isfinite(mv)
                & (np.abs(mv - before) <= problem.max_move + rounding)
                & (mv >= np.minimum(problem.mv_low, before) - rounding)
                & (mv <= np.maximum(problem.mv_high, before) + rounding)
            ).all()
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
