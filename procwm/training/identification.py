"""A linear state-space model from a log, by reduced-rank regression of the future on the past.

Every future output over the horizon, and with less weight every PV that belongs to the process, is
regressed on the window and on the future inputs (ridge). What the window says about them has few
directions; the leading ones, whitened, are the state. This is the
canonical-variate family of subspace identification: Larimore (1990), Canonical variate analysis in
identification, filtering, and adaptive control, CDC, 596-604; with unit output weighting, as in N4SID:
Van Overschee and De Moor (1994), Automatica 30, 75-93. The state is white by construction, which is
what `sigreg` asks of a latent, so a world model can start from it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.training.tensors import LogTensors
from procwm.world.encoders.mlp import window_features
from procwm.world.linear import LinearDynamics

RIDGE = 1e-3
"""Relative to the variance of scaled regressors."""

STATE_RIDGE = 1e-4
"""The same for the regression of the next state on the present one."""

LEAST_SHARE = 0.01
"""A direction counts when it moves what is predicted by this share of what the first one does."""

_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class FreeResponse:
    """What the windows of a log say about the outputs and PVs that follow.

    Attributes:
        weights: windows (flattened) to directions, sorted by size.
        center: mean window.
        sizes: standard deviation of what is predicted along each direction, scaled and weighted.
    """

    weights: Float[Tensor, "feature direction"]
    center: Float[Tensor, " feature"]
    sizes: Float[Tensor, " direction"]

    @property
    def order(self) -> int:
        """Count of directions of some size: the order that a linear model needs."""
        return max(1, int((self.sizes > LEAST_SHARE * self.sizes[0]).sum()))


def free_response(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    horizon: int,
    companions: Float[Tensor, "row companion"] | None = None,
) -> FreeResponse:
    """Regress `horizon` rows of outputs on windows and future inputs, and keep what the windows say.

    Args:
        companions: weighted columns that are regressed beside the outputs; `None` for none.
    """
    foreseen = log.outputs
    if companions is not None:
        foreseen = torch.cat((foreseen, companions), dim=1)
    features = window_features(log.windows(moments[:1])).shape[1]
    inputs = horizon * (log.mv.shape[1] + log.dv.shape[1])
    total = torch.zeros(features + inputs, dtype=torch.float64)
    target_total = torch.zeros(horizon * foreseen.shape[1], dtype=torch.float64)
    square = torch.zeros((len(total), len(total)), dtype=torch.float64)
    cross = torch.zeros((len(total), len(target_total)), dtype=torch.float64)
    for part in torch.split(moments, _CHUNK):
        future = log.future(part, horizon)
        regressors = torch.cat(
            (window_features(log.windows(part)), future.mv.flatten(1), future.dv.flatten(1)), dim=1
        ).double()
        targets = foreseen[part[:, None] + torch.arange(1, horizon + 1)].flatten(1).double()
        total += regressors.sum(dim=0)
        target_total += targets.sum(dim=0)
        square += regressors.T @ regressors
        cross += regressors.T @ targets
    count = len(moments)
    mean, target_mean = total / count, target_total / count
    covariance = square / count - torch.outer(mean, mean)
    covariance.diagonal().add_(RIDGE)
    solution = torch.linalg.solve(covariance, cross / count - torch.outer(mean, target_mean))
    past = solution[:features]
    spread = (
        past.T @ (square[:features, :features] / count - torch.outer(mean[:features], mean[:features])) @ past
    )
    variances, directions = torch.linalg.eigh(spread)
    variances, directions = variances.flip(0).clamp(min=1e-12), directions.flip(1)
    return FreeResponse(past @ _signed(directions), mean[:features], variances.sqrt())


def state_space(
    log: LogTensors, moments: Int[Tensor, " moment"], response: FreeResponse, latent: int
) -> LinearDynamics:
    """The linear model whose state is the leading `latent` directions of `response`, whitened."""
    latent = min(latent, response.weights.shape[1])
    encoder = response.weights[:, :latent] / response.sizes[:latent]
    offset = -response.center @ encoder

    def states(at: Int[Tensor, " moment"]) -> Float[Tensor, "moment latent"]:
        parts = [
            window_features(log.windows(part)).double() @ encoder + offset for part in torch.split(at, _CHUNK)
        ]
        return torch.cat(parts)

    now, following = states(moments), states(moments + 1)
    inputs = torch.cat((now, log.mv[moments + 1].double(), log.dv[moments + 1].double()), dim=1)
    step, step_offset = ridge(inputs, following - now, STATE_RIDGE)
    readout, readout_offset = ridge(now, log.outputs[moments].double(), STATE_RIDGE)
    mv, dv, outputs = log.mv.shape[1], log.dv.shape[1], log.outputs.shape[1]
    model = LinearDynamics(features=encoder.shape[0], latent=latent, mv=mv, dv=dv, outputs=outputs).double()
    with torch.no_grad():
        for layer, weight, bias in (
            (model.encoder, encoder, offset),
            (model.step, step, step_offset),
            (model.readout, readout, readout_offset),
        ):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias)
    return model.requires_grad_(False)


def ridge(
    inputs: Float[Tensor, "row input"], targets: Float[Tensor, "row target"], weight: float
) -> tuple[Float[Tensor, "input target"], Float[Tensor, " target"]]:
    """Coefficients and offset of a ridge regression; `weight` is relative to unit variance."""
    mean, target_mean = inputs.mean(dim=0), targets.mean(dim=0)
    centered = inputs - mean
    gram = centered.T @ centered / len(inputs)
    gram.diagonal().add_(weight)
    coefficients = torch.linalg.solve(gram, centered.T @ (targets - target_mean) / len(inputs))
    return coefficients, target_mean - mean @ coefficients


def settling_rows(model: LinearDynamics, mv: int, rows: int, share: float = 0.1) -> int:
    """Rows after which the step response to each of the first `mv` inputs stays near its end.

    Near is within `share` of its largest value. Responses below a tenth of the same output's largest one
    are not looked at.

    Args:
        rows: length of the responses.
    """
    order = model.step.out_features
    # Differences of two trajectories: offsets cancel, so the free response is left out.
    state_matrix, input_matrix = model.step.weight[:, :order], model.step.weight[:, order : order + mv]
    latent = torch.zeros((mv, order), dtype=torch.float64)
    responses = []
    for _ in range(rows):
        latent = latent + latent @ state_matrix.T + input_matrix.T
        responses.append(latent @ model.readout.weight.T)
    response = torch.stack(responses)
    size = response.abs().amax(dim=0)
    outside = (response - response[-1]).abs() > share * size
    last = torch.where(outside, torch.arange(1, rows + 1)[:, None, None], 0).amax(dim=0)
    return int(last[size > 0.1 * size.amax(dim=0)].max()) + 1


def _signed(directions: Float[Tensor, "row column"]) -> Float[Tensor, "row column"]:
    """Columns with their largest entry positive: an eigenvector's sign is a library's accident."""
    largest = directions.abs().argmax(dim=0)
    return directions * directions[largest, torch.arange(directions.shape[1])].sign()
