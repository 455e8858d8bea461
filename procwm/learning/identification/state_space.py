"""A linear state-space model from a log, by reduced-rank regression of the future on the past.

The state is the present outputs, but for those that are measured in cycles, and beside them the leading
directions of what else a window says about the outputs to come, and about the PVs that belong to the
process: each tag and lead relative to what cannot be foreseen of it; all whitened. So the outputs of the
state are the measured ones, and the state is white, which is what `sigreg` asks of a latent: a world model
can start from it.

This is the canonical-variate family of subspace identification: Larimore (1990), Canonical variate analysis
in identification, filtering, and adaptive control, CDC, 596-604.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.dataset.parts import Part
from procwm.learning.dataset.tensors import LogTensors
from procwm.learning.identification.regression import CHUNK, Regression, free_weights, pooled
from procwm.world.encoders.features import window_features
from procwm.world.linear import LinearDynamics
from procwm.world.predictors.stability import stable
from procwm.world.protocols import ModelInput

STATE_RIDGE = 1e-4
"""Of the regression of the next state on the present one, relative to unit variance."""
_COLLINEAR = 1e-4
"""Of the outputs' mean variance: outputs that move together to within this are told apart no further."""
_LEAST_VARIANCE = 1e-9
"""Of the leading direction: one that says less is rounding."""


@dataclass(frozen=True, eq=False)
class Steps:
    """States at some moments of a log, and what became of them.

    Attributes:
        now, following: states at the moments and one row later.
        inputs: MVs and DVs of the row in between.
    """

    now: Float[Tensor, "moment latent"]
    following: Float[Tensor, "moment latent"]
    inputs: Float[Tensor, "moment input"]

    def regression(
        self, latent: int
    ) -> tuple[Float[Tensor, "moment regressor"], Float[Tensor, "moment latent"]]:
        """The first `latent` states and the inputs, and the change of these states that came of them."""
        now = self.now[:, :latent]
        return torch.cat((now, self.inputs), dim=1), self.following[:, :latent] - now


@dataclass(frozen=True, eq=False)
class States:
    """Window features to states, the most useful first, and what the states were in a log.

    Attributes:
        encoder, offset: `states = features @ encoder + offset`; the first states are the whitened outputs.
        steps: of that log.
        passive: of one in which MVs hardly move, if there is any.
        readout, readout_offset: the first states to the present outputs.
        late: cyclic outputs, between two measurements on a straight line.
    """

    encoder: Float[Tensor, "feature latent"]
    offset: Float[Tensor, " latent"]
    steps: Steps
    passive: Steps | None
    readout: Float[Tensor, "prompt prompt"]
    readout_offset: Float[Tensor, " prompt"]
    late: Float[Tensor, "moment late"]


@dataclass(frozen=True, eq=False)
class Followed:
    """Some moments of a log and what followed them, which many models are held to. Double precision.

    Attributes:
        window, mv, dv: what models are told.
        measured, valid: outputs and then companions; where they were measured.
    """

    window: ModelInput
    mv: Float[Tensor, "moment step mv"]
    dv: Float[Tensor, "moment step dv"]
    measured: Float[Tensor, "moment step target"]
    valid: Float[Tensor, "moment step target"]


def followed(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    horizon: int,
    companions: Int[Tensor, " companion"],
) -> Followed:
    """What followed `moments` for `horizon` rows.

    Args:
        companions: columns of the log's other PVs.
    """
    window, future = log.windows(moments), log.future(moments, horizon)
    return Followed(
        window=ModelInput(window.values.double(), window.valid.double()),
        mv=future.mv.double(),
        dv=future.dv.double(),
        measured=torch.cat((future.outputs, future.others[..., companions]), dim=-1).double(),
        valid=torch.cat((future.outputs_valid, future.others_valid[..., companions]), dim=-1).double(),
    )


def states(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    found: Regression,
    most_states: int,
    passive: Part | None = None,
) -> States:
    """At most `most_states` states, and no fewer than there are outputs.

    Args:
        passive: of a log in which MVs hardly move, in the scale of `log`.
    """
    prompt = log.output_columns[~log.cyclic]
    outputs = len(prompt)
    weights = free_weights(found, log) / found.error
    present, foreseen = log.values[moments][:, prompt].double(), _read(log, moments, weights)
    mean, foreseen_mean = present.mean(dim=0), foreseen.mean(dim=0)
    covariance = _covariance(present, present)
    covariance.diagonal().add_(_COLLINEAR * covariance.diagonal().mean().clamp(min=1e-12))
    root = torch.linalg.cholesky(covariance)
    # What the present outputs themselves say is taken out, so that the rest adds to it.
    share = torch.linalg.solve(covariance, _covariance(present, foreseen))
    rest = foreseen - foreseen_mean - (present - mean) @ share
    variances, directions = torch.linalg.eigh(_covariance(rest, rest))
    useful = int((variances > _LEAST_VARIANCE * variances[-1]).sum())
    kept = max(0, min(most_states - outputs, useful))
    sizes = variances.flip(0)[:kept].clamp(min=1e-12).sqrt()
    directions = _signed(directions.flip(1)[:, :kept]) / sizes
    picked = _present_weights(log, prompt, len(weights))
    whitening = torch.linalg.inv(root).T
    encoder = torch.cat((picked @ whitening, (weights - picked @ share) @ directions), dim=1)
    offset = torch.cat((-mean @ whitening, (mean @ share - foreseen_mean) @ directions))
    return States(
        encoder=encoder,
        offset=offset,
        steps=_steps(log, moments, encoder, offset),
        passive=None if passive is None else _steps(passive.tensors, passive.moments, encoder, offset),
        readout=root,
        readout_offset=mean,
        late=log.outputs[moments][:, log.cyclic].double(),
    )


def state_space(log: LogTensors, found: States, latent: int, *, may_grow: bool = False) -> LinearDynamics:
    """The linear model of the first `latent` states.

    Args:
        may_grow: whether an unstable model stays one. Sizes are compared by such models: one that is made
            stable foretells other than it found, and better ones were passed over for its sake.
    """
    latent = min(latent, found.encoder.shape[1])
    outputs, prompt = len(log.cyclic), len(found.readout)
    step, step_offset = state_step(found.steps, found.passive, latent, may_grow=may_grow)
    readout, readout_offset = torch.zeros((outputs, latent)).double(), torch.zeros(outputs).double()
    readout[~log.cyclic, :prompt], readout_offset[~log.cyclic] = found.readout, found.readout_offset
    late, late_offset = ridge(found.steps.now[:, :latent], found.late, STATE_RIDGE)
    readout[log.cyclic], readout_offset[log.cyclic] = late.T, late_offset
    model = LinearDynamics(
        features=len(found.encoder),
        latent=latent,
        mv=log.mv.shape[1],
        dv=log.dv.shape[1],
        outputs=outputs,
    ).double()
    with torch.no_grad():
        for layer, weight, bias in (
            (model.encoder, found.encoder[:, :latent].T, found.offset[:latent]),
            (model.step, step.T, step_offset),
            (model.readout, readout, readout_offset),
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return model.requires_grad_(False)


def state_step(
    found: Steps, passive: Steps | None, latent: int, *, may_grow: bool = False
) -> tuple[Float[Tensor, "regressor latent"], Float[Tensor, " latent"]]:
    """State and inputs to the change of the first `latent` states.

    The state's matrix decays or integrates, but for one that `may_grow`.
    """
    regressors, change = found.regression(latent)
    gram, cross = _covariance(regressors, regressors), _covariance(regressors, change)
    if passive is not None:
        quiet, quiet_change = passive.regression(latent)
        gram = pooled(gram, _covariance(quiet, quiet))
        cross = pooled(cross, _covariance(quiet, quiet_change))
    gram.diagonal().add_(STATE_RIDGE)
    step = torch.linalg.solve(gram, cross)
    same = torch.eye(latent, dtype=step.dtype)
    transition = same + step[:latent]
    drawn = stable(transition)
    if drawn is not transition and not may_grow:
        # The inputs have to tell what the state matrix may no longer.
        left = cross[latent:] - gram[latent:, :latent] @ (drawn - same)
        step = torch.cat((drawn - same, torch.linalg.solve(gram[latent:, latent:], left)))
    return step, change.mean(dim=0) - regressors.mean(dim=0) @ step


def mean_squared_error(
    model: LinearDynamics,
    followed: Followed,
    witness: tuple[Float[Tensor, "latent companion"], Float[Tensor, " companion"]],
) -> Float[Tensor, "step target"]:
    """Mean squared error, scaled, by lead, of outputs and then of companions.

    Args:
        followed: the moments that count.
        witness: weights and offset that read companions from the state.
    """
    latent = model.imagine(followed.window, followed.mv, followed.dv)
    predicted = torch.cat((model.readout(latent), latent @ witness[0] + witness[1]), dim=-1)
    square = (predicted - followed.measured).square() * followed.valid
    return square.sum(dim=0) / followed.valid.sum(dim=0).clamp(min=1.0)


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
    response = model.step_response(mv, rows)
    size = response.abs().amax(dim=0)
    outside = (response - response[-1]).abs() > share * size
    last = torch.where(outside, torch.arange(1, rows + 1)[:, None, None], 0).amax(dim=0)
    return int(last[size > 0.1 * size.amax(dim=0)].max()) + 1


def _steps(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    encoder: Float[Tensor, "feature latent"],
    offset: Float[Tensor, " latent"],
) -> Steps:
    return Steps(
        now=_read(log, moments, encoder) + offset,
        following=_read(log, moments + 1, encoder) + offset,
        inputs=torch.cat((log.mv[moments + 1], log.dv[moments + 1]), dim=1).double(),
    )


def _read(
    log: LogTensors, moments: Int[Tensor, " moment"], weights: Float[Tensor, "feature column"]
) -> Float[Tensor, "moment column"]:
    """`weights` of window features; those of all moments at once would fill the memory."""
    parts = torch.split(moments, CHUNK)
    return torch.cat([window_features(log.windows(part)).double() @ weights for part in parts])


def _present_weights(
    log: LogTensors, columns: Int[Tensor, " output"], features: int
) -> Float[Tensor, "feature output"]:
    """Picks the present values of `columns` out of window features, whose first half is values row by row."""
    picked = torch.zeros((features, len(columns)), dtype=torch.float64)
    last = features // 2 - log.values.shape[1]
    for output, column in enumerate(columns.tolist()):
        picked[last + column, output] = 1.0
    return picked


def _covariance(one: Float[Tensor, "row a"], other: Float[Tensor, "row b"]) -> Float[Tensor, "a b"]:
    return (one - one.mean(dim=0)).T @ (other - other.mean(dim=0)) / len(one)


def _signed(directions: Float[Tensor, "row column"]) -> Float[Tensor, "row column"]:
    """Columns with their largest entry positive: an eigenvector's sign is a library's accident."""
    largest = directions.abs().argmax(dim=0)
    return directions * directions[largest, torch.arange(directions.shape[1])].sign()
