"""What a plant remembers: past samples, read from its historian."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from procwm.plant.samples import Sample


class PlantHistory(Protocol):
    """A historian that is reached between entering and leaving: `async with history:`."""

    def read(self, start_ns: int, end_ns: int) -> AsyncIterator[Sequence[Sample]]:
        """The raw samples of all tags from `start_ns` until before `end_ns`, in portions.

        Raises:
            LinkError: the historian cannot be reached, or keeps nothing of a tag.
        """
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
