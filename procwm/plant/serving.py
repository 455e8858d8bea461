"""What a simulated plant is served with, and how its time is followed from the other side of a link."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from procwm.plant.link import Clock
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec


class PlantServer(Protocol):
    """A simulated plant offered to clients between entering and leaving it: `async with server:`."""

    @property
    def spec(self) -> PlantSpec:
        """The plant file for a client; once entered, with the endpoint that is served."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def advance(self, intervals: int = 1) -> int:
        """Simulate that many control intervals, publishing every sample; the UTC time reached in ns."""
        ...


class LockstepClock(Clock, Protocol):
    """The time of a served simulation that moves only when a client asks for it."""

    async def advance(self, intervals: int = 1) -> int:
        """Simulate that many control intervals; the UTC time reached in ns, when all samples are here."""
        ...

    def record(self, intervals: int) -> AsyncIterator[Sequence[Sample]]:
        """Simulate that many control intervals, yielding the samples as they come."""
        ...
