"""Several models of a plant as one program: one latent, one network, all outputs and all guardrails."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag

from procwm.errors import SpecError
from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Transcript
from procwm.world.parts.layers import Affine, Layers, affine, side_by_side


def apart(problem: ControlProblem, many: int) -> ControlProblem:
    """`problem` as `many` models side by side are given it: one latent and one set of outputs for each.

    What it costs is another matter: the objective is made from `problem` itself.
    """
    return replace(
        problem,
        latent=np.tile(problem.latent, many),
        bias=np.tile(problem.bias, many),
        target=np.tile(problem.target, many),
        zone_low=np.tile(problem.zone_low, many),
        zone_high=np.tile(problem.zone_high, many),
        low=np.tile(problem.low, many),
        high=np.tile(problem.high, many),
        weight=np.tile(problem.weight, many),
        span=np.tile(problem.span, many),
        priorities=None,
        back_off=None,
    )


def joined(members: Sequence[Transcript]) -> Transcript:
    """All of `members` side by side, driven by the same MVs and DVs.

    Raises:
        SpecError: they have not got the same sizes, scales and kinds of layers.
    """
    first = members[0]
    for other in members[1:]:
        _check_alike(first, other)
    latents = [member.latent for member in members]
    begins = [0, *accumulate(latents)][:-1]
    return replace(
        first,
        latent=sum(latents),
        linear=_driven([member.linear for member in members], first.latent),
        network=side_by_side(
            [member.network for member in members],
            _driven([affine(member.network[0]) for member in members], first.latent),
        ),
        readout=Affine(
            block_diag(*(member.readout.weight for member in members)),
            np.concatenate([member.readout.bias for member in members]),
        ),
        guards=tuple(
            _of_own_latent(layers, begin, sum(latents))
            for member, begin in zip(members, begins, strict=True)
            for layers in member.guards
        ),
    )


def _check_alike(first: Transcript, other: Transcript) -> None:
    sizes = [
        (each.latent, each.mv, each.dv, len(each.guards), len(each.readout.bias)) for each in (first, other)
    ]
    kinds = [
        [layer if not isinstance(layer, Affine) else "affine" for layer in each.network]
        for each in (first, other)
    ]
    scales = [
        np.concatenate((each.mv_center, each.mv_width, each.dv_center, each.dv_width))
        for each in (first, other)
    ]
    if sizes[0] != sizes[1] or kinds[0] != kinds[1] or not np.array_equal(scales[0], scales[1]):
        raise SpecError(
            "the models of an ensemble need the same encoder, tags, scales, guardrails and kinds of layers"
        )


def _driven(layers: Sequence[Affine], latent: int) -> Affine:
    """Layers that read their own latent and the same MVs and DVs."""
    own = block_diag(*(layer.weight[:, :latent] for layer in layers))
    shared = np.vstack([layer.weight[:, latent:] for layer in layers])
    return Affine(np.hstack((own, shared)), np.concatenate([layer.bias for layer in layers]))


def _of_own_latent(layers: Layers, begin: int, size: int) -> Layers:
    first, *later = layers
    assert isinstance(first, Affine)
    weight: Float[np.ndarray, "out in"] = np.zeros((len(first.bias), size))
    weight[:, begin : begin + first.weight.shape[1]] = first.weight
    return (Affine(weight, first.bias), *later)
