"""Rows of one file, gathered by tag as they are read."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from procwm.data.growing import GrowingSeries, grown
from procwm.data.joining import LogPart
from procwm.data.local_hours import local_checked
from procwm.data.series import QUALITIES
from procwm.data.tabular.headers import Header
from procwm.data.tabular.number_format import NumberFormat, Texts
from procwm.data.tabular.qualities import QualityCode, qualities
from procwm.data.tabular.tables import Others, Range, Table
from procwm.data.tabular.times import has_zone, times
from procwm.errors import LogError
from procwm.plant.log_settings import LogSettings
from procwm.plant.tags import PlantSpec


class Gathering:
    """What has been read of one file.

    Where a batch of its rows does not tell how the file is written, or tells something else than the one
    before, adding it raises `LogError`: what is right or wrong then, all rows together say.

    Attributes:
        header, plant: of the file, and whose tags are wanted.
        time: the column with the times.
        at_once: whether all rows are added together.
        found, used: as in `LogPart`, as far as is known.
    """

    def __init__(
        self, header: Header, plant: PlantSpec, time: str, how: LogSettings, *, at_once: bool
    ) -> None:
        """Args: how: times are written."""
        self.header, self.plant, self.time, self.at_once = header, plant, time, at_once
        self.found: dict[str, None] = {}
        self.used: frozenset[str] | None = None
        self._how, self._zoned = how, how.tells_utc
        self._format: NumberFormat | None = None
        self._code: QualityCode | None = None
        self._shared = np.zeros(0, dtype=np.int64)
        self._growing: dict[str, GrowingSeries] = {}

    def times(self, table: Table) -> Int64[np.ndarray, " row"]:
        """When the rows of `table` were measured, UTC nanoseconds."""
        self._zoned = self._zoned or has_zone(table, self.time)
        return times(table, self.time, self._how)

    def numbers(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        ranges: Sequence[Range],
        others: Others,
        unread: Bool[np.ndarray, " row"] | None = None,
    ) -> list[Float64[np.ndarray, " row"]]:
        """Columns of numbers, NaN where blank; the arguments are those of `Table.numbers`."""
        found, values = table.numbers_as_written(
            columns,
            ranges=ranges,
            others=others if self.at_once else _all_rows,
            blanks=self._how.blank_texts,
            unread=unread,
        )
        if self._format not in (None, found):
            raise LogError(f"{self.header.path}: numbers are written in two ways")
        self._format = found
        return values

    def qualities(self, table: Table) -> Int8[np.ndarray, " row"]:
        """Quality codes; without a column `quality` every sample with a value is Good."""
        column = self.header.named("quality")
        if column is None:
            return np.zeros(len(table), dtype=np.int8)
        code, found = qualities(table, column, QUALITIES)
        if None not in (self._code, code) and self._code is not code:
            raise LogError(f"{self.header.path}: qualities are written in two codes")
        self._code = code or self._code
        return found

    def add(
        self,
        name: str,
        table: Table,
        rows: Int64[np.ndarray, " sample"],
        time_ns: Int64[np.ndarray, " sample"],
        value: Float64[np.ndarray, " sample"],
        quality: Int8[np.ndarray, " sample"],
    ) -> None:
        """Add what `rows` of `table` hold of the tag `name`; `LogError` where they contradict."""
        # Most tags of most files are written down at the same times, which are held once.
        time_ns = self._shared if np.array_equal(time_ns, self._shared) else time_ns
        self._shared = time_ns
        self._growing.setdefault(name, GrowingSeries(name)).append(table, rows, time_ns, value, quality)

    def part(self) -> LogPart:
        """What the file holds, once all of it was added; `LogError` where an hour of it comes twice."""
        part = LogPart(
            path=self.header.path,
            series=grown(self._growing),
            found=tuple(self.found),
            used=frozenset(self._growing) if self.used is None else self.used,
            duplicates=sum(one.duplicates for one in self._growing.values()),
        )
        return part if self._zoned or not part.series else local_checked(part)


def _all_rows() -> Sequence[Texts]:
    raise LogError("what a number is, other rows may tell")
