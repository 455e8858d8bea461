"""Improved cross-entropy method over the knots of an MV trajectory: finds the basin that a program finishes.

Pinneri et al., Sample-efficient cross-entropy method for real-time planning (CoRL 2020): noise coloured in
time, a population that shrinks, elites kept from round to round, and the mean tried in the last round. It
samples moves, not positions, so that candidates look like what a plant is really asked to do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.prediction import Evaluator


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How hard to search.

    Attributes:
        candidates: in the first round.
        rounds: at most.
        decay: each round has this many times fewer candidates.
        elites: best candidates that the next round is drawn around.
        kept: elites carried over as candidates.
        colour: power of 1/frequency in the noise; 0 is white.
        momentum: share of the old mean and spread in the new ones.
    """

    candidates: int = 256
    rounds: int = 5
    decay: float = 1.25
    elites: int = 16
    kept: int = 5
    colour: float = 2.0
    momentum: float = 0.1


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Attributes:
        knots: of the best finite candidate; the first start where none is finite.
        finite: whether any candidate had a finite prediction.
        tried: count of candidates.
        excluded: count of candidates left out because their prediction was not finite.
    """

    knots: Float[np.ndarray, "knot mv"]
    finite: bool
    tried: int
    excluded: int


def search(
    evaluator: Evaluator,
    space: MoveSpace,
    starts: Float[np.ndarray, "start knot mv"],
    generator: np.random.Generator,
    *,
    deadline: float,
    config: SamplingConfig | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Search:
    """The best of many candidates, every one of them within hard limits.

    Args:
        evaluator: predicts and ranks candidates.
        space: limits of the MVs.
        starts: candidates of the first round; the search is drawn around the first of them.
        generator: of all randomness.
        deadline: of `clock`; no round is begun that would pass it.
        config: how hard to search.
        clock: seconds that have passed.
    """
    config = config or SamplingConfig()
    mean, spread = block_moves(space, starts[0]), first_spread(space)
    best, tried, excluded, finite = starts, 0, 0, False
    count, longest = config.candidates, 0.0
    for turn in range(config.rounds):
        began = clock()
        if began + longest > deadline:
            break
        noise = coloured_noise(generator, count, spread.shape, config.colour)
        proposals = [best, knots_after(space, mean + spread * noise)]
        if turn == config.rounds - 1:
            proposals.append(knots_after(space, mean[None]))
        knots = np.concatenate(proposals)
        prediction = evaluator.predict(space.expand(knots))
        order = prediction.ranking[: prediction.finite.sum()]
        tried, excluded = tried + len(knots), excluded + len(knots) - len(order)
        if len(order):
            finite = True
            best = knots[order[: config.kept]]
            elites = block_moves(space, knots[order[: config.elites]])
            mean = config.momentum * mean + (1 - config.momentum) * elites.mean(axis=0)
            spread = config.momentum * spread + (1 - config.momentum) * elites.std(axis=0)
        count = max(2 * config.elites, int(count / config.decay))
        longest = max(longest, clock() - began)
    return Search(best[0], finite, tried, excluded)


def coloured_noise(
    generator: np.random.Generator, count: int, shape: tuple[int, int], colour: float
) -> Float[np.ndarray, "count knot mv"]:
    """Noise of unit variance whose power falls as `1 / frequency^colour` along the knots.

    Timmer and Koenig, On generating power law noise (Astronomy and Astrophysics 300, 1995).
    """
    knots, mvs = shape
    if knots < 2:
        return generator.standard_normal((count, knots, mvs))
    frequency = np.fft.rfftfreq(knots)
    amplitude = np.maximum(frequency, 1.0 / knots) ** (-colour / 2.0)
    parts = generator.standard_normal((2, count, mvs, len(frequency)))
    noise = np.fft.irfft(amplitude * (parts[0] + 1j * parts[1]), n=knots, axis=-1)
    coloured: np.ndarray = (noise / noise.std()).swapaxes(1, 2)
    return coloured


def first_spread(space: MoveSpace) -> Float[np.ndarray, "knot mv"]:
    """First spread of every block's change: half of the largest move, at most a quarter of the range."""
    spread: np.ndarray = np.minimum(0.5 * space.reach, 0.25 * (space.problem.mv_high - space.problem.mv_low))
    return spread


def block_moves(
    space: MoveSpace, knots: Float[np.ndarray, "*batch knot mv"]
) -> Float[np.ndarray, "*batch knot mv"]:
    """Change over each block."""
    first = np.broadcast_to(space.problem.last_mv, knots[..., :1, :].shape)
    return np.diff(knots, axis=-2, prepend=first)


def knots_after(
    space: MoveSpace, moves: Float[np.ndarray, "batch knot mv"]
) -> Float[np.ndarray, "batch knot mv"]:
    """Knots after the given changes, within limits."""
    return space.clip(space.problem.last_mv + np.cumsum(moves, axis=1))
