"""Ways to search that the planner's own is measured beside: plain cross-entropy and path integrals."""

import numpy as np

from procwm.planning.moves import MoveSpace
from procwm.planning.prediction import Evaluator
from procwm.planning.sampling import (
    SamplingConfig,
    Search,
    block_moves,
    coloured_noise,
    first_spread,
    knots_after,
    search,
)

CANDIDATES, ROUNDS = 172, 5
"""As many in all as the planner's search has with its shrinking rounds."""
_TEMPERATURE = 0.1
"""Of the spread of costs."""


def improved_cross_entropy(evaluator: Evaluator, space: MoveSpace, generator: np.random.Generator) -> Search:
    """The planner's own search, as it is."""
    return search(evaluator, space, space.hold[None], generator, deadline=np.inf)


def cross_entropy(evaluator: Evaluator, space: MoveSpace, generator: np.random.Generator) -> Search:
    """White noise, the same count in every round, and no elites kept; Rubinstein and Kroese (2004)."""
    config = SamplingConfig(candidates=CANDIDATES, rounds=ROUNDS, decay=1.0, kept=1, colour=0.0)
    return search(evaluator, space, space.hold[None], generator, deadline=np.inf, config=config)


def path_integral(evaluator: Evaluator, space: MoveSpace, generator: np.random.Generator) -> Search:
    """Means weighted by `exp(-cost / temperature)`, and a spread that stays.

    Williams et al., Model predictive path integral control, J. Guidance, Control, and Dynamics 40(2), 2017.
    Noise is coloured like that of the planner's search. Unsafe candidates have no weight.
    """
    mean, spread = block_moves(space, space.hold), first_spread(space)
    best, least, excluded = space.hold, np.inf, 0
    for _ in range(ROUNDS):
        noise = coloured_noise(generator, CANDIDATES - 1, spread.shape, SamplingConfig().colour)
        knots = knots_after(space, np.concatenate((mean[None], mean + spread * noise)))
        prediction = evaluator.predict(space.expand(knots))
        usable = prediction.violation == 0.0
        excluded += int((~prediction.finite).sum())
        if not usable.any():
            continue
        costs = prediction.cost[usable]
        if costs.min() < least:
            best, least = knots[usable][costs.argmin()], float(costs.min())
        weights = np.exp(-(costs - costs.min()) / (_TEMPERATURE * costs.std() + 1e-12))
        mean = np.tensordot(weights / weights.sum(), block_moves(space, knots[usable]), axes=1)
    return Search(best, least < np.inf, CANDIDATES * ROUNDS, excluded)


METHODS = {
    "improved cross-entropy (the planner's)": improved_cross_entropy,
    "cross-entropy": cross_entropy,
    "path integral (MPPI)": path_integral,
}
