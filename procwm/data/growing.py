"""One tag's samples as a file is read, batch after batch."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int8, Int64

from procwm.data.joining import contradicted, without_repetitions
from procwm.data.series import CODES, TagSeries, iso_utc
from procwm.data.tabular.tables import Table
from procwm.plant.samples import Quality

_NOTHING = TagSeries(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int8))


class GrowingSeries:
    """Samples of one tag in file order.

    Attributes:
        duplicates: how many exact repetitions of a sample were dropped.
    """

    def __init__(self, name: str) -> None:
        """Args: name: of the tag."""
        self._name = name
        # Tags may share their times, so these stay as they came.
        self._times: list[Int64[np.ndarray, " sample"]] = []
        self._value, self._quality = _Growing(np.float64), _Growing(np.int8)
        self._last = _NOTHING
        self.duplicates = 0

    def append(
        self,
        table: Table,
        rows: Int64[np.ndarray, " sample"],
        time_ns: Int64[np.ndarray, " sample"],
        value: Float64[np.ndarray, " sample"],
        quality: Int8[np.ndarray, " sample"],
    ) -> None:
        """Add what stands in `rows` of `table`.

        Raises:
            LogError: time goes backwards, or there are two values for one time.
        """
        if not len(time_ns):
            return
        quality = np.where(np.isfinite(value), quality, np.int8(CODES[Quality.BAD]))
        known = len(self._last)
        with_last = TagSeries(
            np.concatenate((self._last.time_ns, time_ns)),
            np.concatenate((self._last.value, value)),
            np.concatenate((self._last.quality, quality)),
        )
        back = np.flatnonzero(np.diff(with_last.time_ns) < 0)
        if len(back):
            before, after = with_last.time_ns[back[0] : back[0] + 2].tolist()
            raise table.error(
                int(rows[back[0] + 1 - known]),
                f"time goes backwards for {self._name}, from {iso_utc(before)} to {iso_utc(after)}; sort the "
                "file by time, and write UTC, not local time",
            )
        kept, contradiction = without_repetitions(with_last)
        if contradiction is not None:
            sentence = contradicted(self._name, with_last.time_ns, with_last.value, contradiction)
            raise table.error(int(rows[contradiction - known]), sentence)
        self.duplicates += len(with_last) - len(kept)
        whole = len(kept) == len(with_last)
        new = TagSeries(time_ns, value, quality) if whole else kept.where(slice(known, None))
        self._times.append(new.time_ns)
        self._value.extend(new.value)
        self._quality.extend(new.quality)
        self._last = TagSeries(kept.time_ns[-1:].copy(), kept.value[-1:].copy(), kept.quality[-1:].copy())

    def take(self) -> TagSeries:
        """All samples; there are none afterwards."""
        times, self._times = [_NOTHING.time_ns, *self._times], []
        return TagSeries(np.concatenate(times), self._value.take(), self._quality.take())


class _Growing:
    """Numbers that more are added to, in memory that is taken up once only."""

    def __init__(self, kind: type[np.generic]) -> None:
        self._room, self._count = np.empty(0, dtype=kind), 0

    def extend(self, numbers: np.ndarray) -> None:
        """Add `numbers`."""
        count = self._count + len(numbers)
        if count > len(self._room):
            # Room that nothing was written to yet takes up none, and most is moved without being copied.
            self._room.resize(max(count, 2 * len(self._room)), refcheck=False)
        self._room[self._count : count] = numbers
        self._count = count

    def take(self) -> np.ndarray:
        """All of them; there are none afterwards."""
        taken, self._room = self._room, np.empty(0, dtype=self._room.dtype)
        taken.resize(self._count, refcheck=False)
        self._count = 0
        return taken


def grown(growing: Mapping[str, GrowingSeries]) -> dict[str, TagSeries]:
    """The series of every tag; times that are those of the tag before are held once."""
    found: dict[str, TagSeries] = {}
    shared = _NOTHING.time_ns
    for name, one in growing.items():
        series = one.take()
        if np.array_equal(series.time_ns, shared):
            series = TagSeries(shared, series.value, series.quality)
        found[name], shared = series, series.time_ns
    return found
