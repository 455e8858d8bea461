"""The seam between procwm and a plant: samples in, setpoints out, and time."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol, runtime_checkable

from procwm.plant.samples import ForecastSample, Sample, Setpoints
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
class ForecastLink(Protocol):
    """A `PlantLink` that brings what is known ahead of the tags that have a `forecast_node`."""

    def forecasts(self) -> Sequence[ForecastSample]:
        """The newest of each such tag of which there is any; never blocks."""
        ...


@runtime_checkable
class ConnectedLink(Protocol):
    """A `PlantLink` that knows whether it reaches the plant."""

    @property
    def connected(self) -> bool:
        """Whether it does at present."""
        ...


@runtime_checkable
class TroubledLink(Protocol):
    """A `PlantLink` that can say what keeps it from the plant."""

    @property
    def trouble(self) -> str:
        """One sentence for the audit log, or empty."""
        ...


class FullLink:
    """A `PlantLink` with all that a run asks of one: what it has not got is settled here, once.

    Without a say of its own a link is connected and untroubled, brings no forecast, holds any number, and
    writes without telling the plant until when that is valid.
    """

    def __init__(self, link: PlantLink) -> None:
        self.spec = link.spec
        self.drain = link.drain
        self._link = link
        self._valid = link if isinstance(link, ValidatingLink) else None
        self._whole = link if isinstance(link, WholeNumberLink) else None
        self._connected = link if isinstance(link, ConnectedLink) else None
        self._troubled = link if isinstance(link, TroubledLink) else None
        self.forecasts = link.forecasts if isinstance(link, ForecastLink) else tuple[ForecastSample]

    @property
    def connected(self) -> bool:
        """As in `ConnectedLink`."""
        return self._connected is None or self._connected.connected

    @property
    def trouble(self) -> str:
        """As in `TroubledLink`."""
        return "" if self._troubled is None else self._troubled.trouble

    @property
    def whole_numbers(self) -> Collection[str]:
        """As in `WholeNumberLink`."""
        return () if self._whole is None else self._whole.whole_numbers

    async def write_valid(self, setpoints: Setpoints, *, write_id: int, until_ns: int) -> Setpoints:
        """As in `ValidatingLink`."""
        if self._valid is None:
            return await self._link.write(setpoints)
        return await self._valid.write_valid(setpoints, write_id=write_id, until_ns=until_ns)


@runtime_checkable
class Clock(Protocol):
    """The source of control cycles. Simulations and logs own time, so they are clocks too."""

    def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Yield the UTC time in nanoseconds at the start of every control interval."""
        ...
