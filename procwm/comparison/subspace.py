"""Subspace identification of a linear state-space model in innovation form."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Stretch = tuple[Float[np.ndarray, "_ input"], Float[np.ndarray, "_ output"]]
"""`(u, y)` without gaps, zero mean; row `k` of `u` is in force from row `k` to row `k + 1`."""

_LARGEST_POLE = 0.999


@dataclass(frozen=True, kw_only=True, eq=False)
class InnovationModel:
    """`x[k+1] = A x[k] + B u[k] + K e[k]`, `y[k] = C x[k] + e[k]`: `e` is what could not be foreseen.

    Attributes:
        covariance: of `e`.
    """

    A: Float[np.ndarray, "state state"]
    B: Float[np.ndarray, "state input"]
    C: Float[np.ndarray, "output state"]
    K: Float[np.ndarray, "state output"]
    covariance: Float[np.ndarray, "output output"]


def identify(
    stretches: Sequence[Stretch], *, past: int, orders: Sequence[int], ridge: float = 1e-6
) -> dict[int, InnovationModel]:
    """Models of the given orders, by predictor-based subspace identification (PBSIDopt).

    Chiuso (2007), The role of vector autoregressive modeling in predictor-based subspace
    identification, Automatica 43, 1034-1048: consistent under feedback, as a routine log has it.
    A long ARX model gives the Markov parameters of the one-step predictor; they map the past to
    the predictor's future, whose SVD gives the states; the matrices follow by least squares.
    Unstable poles are moved inside the unit circle: what an MPC writes to is a stable plant.

    Args:
        stretches: the log.
        past: rows of the ARX model; to cover the dead time and the settling of the predictor.
        orders: counts of states.
        ridge: Tikhonov weight relative to the regressors' mean variance.
    """
    pasts, presents = [], []
    for u, y in stretches:
        z = np.hstack([u, y])
        pasts.append(np.hstack([z[lag : len(z) - past + lag] for lag in range(past)]))
        presents.append(np.hstack([u[past:], y[past:]]))
    Z = np.vstack(pasts)
    width = stretches[0][0].shape[1]
    U, Y = np.split(np.vstack(presents), [width], axis=1)

    gram = Z.T @ Z
    gram += ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    markov = np.linalg.solve(gram, Z.T @ Y).T
    # Without the factor of the present rows' own covariance, a large output would set the states.
    scale = 1.0 / np.maximum(np.std(Y - Z @ markov.T, axis=0), 1e-9)
    future = Z @ _future_map(markov * scale[:, None], past).T
    left, singular, _ = np.linalg.svd(future, full_matrices=False)
    # The last row of a stretch has no successor inside it.
    ends = np.cumsum([len(rows) for rows in pasts]) - 1
    inner = np.setdiff1d(np.arange(len(Z) - 1), ends)
    return {order: _realise(left[:, :order] * np.sqrt(singular[:order]), U, Y, inner) for order in orders}


def _future_map(markov: Float[np.ndarray, "output lagged"], past: int) -> Float[np.ndarray, "outputs lagged"]:
    """Block row `i` maps the past to the predicted output `i` rows ahead, its newest `i` inputs unknown."""
    block = markov.shape[1] // past
    rows = [
        np.hstack([np.zeros((len(markov), i * block)), markov[:, : (past - i) * block]]) for i in range(past)
    ]
    return np.vstack(rows)


def _realise(
    X: Float[np.ndarray, "row state"],
    U: Float[np.ndarray, "row input"],
    Y: Float[np.ndarray, "row output"],
    inner: Int[np.ndarray, " moment"],
) -> InnovationModel:
    C = np.linalg.lstsq(X, Y, rcond=None)[0].T
    E = Y - X @ C.T
    causes = np.hstack([X[inner], U[inner], E[inner]])
    A, B, K = np.split(
        np.linalg.lstsq(causes, X[inner + 1], rcond=None)[0].T,
        [X.shape[1], X.shape[1] + U.shape[1]],
        axis=1,
    )
    radius = float(np.max(np.abs(np.linalg.eigvals(A))))
    A = A * min(1.0, _LARGEST_POLE / radius)
    return InnovationModel(A=A, B=B, C=C, K=K, covariance=E.T @ E / len(E))
