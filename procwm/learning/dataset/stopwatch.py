"""How long the phases of a training take."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType


class Stopwatch:
    """Time by phase, as far as it was taken in this process."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Args: clock: seconds that have passed."""
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """By phase, in the order in which they began."""
        return MappingProxyType(self._seconds)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """While entered, time counts for `name`, in addition to what already does."""
        self._seconds.setdefault(name, 0.0)
        began = self._clock()
        try:
            yield
        finally:
            self._seconds[name] += self._clock() - began
