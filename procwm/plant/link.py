"""The seam between procwm and a plant: samples in, setpoints out, and time."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol, runtime_checkable

from procwm.plant.samples import Outlook, Sample, Setpoints
from procwm.plant.tags import PlantSpec


@runtime_checkable
class PlantLink(Protocol):
    """A plant that reports samples and takes setpoints. Raises only `LinkError`."""

    @property
    def spec(self) -> PlantSpec:
        """Known before the link opens."""
        ...

    def drain(self) -> Sequence[Sample]:
        """Samples received since the last call, oldest first; never blocks."""
        ...

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Ask for `setpoints` (engineering units) and return what the plant accepted."""
        ...


@runtime_checkable
class ValidatingLink(Protocol):
    """A `PlantLink` that can tell the plant, with setpoints, which write they are and until when it is valid.

    A write that was on its way for too long, in a server that stood still, is then void to the plant.
    """

    async def write_valid(self, setpoints: Setpoints, *, write_id: int, until_ns: int) -> Setpoints:
        """Ask for `setpoints` as `PlantLink.write` does.

        Args:
            setpoints: engineering units.
            write_id: grows from write to write; below 2^32, where it begins again.
            until_ns: the plant is to take no setpoint of this write after that time, UTC.
        """
        ...


@runtime_checkable
class WholeNumberLink(Protocol):
    """A `PlantLink` to a plant some of whose MVs can hold whole numbers only."""

    @property
    def whole_numbers(self) -> Collection[str]:
        """Names of these MVs."""
        ...


@runtime_checkable
class ForeseeingLink(Protocol):
    """A `PlantLink` that brings what is known ahead of the tags that have a `forecast_node`."""

    def outlooks(self) -> Sequence[Outlook]:
        """The newest of each such tag of which there is any; never blocks."""
        ...


@runtime_checkable
class Clock(Protocol):
    """The source of control cycles. Simulations and logs own time, so they are clocks too."""

    def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Yield the UTC time in nanoseconds at the start of every control interval."""
        ...
