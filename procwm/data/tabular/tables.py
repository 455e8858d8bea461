"""Tables in CSV and Parquet files, whose mistakes are named by line and column."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64, Int64

from procwm.data.tabular.csv_tables import NOT_UTF8, csv_batches, csv_header
from procwm.data.tabular.headers import Header
from procwm.data.tabular.number_format import (
    Misread,
    NumberFormat,
    Texts,
    Written,
    number_format,
    trimmed,
    without_blanks,
)
from procwm.data.tabular.parquet_tables import parquet_batches, parquet_header
from procwm.data.tabular.spreadsheets import meant
from procwm.errors import LogError
from procwm.plant.regular_files import check_regular

_NULLS = ("", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "#N/A")
"""Texts that stand for no number."""
_PARQUET_MAGIC = b"PAR1"
_PACKED = {
    b"PK\x03\x04": "a workbook or a ZIP archive",
    b"\x1f\x8b": "compressed by gzip",
    b"\xd0\xcf\x11\xe0": "an old workbook",
}
"""Files that are taken for CSV, by their first bytes."""


Range = tuple[Float64[np.ndarray, " row"], Float64[np.ndarray, " row"]]
"""The least and the largest number that an instrument reads, row by row."""

Others = Callable[[], Sequence[Texts]]


@dataclass(frozen=True, eq=False)
class Codes:
    """A column of texts: the distinct ones, and which of them each row has.

    Attributes:
        names: without space around them; empty where blank. Bytes that are no text are shown as such.
        code: place in `names`.
    """

    names: tuple[str, ...]
    code: Int64[np.ndarray, " row"]

    @cached_property
    def blank(self) -> int | None:
        """The first row that is blank, or `None`."""
        blank = [number for number, name in enumerate(self.names) if not name]
        rows = np.flatnonzero(np.isin(self.code, blank))
        return int(rows[0]) if len(rows) else None

    def first(self, name: str) -> int:
        """The first row that holds `name`, which is one of the names."""
        return int(np.flatnonzero(self.code == self.names.index(name))[0])


@dataclass(frozen=True, eq=False)
class Table:
    """Some columns of a file.

    Attributes:
        header: of the file.
        data: the columns; those of a CSV hold bytes.
        rows: which data rows of the file these are; `None` where they are all of them.
    """

    header: Header
    data: pa.Table
    rows: Int64[np.ndarray, " row"] | None = None

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def error(self, row: int | None, sentence: str) -> LogError:
        """An error that names the file and, where `row` is given, the line of a CSV or the row of Parquet."""
        at = row if row is None or self.rows is None else int(self.rows[row])
        where = "" if at is None else f" {self.header.place(at)}:"
        return LogError(f"{self.header.path}:{where} {sentence}")

    def where(self, kept: Bool[np.ndarray, " row"]) -> "Table":
        """The rows that are `kept`."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return Table(self.header, self.data.filter(pa.array(kept)), rows[kept])

    def numbers(
        self,
        columns: Sequence[str],
        *,
        ranges: Sequence[Range] = (),
        others: Others = tuple,
        blanks: Sequence[str] = (),
        unread: Bool[np.ndarray, " row"] | None = None,
    ) -> list[Float64[np.ndarray, " row"]]:
        """Columns of numbers, NaN where blank; the arguments are those of `numbers_as_written`."""
        return self.numbers_as_written(columns, ranges=ranges, others=others, blanks=blanks, unread=unread)[1]

    def numbers_as_written(
        self,
        columns: Sequence[str],
        *,
        ranges: Sequence[Range] = (),
        others: Others = tuple,
        blanks: Sequence[str] = (),
        unread: Bool[np.ndarray, " row"] | None = None,
    ) -> tuple[NumberFormat, list[Float64[np.ndarray, " row"]]]:
        """How numbers are written, and columns of them, NaN where blank.

        Args:
            columns: their names.
            ranges: as in `number_format`.
            others: likewise.
            blanks: further texts that stand for no number.
            unread: rows in which a text that is no number is none.
        """
        written = [
            replace(column, texts=_readable(without_blanks(column.texts, blanks), unread))
            for column in self._written(columns, ranges)
        ]
        found = self._format(written, others)
        texts = {column.column: column.texts for column in written}
        return found, [
            found.numbers(texts[column]) if column in texts else self._plain_numbers(column)
            for column in columns
        ]

    def number_format(
        self, columns: Sequence[str], *, ranges: Sequence[Range] = (), others: Others = tuple
    ) -> NumberFormat:
        """How the file writes numbers; `LogError` where it does not do so in one way.

        Args:
            columns: those with the numbers that are wanted.
            ranges: of each, what its instruments read; empty where nobody knows.
            others: gives further texts of the file, of any kind; where need be they tell the way.
        """
        return self._format(self._written(columns, ranges), others)

    def _written(self, columns: Sequence[str], ranges: Sequence[Range]) -> list[Written]:
        return [
            Written(column, no_blanks(texts), *bounds)
            for column, bounds in zip(columns, ranges or itertools.repeat((None, None)), strict=bool(ranges))
            if (texts := self.texts(column)) is not None
        ]

    def _format(self, written: Sequence[Written], others: Others) -> NumberFormat:
        found = number_format(
            written,
            # A program that separates fields by commas, or writes Parquet, writes decimal points.
            point_is_usual=self.header.separator == ",",
            others=others,
        )
        if isinstance(found, Misread):
            raise self.error(found.row, found.sentence + found.others)
        return found

    def _plain_numbers(self, column: str) -> Float64[np.ndarray, " row"]:
        values = self.data.column(column)
        try:
            numbers: Float64[np.ndarray, " row"] = pc.cast(values, pa.float64(), safe=False).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise self.error(None, f"column {column} holds {values.type}, not numbers") from None
        return numbers

    def texts(self, column: str) -> Texts | None:
        """A column of texts, trimmed, null where blank; `None` where it holds anything else."""
        values = self.data.column(column)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if not _is_text(values.type):
            return None
        try:
            return trimmed(values)
        except pa.ArrowInvalid:
            raise self.error(None, NOT_UTF8) from None

    def any_texts(self, column: str) -> list[Texts]:
        """The column, as by `texts`, where it can be read and holds texts."""
        try:
            texts = self.texts(column)
        except LogError:
            return []
        return [] if texts is None else [texts]

    def codes(self, column: str) -> Codes:
        """A column of texts, coded; other values are shown as texts."""
        values = self.data.column(column).combine_chunks()
        if not pa.types.is_dictionary(values.type):
            values = values if _is_text(values.type) else pc.cast(values, pa.string())
            values = values.dictionary_encode()
        shown = [*(_shown(name) for name in values.dictionary.to_pylist()), ""]
        if self.header.is_csv:
            shown = [meant(name) for name in shown]
        index = values.indices.fill_null(len(shown) - 1).to_numpy().astype(np.int64)
        # A file's dictionary may hold what no row does, or one name with and without space around it.
        places, first = np.unique(index, return_index=True)
        used = places[np.argsort(first)]
        names = {name: code for code, name in enumerate(dict.fromkeys(shown[place] for place in used))}
        code = np.array([names.get(name, -1) for name in shown], dtype=np.int64)
        return Codes(tuple(names), code[index])


def no_blanks(texts: Texts) -> Texts:
    """`texts`, null where one stands for no number."""
    return without_blanks(texts, _NULLS)


def read_header(path: Path) -> Header:
    """The columns of the CSV or Parquet file at `path`."""
    try:
        check_regular(path, LogError)
        with path.open("rb") as file:
            start = file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not start:
        raise LogError(f"{path}: the file is empty")
    if start == _PARQUET_MAGIC:
        return parquet_header(path)
    packed = next((what for magic, what in _PACKED.items() if start.startswith(magic)), None)
    if packed is not None:
        raise LogError(f"{path}: the file is {packed}; save its table as CSV or Parquet")
    if path.suffix.lower() in (".parquet", ".pq"):
        raise LogError(f"{path}: not a Parquet file: it does not begin with the letters PAR1")
    return csv_header(path)


def read_columns(header: Header, columns: Sequence[str]) -> Table:
    """Those `columns` of a file; `LogError` where one of them is named twice."""
    tables = list(read_batches(header, columns))
    return Table(header, pa.concat_tables([table.data for table in tables]))


def read_batches(header: Header, columns: Sequence[str]) -> Iterator[Table]:
    """Those `columns` of a file, so many rows at a time as fit into little memory.

    Raises:
        LogError: the file is damaged or has no rows, or a column is named twice.
    """
    for column in columns:
        header.check_once(column)
    batches = csv_batches(header, columns) if header.is_csv else parquet_batches(header, columns)
    first = 0
    for batch in batches:
        if batch.num_rows:
            rows = np.arange(first, first + batch.num_rows)
            first += batch.num_rows
            yield Table(header, pa.Table.from_batches([batch]), rows)
    if not first:
        raise LogError(
            f"{header.path}: the file has {'a header' if header.is_csv else 'columns'} and no rows"
        )


def texts_of(header: Header, columns: Sequence[str]) -> list[Texts]:
    """Those of `columns` that can be read and hold texts."""
    found: list[Texts] = []
    for column in columns:
        with contextlib.suppress(LogError):
            found += read_columns(header, [column]).any_texts(column)
    return found


def _readable(texts: Texts, unread: Bool[np.ndarray, " row"] | None) -> Texts:
    """`texts`, null in rows that are `unread` and hold anything but a digit, a sign or a mark."""
    if unread is None or not unread.any():
        return texts
    wrong = pc.fill_null(pc.invert(pc.match_substring_regex(texts, r"^[-+0-9.,eE'\s]*$")), False)
    return pc.if_else(pc.and_(wrong, pa.array(unread)), pa.scalar(None, pa.string()), texts)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


def _shown(name: str | bytes) -> str:
    return (name if isinstance(name, str) else name.decode(errors="replace")).strip()
