"""Plans for MVs that can take only a few values: by rounding, and by changing one stretch at a time.

A schedule is an MV trajectory whose MVs with levels stand on them in every row; its other MVs are as given.
"""

import itertools
import math
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from procwm.planning.moves import MoveBlocks
from procwm.planning.problem import ROUNDING, ControlProblem

_MOST_COMBINATIONS = 64
"""Of levels of all MVs; with more of them, the level of one MV is changed at a time."""
_OUTSIDE = 1e6
"""Price of being outside limits beside being away from what is wanted."""


class Schedules:
    """Schedules of one problem; levels change at the beginning of a block only."""

    def __init__(self, problem: ControlProblem, blocks: MoveBlocks) -> None:
        self._problem = problem
        self._places = {mv: problem.places(mv) for mv in problem.discrete}
        self._starts: Int[np.ndarray, " block"] = np.concatenate(([0], blocks.ends[:-1] + 1))

    def first(
        self, relaxed: Float[np.ndarray, "horizon mv"], previous: Float[np.ndarray, "horizon mv"] | None
    ) -> Float[np.ndarray, "batch horizon mv"]:
        """Schedules to begin with.

        Args:
            relaxed: a plan that knows nothing of levels; rounded in every row, and so that sums along the
                horizon stay near (Sager, Bock and Diehl, The integer approximation error in mixed-integer
                optimal control, Math. Programming 133, 2012).
            previous: the last plan one interval later.
        """
        stay = np.broadcast_to(self._problem.last_mv, relaxed.shape)
        wanted = [relaxed, stay, self._summed_up(relaxed)] + ([] if previous is None else [previous])
        return self._kept(np.stack(wanted), relaxed)

    def around(self, schedules: Float[np.ndarray, "_ horizon mv"]) -> Float[np.ndarray, "batch horizon mv"]:
        """All that differ from one of `schedules` over one stretch of blocks, in which levels stay.

        MVs without levels are as in the first of them.
        """
        wanted = []
        for begin, end in itertools.product(self._starts, (*self._starts[1:], schedules.shape[1])):
            for mvs, levels in self._changes if begin < end else ():
                changed = schedules.copy()
                changed[:, begin:end, mvs] = levels
                wanted.append(changed)
        return self._kept(np.concatenate(wanted), schedules[0])

    @cached_property
    def _changes(self) -> list[tuple[list[int], tuple[float, ...]]]:
        """MVs and the levels that they are to have."""
        mvs, places = list(self._places), [places.tolist() for places in self._places.values()]
        if math.prod(map(len, places)) <= _MOST_COMBINATIONS:
            return [(mvs, levels) for levels in itertools.product(*places)]
        return [([mv], (level,)) for mv, own in zip(mvs, places, strict=True) for level in own]

    def _summed_up(self, relaxed: Float[np.ndarray, "horizon mv"]) -> Float[np.ndarray, "horizon mv"]:
        rounded = relaxed.copy()
        for begin, end in itertools.pairwise([*self._starts, len(relaxed)]):
            owed = relaxed[:end].sum(axis=0) - rounded[:begin].sum(axis=0)
            rounded[begin:end] = self._problem.on_levels(owed / (end - begin))
        return rounded

    def _kept(
        self, wanted: Float[np.ndarray, "_ horizon mv"], others: Float[np.ndarray, "horizon mv"]
    ) -> Float[np.ndarray, "batch horizon mv"]:
        """Schedules as near to `wanted` as limits and largest moves let them be, each once."""
        columns = {mv: self._followed(wanted[:, :, mv], mv) for mv in self._places}
        _, once = np.unique(np.concatenate(list(columns.values()), axis=1), axis=0, return_index=True)
        schedules = np.repeat(others[None], len(once), axis=0)
        for mv, column in columns.items():
            schedules[:, :, mv] = column[once]
        return schedules

    def _followed(
        self, wanted: Float[np.ndarray, "batch horizon"], mv: int
    ) -> Float[np.ndarray, "batch horizon"]:
        problem, places = self._problem, self._places[mv]
        outside = np.abs(places - places.clip(problem.mv_low[mv], problem.mv_high[mv]))
        reach = problem.max_move[mv] + ROUNDING * problem.mv_span[mv]
        before = np.full(len(wanted), problem.last_mv[mv])
        kept = np.empty_like(wanted)
        for row in range(wanted.shape[1]):
            away = np.abs(places - wanted[:, row, None]) + _OUTSIDE * outside
            away[np.abs(places - before[:, None]) > reach] = np.inf
            before = places[away.argmin(axis=1)]
            kept[:, row] = before
        return kept
