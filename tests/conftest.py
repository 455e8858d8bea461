"""What every test may rely on."""

from collections.abc import Iterator

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

# An example is judged by what it shows: how long it and its drawing take is up to the machine.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types and shapes go unchecked: for what is of a wrong type on purpose, and for thousands of cycles.

    What those cycles run is checked in other tests; here it would take most of the time.
    """
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)
