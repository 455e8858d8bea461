"""What every closed loop may use."""

from collections.abc import Iterator
from functools import cache

import pytest


@pytest.fixture(scope="session", autouse=True)
def pi_tuned_once() -> Iterator[None]:
    """PI loops of a scenario are tuned once: that takes thousands of intervals, and gives the same."""
    # Not at the top: what is imported before pytest is configured is not checked by jaxtyping.
    from procwm.comparison.pi import ProportionalIntegral

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProportionalIntegral, "tuned", staticmethod(cache(ProportionalIntegral.tuned)))
        yield
