"""A linear model with a disturbance estimate, identified from a routine log: what a linear MPC runs on."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_discrete_are

from procwm.comparison.subspace import InnovationModel, Stretch, identify
from procwm.data.cadence import default_hold_s
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, grid
from procwm.errors import TrainingError
from procwm.plant.tags import PlantSpec, names_of

_HELD_OUT = 0.3
_LEADS = (1, 2, 3, 5, 8, 13, 21, 30)
"""Rows ahead at which held-out predictions are compared: near and far alike."""
_HORIZON = max(_LEADS)
_PASTS = (10, 20, 40)
_ORDERS = tuple(range(1, 13))
_DRIFTS = (0.01, 0.1, 1.0, 10.0)
"""Variances of an output disturbance's change in one interval, relative to what cannot be foreseen."""
_SLOWEST = 0.95
"""Largest pole of the estimate's error: after 80 intervals, 2 % of a new load is still unknown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """`x[k+1] = A x[k] + B u[k] + L (y[k] - C x[k])`, scaled deviations; offset-free by construction.

    `x` ends with one integrated disturbance for every output. Inputs are the MVs, then the DVs;
    row `k` of an input is in force from row `k` to row `k + 1`. Outputs are `plant.outputs`.

    Attributes:
        rule: how samples become rows.
        input_center, input_scale, output_center, output_scale: engineering units.
        order, past, drift: what the held-out part of the log chose.
        error: held-out prediction error over the horizon, relative to the outputs' deviation.
    """

    plant: PlantSpec
    rule: WindowRule
    A: Float[np.ndarray, "state state"]
    B: Float[np.ndarray, "state input"]
    C: Float[np.ndarray, "output state"]
    L: Float[np.ndarray, "state output"]
    input_center: Float[np.ndarray, " input"]
    input_scale: Float[np.ndarray, " input"]
    output_center: Float[np.ndarray, " output"]
    output_scale: Float[np.ndarray, " output"]
    order: int
    past: int
    drift: float
    error: float


def identify_linear(plant: PlantSpec, log: Log, *, history: int) -> LinearModel:
    """Subspace identification with everything that must be chosen chosen on held-out data.

    The first 70 % of the log identify models of every past and order; the multi-step prediction
    error on the rest chooses among them, and then the disturbance model (an integrator on every
    output beside the identified noise model, its gain by a Riccati equation) among those that follow
    a load fast enough. The chosen structure is identified once more from the whole log.

    Args:
        plant: names the inputs and outputs.
        log: a routine log.
        history: rows that the controller will keep.

    Raises:
        TrainingError: the log has no stretch long enough to identify from.
    """
    rule = WindowRule(
        tags=plant.names,
        interval_s=plant.interval_s,
        history=history,
        hold_s=default_hold_s(plant, log),
    )
    rows = _stretches(plant, grid(log, rule))
    total = sum(len(y) for _, y in rows)
    if total < 4 * max(_PASTS) + _HORIZON:
        raise TrainingError(
            f"{plant.name}: the log has {total} usable rows; a linear model needs "
            f"{4 * max(_PASTS) + _HORIZON}"
        )
    u, y = (np.vstack(parts) for parts in zip(*rows, strict=True))
    centers, scales = (u.mean(0), y.mean(0)), (_scale(u), _scale(y))
    scaled = [tuple((part - c) / s for part, c, s in zip(row, centers, scales, strict=True)) for row in rows]
    fit, check = _split(scaled, round((1 - _HELD_OUT) * total))

    models = {past: identify(fit, past=past, orders=_ORDERS) for past in _PASTS}

    def undisturbed(choice: tuple[int, int]) -> float:
        # With an integrator on every output a model of too low an order looks good, and is unstable
        # in closed loop.
        model = models[choice[0]][choice[1]]
        return prediction_error(model.A, model.B, model.C, model.K, check)

    past, order = min(product(_PASTS, _ORDERS), key=undisturbed)
    estimators = [(_with_drift(models[past][order], drift), drift) for drift in _DRIFTS]
    _, error, drift = min(
        (max(_slowest(*parts), _SLOWEST), prediction_error(*parts, check), drift)
        for parts, drift in estimators
    )
    A, B, C, L = _with_drift(identify(scaled, past=past, orders=(order,))[order], drift)
    return LinearModel(
        plant=plant,
        rule=rule,
        A=A,
        B=B,
        C=C,
        L=L,
        input_center=centers[0],
        input_scale=scales[0],
        output_center=centers[1],
        output_scale=scales[1],
        order=order,
        past=past,
        drift=drift,
        error=error,
    )


def _stretches(plant: PlantSpec, rows: Grid) -> list[Stretch]:
    """`(u, y)` of every stretch, engineering units, gaps filled with the value before them."""
    outputs, mvs, dvs = (rows.columns(names_of(tags)) for tags in (plant.outputs, plant.mvs, plant.dvs))
    found = []
    for stretch in rows.stretches:
        values = filled(rows.values[stretch])
        if len(values) > 2 * max(_PASTS):
            u = np.hstack([values[1:, mvs], values[:-1, dvs]])
            found.append((u, values[:-1, outputs]))
    return found


def filled(values: Float[np.ndarray, "row tag"]) -> Float[np.ndarray, "_ tag"]:
    """Rows from the first complete one on, each missing value replaced by the one before it."""
    valid = np.isfinite(values)
    last = np.maximum.accumulate(np.where(valid, np.arange(len(values))[:, None], -1), axis=0)
    first = int(np.argmax((last >= 0).all(axis=1))) if (last >= 0).all(axis=1).any() else len(values)
    return np.take_along_axis(values, np.maximum(last, 0), axis=0)[first:]


def _scale(rows: Float[np.ndarray, "row column"]) -> Float[np.ndarray, " column"]:
    deviation = rows.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def _split(rows: Sequence[Stretch], fit_rows: int) -> tuple[list[Stretch], list[Stretch]]:
    """The first `fit_rows` rows, and the rest."""
    fit, check, room = [], [], fit_rows
    for u, y in rows:
        fit.append((u[:room], y[:room]))
        check.append((u[room:], y[room:]))
        room = max(0, room - len(y))
    longest = 2 * max(_PASTS)
    return [part for part in fit if len(part[1]) > longest], [
        part for part in check if len(part[1]) > _HORIZON
    ]


Filter = tuple[
    Float[np.ndarray, "state state"],
    Float[np.ndarray, "state input"],
    Float[np.ndarray, "output state"],
    Float[np.ndarray, "state output"],
]
"""`A, B, C, L` of `LinearModel`."""


def _with_drift(model: InnovationModel, drift: float) -> Filter:
    """The model with an integrated disturbance added to every output, and its steady Kalman gain.

    Pannocchia and Rawlings (2003), Disturbance models for offset-free model-predictive control,
    AIChE Journal 49, 426-437: as many integrators as measured outputs leave no offset.
    """
    states, outputs = len(model.A), len(model.C)
    A = np.block([[model.A, np.zeros((states, outputs))], [np.zeros((outputs, states)), np.eye(outputs)]])
    B = np.vstack([model.B, np.zeros((outputs, model.B.shape[1]))])
    C = np.hstack([model.C, np.eye(outputs)])
    R = model.covariance + 1e-9 * np.eye(outputs)
    shock = np.vstack([model.K, np.zeros((outputs, outputs))])
    drifting = np.zeros_like(A)
    drifting[states:, states:] = drift * np.diag(np.diag(R))
    Q = shock @ R @ shock.T + drifting + 1e-12 * np.eye(len(A))
    S = shock @ R
    P = solve_discrete_are(A.T, C.T, Q, R, s=S)
    L = np.linalg.solve((C @ P @ C.T + R).T, (A @ P @ C.T + S).T).T
    return A, B, C, L


def _slowest(
    A: Float[np.ndarray, "state state"],
    B: Float[np.ndarray, "state input"],
    C: Float[np.ndarray, "output state"],
    L: Float[np.ndarray, "state output"],
) -> float:
    """Largest pole of the estimation error."""
    return float(np.max(np.abs(np.linalg.eigvals(A - L @ C))))


def prediction_error(
    A: Float[np.ndarray, "state state"],
    B: Float[np.ndarray, "state input"],
    C: Float[np.ndarray, "output state"],
    L: Float[np.ndarray, "state output"],
    rows: Sequence[Stretch],
) -> float:
    """Geometric mean of the root mean squared prediction errors at `_LEADS`, from filtered states.

    Inputs are known. A geometric mean, because unmeasured disturbances make the errors far ahead
    large for every model, and a controller needs the near ones just as right.
    """
    squares, count = np.zeros(_HORIZON + 1), 0
    for u, y in rows:
        x = np.zeros((len(y) + 1, len(A)))
        for k in range(len(y)):
            x[k + 1] = A @ x[k] + B @ u[k] + L @ (y[k] - C @ x[k])
        moments = len(y) - _HORIZON
        ahead = x[:moments]
        for lead in range(1, _HORIZON + 1):
            squares[lead] += np.sum((ahead @ C.T - y[lead - 1 : lead - 1 + moments]) ** 2)
            ahead = ahead @ A.T + u[lead - 1 : lead - 1 + moments] @ B.T
        count += moments * y.shape[1]
    known = count > 0 and bool(np.isfinite(squares).all())
    return float(np.exp(np.mean(np.log(squares[list(_LEADS)] / count)) / 2.0)) if known else np.inf
