"""The past samples of a served simulation, kept in memory and read by clients through HistoryRead."""

from bisect import bisect_left, bisect_right
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.server.history import HistoryStorageInterface

from procwm.plant.samples import Sample
from procwm_adapters.opcua.wire.values import data_value, nanoseconds, opcua_time

_LIMIT = 50_000
"""Samples of a tag that are remembered; the oldest go first."""

_VALUES_AT_ONCE = 5_000


class SampleHistory(HistoryStorageInterface):  # type: ignore[misc]
    """Samples of every node, in order of source time.

    The library's own storages either refuse node ids that are strings, as tags have, or give no
    continuation point to a client that asks for a portion.
    """

    def __init__(self) -> None:
        super().__init__(_VALUES_AT_ONCE)
        self._samples: dict[Any, list[Sample]] = {}

    def keep(self, node_id: Any, sample: Sample) -> None:
        """Remember a sample, at its place in time; one of the same time is replaced."""
        samples = self._samples.setdefault(node_id, [])
        place = bisect_left(samples, sample.source_ns, key=_time)
        same = place < len(samples) and samples[place].source_ns == sample.source_ns
        samples[place : place + same] = [sample]
        if len(samples) > _LIMIT:
            del samples[: _LIMIT // 10]

    async def read_node_history(
        self, node_id: Any, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[Any], datetime | None]:
        """The values from `start` to `end`, newest first where `end` is the earlier one (Part 11, 6.4.3.2).

        Args:
            node_id: of a historised node.
            start: first time, and that of a continuation point; `None` is the beginning of time.
            end: last time; `None` is its end.
            nb_values: how many values the client takes at most; 0 is any number.
        """
        samples = self._samples.get(node_id, [])
        start_ns, end_ns = _bound(start), _bound(end)
        backwards = start_ns is None or (end_ns is not None and end_ns < start_ns)
        low, high = (end_ns, start_ns) if backwards else (start_ns, end_ns)
        first = 0 if low is None else bisect_left(samples, low, key=_time)
        last = len(samples) if high is None else bisect_right(samples, high, key=_time)
        found = samples[first:last][:: -1 if backwards else 1]
        count = min(nb_values or _VALUES_AT_ONCE, _VALUES_AT_ONCE)
        rest = opcua_time(found[count].source_ns) if len(found) > count else None
        return [data_value(sample) for sample in found[:count]], rest

    async def init(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""


def _time(sample: Sample) -> int:
    return sample.source_ns


def _bound(time: datetime | None) -> int | None:
    """UTC ns; `None` for the earliest OPC UA time, which stands for no bound."""
    return None if time is None or time == ua.get_win_epoch() else nanoseconds(time)
