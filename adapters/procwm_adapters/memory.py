"""A plant made of a list of samples: for tests, and for trying out a controller."""

import math
from collections.abc import AsyncIterator, Iterable

from procwm.errors import LinkRefusedError
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import PlantSpec, names_of


class MemoryLink:
    """Plays `samples`, a control interval at a time, and remembers what is written.

    It is the link and the clock of one plant. Each tick lets the samples up to its time through;
    every setpoint is accepted as it is, and nothing comes of it.

    Attributes:
        written: what `write` was given, oldest first.
    """

    def __init__(self, spec: PlantSpec, samples: Iterable[Sample] = ()) -> None:
        self._spec = spec
        self._coming = sorted(samples, key=lambda sample: sample.source_ns)
        self._now_ns = self._coming[0].source_ns if self._coming else 0
        self._played = 0
        self.written: list[dict[str, float]] = []

    @property
    def spec(self) -> PlantSpec:
        """The plant file."""
        return self._spec

    def drain(self) -> list[Sample]:
        """The samples up to the present that have not been drained."""
        start = self._played
        while self._played < len(self._coming) and self._coming[self._played].source_ns <= self._now_ns:
            self._played += 1
        return self._coming[start : self._played]

    async def write(self, setpoints: Setpoints) -> dict[str, float]:
        """Remember `setpoints` and accept them; refuse a tag that is no MV, and no finite number."""
        mvs = names_of(self._spec.mvs)
        for name, value in setpoints.items():
            if not math.isfinite(value):
                raise LinkRefusedError(f"{name}: {value} cannot be written; a setpoint is a finite number")
            if name not in mvs:
                raise LinkRefusedError(
                    f"{name}: not written; only the plant file's MVs are: {', '.join(mvs)}"
                )
        self.written.append(dict(setpoints))
        return dict(setpoints)

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The time of the first sample, then one control interval more until the last is let through."""
        step_ns = round(interval_s * 1e9)
        yield self._now_ns
        while self._coming and self._now_ns < self._coming[-1].source_ns:
            self._now_ns += step_ns
            yield self._now_ns
