"""How much slower feedback may be for next to nothing.

The cost of a loop hardly changes about the quickest feedback that a model asks for: on the plants that were
tried, moves ten times as dear as the doubt about step responses makes them cost a tenth more where the model
is right and moves are free, one to two per cent with noise and limits on moves, and a third less travel of
the MVs. Where the model is wrong in a way that its log does not show, as by a gain that changes or by outputs
that are hard to move apart, the same price is what keeps the loop from swinging
(docs/experiments/patience.md). So moves are made dearer for as long as that is cheap.

What it costs is found on the model's own step responses, taken as right: every CV in turn is to move by its
span, and the squared errors of the loop and the price of its moves by the plant file are summed over two
horizons.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve

from procwm.control.caution import caution
from procwm.planning.objective import row_weights
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

_WORTH = 1.1
"""Cost of the loop, relative to the one whose moves cost what the plant file says, that is put up with."""
_MULTIPLES = tuple(10.0 ** (fourth / 4.0) for fourth in range(1, 5))
"""Of the price, that are tried one after the other."""
_MOVES = 20
"""Intervals at the start of a plan in which the loop that is tried may move MVs."""
_TINY = 1e-9
"""Of the dearest move: what moves that cost nothing are taken to cost."""


def patient(
    model: WorldModel, plant: PlantSpec, error: Float[np.ndarray, "horizon mv output"]
) -> Float[np.ndarray, "horizon mv output"]:
    """`error` times what makes moves as dear as is cheap, and never less than it is.

    Args:
        model: its step responses are the plant's in the loop that is tried.
        plant: limits and weights of the CVs and MVs.
        error: standard error of the step responses, engineering units.
    """
    weight = np.array([tag.weight if tag in plant.cvs else 0.0 for tag in plant.outputs])
    span, mv_span = (np.array([tag.span for tag in tags]) for tags in (plant.outputs, plant.mvs))
    price = plant.control.caution * caution(error, weight, span, mv_span)
    if not price.any() or not weight.any():
        return error
    response = model.per_unit(step_responses(model)) * mv_span[:, None] * np.sqrt(weight) / span
    if not np.isfinite(response).all():
        return error
    loop = TriedLoop(
        response=response[..., weight > 0.0].transpose(0, 2, 1),
        move_weight=np.array([tag.move_weight for tag in plant.mvs]),
    )
    allowed, multiple = _WORTH * loop.cost(np.zeros_like(price)), 1.0
    for tried in _MULTIPLES:
        if loop.cost(tried * price) > allowed:
            break
        multiple = tried
    dearer: np.ndarray = np.sqrt(multiple) * error
    return dearer


@dataclass(frozen=True, kw_only=True, eq=False)
class TriedLoop:
    """A plant without limits that answers as its model foresees, and its controller.

    Attributes:
        response: CVs after a move by an MV's span, each in units in which its squared error costs 1; after
            the horizon they stay.
        move_weight: of the MVs' squared moves relative to their span, by the plant file.
    """

    response: Float[np.ndarray, "horizon cv mv"]
    move_weight: Float[np.ndarray, " mv"]

    def cost(self, price: Float[np.ndarray, " mv"]) -> float:
        """Of the loop if moves are planned as though they cost `price` more, over all CVs' setpoint steps."""
        horizon, cvs, _ = self.response.shape
        gain = self._gain(price)
        lasting = np.concatenate((self.response, np.repeat(self.response[-1:], 2 * horizon, axis=0)))
        wanted, coming, cost = np.eye(cvs), np.zeros((3 * horizon, cvs, cvs)), 0.0
        for now in range(2 * horizon):
            missing = wanted - coming[now : now + horizon]
            move = np.einsum("mhc,hcs->ms", gain, missing)
            coming[now:] += lasting[: 3 * horizon - now] @ move
            cost += float(((wanted - coming[now]) ** 2).sum() + (self.move_weight @ move**2).sum())
        return cost if np.isfinite(cost) else np.inf

    def _gain(self, price: Float[np.ndarray, " mv"]) -> Float[np.ndarray, "mv horizon cv"]:
        """What is missing ahead to the first moves of the plan that costs least."""
        horizon, cvs, mvs = self.response.shape
        moves = min(_MOVES, horizon)
        effect = np.zeros((horizon, cvs, moves, mvs))
        for first in range(moves):
            effect[first:, :, first] = self.response[: horizon - first]
        flat, rows = effect.reshape(horizon * cvs, moves * mvs), np.repeat(row_weights(horizon), cvs)
        gram = flat.T @ (rows[:, None] * flat) + np.diag(np.tile(self.move_weight + price, moves))
        gram[np.diag_indices_from(gram)] += _TINY * gram.diagonal().max()
        plan = solve(gram, (rows[:, None] * flat).T, assume_a="pos")
        return np.asarray(plan[:mvs].reshape(mvs, horizon, cvs))
