"""Margins and bands that hold a stated coverage, by the finite-sample rank of held-out residuals."""

import math

import numpy as np
from jaxtyping import Float

from procwm.errors import TrainingError

BAND_COVERAGE = 0.9
"""Share of measurements that a model's band is to hold."""
BAND_DEVIATIONS = 1.645
"""Standard deviations within which so many lie where they are normal: the half-width of such a band."""


def least_count(coverage: float) -> int:
    """The fewest residuals from which a margin of this coverage can be taken."""
    # The rank is rounded first: (n + 1) * 0.9 for n = 9 must be 9, not a float just above it.
    return next(n for n in range(1, 10_000) if rank(n, coverage) <= n)


def rank(count: int, coverage: float) -> int:
    """Rank of the margin among `count` sorted residuals: `ceil((count + 1) * coverage)`."""
    return math.ceil(round((count + 1) * coverage, 9))


def margin(
    residuals: Float[np.ndarray, " label"],
    coverage: float,
    typical: Float[np.ndarray, " label"] | None = None,
) -> float:
    """What must be added so that `prediction + margin >= truth` at a new moment with this probability.

    Residuals are truth minus prediction, each from a head that was fitted without that label, so the
    next residual is as likely to take any rank among them as any other (jackknife+: Barber, Candes,
    Ramdas and Tibshirani, Predictive inference with the jackknife+, Annals of Statistics 49 (2021); its
    worst case is weaker, 1 - 2 (1 - coverage), its usual case this one).

    Args:
        residuals: held out.
        coverage: the probability.
        typical: how much of the operation each label stands for, where labels were not drawn evenly from
            it (weighted conformal prediction: Tibshirani, Barber, Candes and Ramdas, Conformal prediction
            under covariate shift, NeurIPS 2019); the new moment counts as the mean label does.

    Raises:
        TrainingError: too few residuals for this coverage.
    """
    if not 0.0 < coverage < 1.0:
        raise TrainingError(f"coverage is {coverage}; it must be between 0 and 1")
    weights = np.ones(len(residuals)) if typical is None else typical
    return _quantile(residuals, coverage, weights, len(residuals))


def _quantile(
    values: Float[np.ndarray, " value"], share: float, weights: Float[np.ndarray, " value"], labels: int
) -> float:
    """The weighted quantile whose level is raised as `labels` independent values ask for."""
    if rank(labels, share) > labels:
        raise TrainingError(
            f"{labels} labels cannot show a coverage of {share:g}; at least {least_count(share)} are needed"
        )
    order = np.argsort(values)
    # Rounded for the reason given at `least_count`.
    reached = (np.cumsum(weights[order]) / weights.sum()).round(9)
    place = np.searchsorted(reached, round((labels + 1) * share / labels, 9))
    return float(values[order[min(int(place), len(values) - 1)]])


def symmetric_margin(
    residuals: Float[np.ndarray, "label lead"],
    coverage: float,
    typical: Float[np.ndarray, " label"] | None = None,
) -> float:
    """`margin` where errors are as likely to be of either sign: the quantile `2 coverage - 1` of their sizes.

    Every residual then tells of both sides, so that few labels give a margin that does not hang on the one
    or two worst of them. Where errors are not symmetric, the coverage is at least `2 coverage - 1`.

    Args:
        residuals: held out; those of one label, at several leads, count as one together.
        coverage: the probability.
        typical: as for `margin`.

    Raises:
        TrainingError: too few labels for this coverage.
    """
    if not 0.5 < coverage < 1.0:
        raise TrainingError(f"coverage is {coverage}; it must be between 0.5 and 1")
    labels, leads = residuals.shape
    weights = np.ones(labels) if typical is None else typical
    return _quantile(np.abs(residuals).ravel(), 2.0 * coverage - 1.0, np.repeat(weights, leads), labels)


def band(
    errors: Float[np.ndarray, "moment lead output"], coverage: float = BAND_COVERAGE
) -> Float[np.ndarray, "lead output"]:
    """Half-widths that hold a new error with this probability, by lead and output.

    Split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005,
    section 4.1): the quantile of the sizes of held-out errors. Errors `k` intervals ahead share all but
    one of their `k` intervals with the next, so that `n` of them in a row count as `n / k` when the level
    is raised for how few they are.

    Args:
        errors: held out, in order of time; row 0 of the axis `lead` is one interval ahead. NaN where
            nothing was predicted or measured.
        coverage: the probability.

    Returns:
        In the unit of `errors`; +inf where there are too few errors to show that coverage.
    """
    _, leads, outputs = errors.shape
    widths = np.full((leads, outputs), np.inf)
    for lead, output in np.ndindex(leads, outputs):
        sizes = np.abs(errors[:, lead, output])
        sizes = sizes[np.isfinite(sizes)]
        independent = len(sizes) // (lead + 1)
        if independent and rank(independent, coverage) <= independent:
            widths[lead, output] = _quantile(sizes, coverage, np.ones(len(sizes)), independent)
    return widths


def return_level(values: Float[np.ndarray, " value"], block: int, period: float) -> float:
    """What the largest value of a block exceeds once in `period` blocks.

    A Gumbel distribution of the logarithms of the blocks' largest values, by its moments (Coles, An
    Introduction to Statistical Modeling of Extreme Values, 2001, chapter 3): held-out time is much shorter
    than the time over which false alarms are counted, so the tail has to be continued. The logarithm, for
    which a power law is exponential, because loads that come in steps leave heavy tails.

    Args:
        values: above 0, in order of time; NaN where unknown.
        block: count of values, long enough for their largest one not to tell the next block's.
        period: above 1.
    """
    known = values[np.isfinite(values)]
    largest = np.log([part.max() for part in np.array_split(known, max(1, len(known) // block))])
    scale = float(largest.std()) * math.sqrt(6.0) / math.pi
    location = float(largest.mean()) - np.euler_gamma * scale
    return math.exp(location - scale * math.log(-math.log1p(-1.0 / period)))
