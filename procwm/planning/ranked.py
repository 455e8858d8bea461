"""Targets met in order of rank: quadratic programs, each in the freedom that the last one left.

Every wish is that rows linear in `x` lie within intervals. It is granted as far as the wishes before it
allow; then rows that have one best value keep it, and the others keep their interval. No order of weights
stands in for an order of ranks. Escande, Mansard and Wieber, Hierarchical quadratic programming, Int. J.
Robotics Research 33(7), 2014.
"""

import numpy as np
from jaxtyping import Float

from procwm.planning.quadratic_program import Interval, QuadraticProgram, minimiser

_TOLERANCE = 1e-6
"""What a row may miss its interval by and still be called inside; rows are of the size of 1."""
_FLATTEST = 1e-6
"""Curvature of directions that a wish does not care about; the solver fails with 1e-9."""
_PROXIMAL = 1e-3
"""Curvature of a proximal step relative to the slope; Rockafellar, SIAM J. Control 14(5), 1976."""
_PROXIMAL_STEPS = 10


class UnsolvedError(Exception):
    """A quadratic program had no verified answer."""


class Freedom:
    """The points `x` that keep all that was granted so far; begins as a box around 0.

    Attributes:
        x: one of them, the best so far.
    """

    def __init__(self, box: Interval) -> None:
        size = len(box.low)
        self.x = np.zeros(size).clip(box.low, box.high)
        # A variable without room is no variable.
        self._basis: Float[np.ndarray, "variable free"] = np.eye(size)[:, box.high - box.low > _TOLERANCE]
        self._kept, self._room = np.eye(size), box

    def grant(
        self,
        matrix: Float[np.ndarray, "row variable"],
        wish: Interval,
        weight: Float[np.ndarray, " row"],
    ) -> Float[np.ndarray, " row"]:
        """Bring `matrix @ x` as near to `wish` as there is freedom, in the sense of weighted squares.

        Returns:
            What each row misses its interval by, with its sign; 0 where it lies inside.

        Raises:
            UnsolvedError: no verified answer.
        """
        rows, free = len(matrix), self._basis.shape[1]
        if rows == 0:
            return np.zeros(0)
        slope, slack, none = matrix @ self._basis, np.eye(rows), np.full(rows, np.inf)
        curved = np.diag(np.concatenate((np.full(free, _FLATTEST), (weight / weight.max()).clip(_FLATTEST))))
        both = np.vstack((np.hstack((slope, slack)), np.hstack((slope, -slack))))
        for _ in range(_PROXIMAL_STEPS if free else 0):
            before, value = self.x, matrix @ self.x
            limits = Interval(
                np.concatenate((wish.low - value, -none)), np.concatenate((none, wish.high - value))
            )
            self._move(curved, np.zeros(free + rows), both, limits)
            if np.abs(self.x - before).max() <= _TOLERANCE:
                break
        value = matrix @ self.x
        missed: np.ndarray = value - value.clip(wish.low, wish.high)
        missed[np.abs(missed) <= _TOLERANCE] = 0.0
        settled = (missed != 0.0) | (wish.low == wish.high)
        self._fix(matrix[settled])
        self._kept = np.vstack((self._kept, matrix[~settled]))
        self._room = Interval(
            np.concatenate((self._room.low, wish.low[~settled])),
            np.concatenate((self._room.high, wish.high[~settled])),
        )
        return missed

    def minimise(
        self, hessian: Float[np.ndarray, "variable variable"], gradient: Float[np.ndarray, " variable"]
    ) -> None:
        """The least `x'Hx/2 + g'x`; what has the same cost stays free.

        Raises:
            UnsolvedError: no verified answer.
        """
        size = max(float(np.abs(gradient).max()), float(np.abs(hessian).max()))
        if size == 0.0:
            return
        hessian, gradient = hessian / size, gradient / size
        for _ in range(_PROXIMAL_STEPS):
            free = self._basis.shape[1]
            if not free:
                return
            before = self.x
            curved = self._basis.T @ hessian @ self._basis + _PROXIMAL * np.eye(free)
            self._move(
                curved,
                self._basis.T @ (gradient + hessian @ self.x),
                np.zeros((0, free)),
                Interval(np.zeros(0), np.zeros(0)),
            )
            if np.abs(self.x - before).max() <= _TOLERANCE:
                break
        self._fix(np.vstack((hessian, gradient + hessian @ self.x)))

    def _move(
        self,
        hessian: Float[np.ndarray, "unknown unknown"],
        gradient: Float[np.ndarray, " unknown"],
        matrix: Float[np.ndarray, "row unknown"],
        limits: Interval,
    ) -> None:
        """Go where the program's first unknowns, steps along the basis, say; the others are slacks."""
        free, unknowns = self._basis.shape[1], len(gradient)
        kept = np.hstack((self._kept @ self._basis, np.zeros((len(self._kept), unknowns - free))))
        value = self._kept @ self.x
        low, high = np.minimum(self._room.low - value, 0.0), np.maximum(self._room.high - value, 0.0)
        # Steps are free but for what is kept, and slacks are positive.
        least, most = np.where(np.arange(unknowns) < free, -np.inf, 0.0), np.full(unknowns, np.inf)
        answer = minimiser(
            QuadraticProgram(
                hessian,
                gradient,
                np.vstack((kept, matrix)),
                Interval(np.concatenate((least, low, limits.low)), np.concatenate((most, high, limits.high))),
            )
        )
        if answer is None:
            raise UnsolvedError
        self.x = self.x + self._basis @ answer.x[:free]

    def _fix(self, rows: Float[np.ndarray, "row variable"]) -> None:
        """Keep the values of `rows`."""
        if not self._basis.shape[1] or not len(rows):
            return
        _, sizes, directions = np.linalg.svd(rows @ self._basis)
        self._basis = self._basis @ directions[int((sizes > _TOLERANCE).sum()) :].T
