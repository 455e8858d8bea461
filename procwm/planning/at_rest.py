"""The plant at rest near given MVs: where its outputs end, and how that changes with the MVs.

The model is run for `L` intervals with the MVs held. What outputs that swing slowly still do after them is
summed on the linearisation there: a latent state that last changed by `d` goes on by `A d`, `A^2 d`, ..., and
`N` of these terms cost `log2 N` products. `N` is many times `L`, so that a mode that is called integrating
has a time constant of several `L`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.linearisation import LatentTrajectory, imagine, outputs
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Transcript

_BEYOND = 32
"""`N / L`, before it is rounded up to a power of 2."""
_STILL_MOVING = 0.5
"""`rate * time / value` of a step response: 1 for an integrator, 0.58 after one time constant, 0 at rest."""


@dataclass(frozen=True, eq=False)
class RestingPlant:
    """The plant at rest, linear in its MVs; slopes are per `mv_span`.

    Attributes:
        mv: where it is linear.
        value, gain: of outputs, engineering units.
        drift, drift_gain: of what outputs change by in `L` intervals.
        moving: outputs that do not settle, and are treated by their rate.
        guard, guard_gain: of guardrails.
    """

    mv: Float[np.ndarray, " mv"]
    value: Float[np.ndarray, " output"]
    gain: Float[np.ndarray, "output mv"]
    drift: Float[np.ndarray, " output"]
    drift_gain: Float[np.ndarray, "output mv"]
    moving: Bool[np.ndarray, " output"]
    guard: Float[np.ndarray, " guard"]
    guard_gain: Float[np.ndarray, "guard mv"]


def plant_at_rest(
    transcript: Transcript, problem: ControlProblem, mv: Float[np.ndarray, " mv"], rows: int
) -> RestingPlant | None:
    """The plant at rest near `mv`; `None` where its prediction is not finite.

    Args:
        rows: `L`, longer than the horizon.
    """
    horizon = problem.horizon
    beyond = [(0, rows - horizon), (0, 0)]
    longer = replace(
        problem,
        dv=np.pad(problem.dv, beyond, mode="edge"),
        bias=np.zeros((rows, problem.bias.shape[1])),
        target=np.pad(problem.target, beyond, mode="edge"),
    )
    held = np.repeat(np.stack((problem.last_mv, mv))[:, None], rows, axis=1)
    latent = imagine(transcript, longer, held)
    cv = outputs(transcript, longer, latent)
    space = MoveSpace(MoveBlocks((1,), rows), longer)
    at = LatentTrajectory(transcript, space, held[1], latent[1], cv[1])
    slope = at.cv_slope
    if not (np.isfinite(cv).all() and np.isfinite(slope).all() and np.isfinite(at.guard).all()):
        return None
    latent_slope = at.latent_slope[-2:]
    change, change_slope = latent[:, -1] - latent[:, -2], latent_slope[1] - latent_slope[0]
    doublings = math.ceil(math.log2(_BEYOND * rows))
    terms, last = _summed(at.last_transition, doublings)
    read = transcript.readout.weight
    later, later_gain = change @ (read @ terms).T, slope[-1] + read @ terms @ change_slope
    rate = read @ last @ change_slope * (rows + 2**doublings)
    with np.errstate(invalid="ignore"):
        settled = np.linalg.norm(rate, axis=1) <= _STILL_MOVING * np.linalg.norm(later_gain, axis=1)
    moving = ~(settled & np.isfinite(later).all(axis=0))
    later = np.where(moving, 0.0, later)
    known = cv[0, :horizon] + problem.bias
    to_come = np.where(moving, 0.0, cv[0, -1] - cv[0, horizon - 1] + later[0])
    return RestingPlant(
        mv=mv,
        value=known[-1]
        + _share_to_come(cv[0, :horizon], known) * to_come
        + (cv[1, -1] + later[1])
        - (cv[0, -1] + later[0]),
        gain=np.where(moving[:, None], slope[-1], later_gain),
        drift=rows * (known[-1] - known[-2] + (cv[1, -1] - cv[1, -2]) - (cv[0, -1] - cv[0, -2])),
        drift_gain=(slope[-1] - slope[-2]) * rows,
        moving=moving,
        guard=at.guard[-1],
        guard_gain=at.guard_slope[-1],
    )


def _share_to_come(
    predicted: Float[np.ndarray, "horizon output"], known: Float[np.ndarray, "horizon output"]
) -> Float[np.ndarray, " output"]:
    """How much of what the model sees come after the horizon is to be believed, within 0 and 1.

    As much as the disturbance estimate leaves of the change over the horizon's second half: nothing once the
    plant rests, so that a model that errs there leaves no offset.
    """
    half = len(predicted) // 2
    own, corrected = predicted[-1] - predicted[half], known[-1] - known[half]
    with np.errstate(divide="ignore", invalid="ignore"):
        share: np.ndarray = np.nan_to_num(corrected / own, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0, 1.0)
    return share


def _summed(
    transition: Float[np.ndarray, "latent latent"], doublings: int
) -> tuple[Float[np.ndarray, "latent latent"], Float[np.ndarray, "latent latent"]]:
    """`A + A^2 + ... + A^N` and `A^N` for `N = 2^doublings`."""
    total, power = transition, transition
    for _ in range(doublings):
        total, power = total + power @ total, power @ power
    return total, power
