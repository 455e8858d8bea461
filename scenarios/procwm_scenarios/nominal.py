"""The exact steady state of a plant's equations near one that its source gives in rounded figures."""

from collections.abc import Sequence
from typing import Any

import casadi as ca

_TOLERANCE = 1e-11


def settled(rhs: Any, near: Sequence[float], mv: Sequence[float], d: Sequence[float]) -> tuple[float, ...]:
    """`x` with `rhs(x, mv, d) = 0`, by Newton's method.

    Args:
        rhs: a `casadi.Function` of `(x, mv, d)`.
        near: where to start.
        mv, d: at the nominal point.
    """
    x = ca.SX.sym("x", len(near))
    rest = ca.Function("rest", [x], [rhs(x, ca.DM(mv), ca.DM(d))])
    options = {"abstol": _TOLERANCE, "max_iter": 100, "error_on_fail": True}
    found = ca.rootfinder("settled", "newton", rest, options)(ca.DM(near))
    return tuple(found.full().ravel().tolist())
