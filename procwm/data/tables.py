"""CSV and Parquet files as tables whose mistakes can be named by line and column."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
from jaxtyping import Float64, Int64

from procwm.errors import LogError

_UNIT = re.compile(r"^(?P<name>.+?)\s*\[(?P<unit>[^\[\]]*)\]$")
_NULLS = ("", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "#N/A")
_PARQUET_MAGIC = b"PAR1"
_PACKED = {
    b"PK\x03\x04": "a workbook or a ZIP archive",
    b"\x1f\x8b": "compressed by gzip",
    b"\xd0\xcf\x11\xe0": "an old workbook",
}
"""Files that are taken for CSV, by their first bytes."""
_SEPARATORS = (",", ";", "\t")
"""Between fields; the one that splits the first line most often is taken, the earlier where two tie."""
_COMMA_NUMBER = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_LOOKED_AT = 1000
"""Lines that tell the decimal mark."""


@dataclass(frozen=True, eq=False)
class Header:
    """The columns of a file.

    Attributes:
        path: of the file.
        is_csv: whether it is CSV; else Parquet.
        separator: between the fields of a CSV.
        decimal: mark of a CSV's numbers.
        columns: names as they stand in the file.
        units: engineering units by column, where a Parquet file states them.
        tag_units: units by tag, a JSON object, where a recording states them.
    """

    path: Path
    is_csv: bool
    columns: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    tag_units: bytes | None = None
    separator: str = ","
    decimal: str = "."

    def named(self, name: str) -> str | None:
        """The column called `name` (whatever its case and spacing), or `None`."""
        return next((column for column in self.columns if column.strip().casefold() == name), None)

    def place(self, row: int) -> str:
        """Where data row `row` stands, counted as an editor or a viewer counts."""
        if not self.is_csv:
            return f"row {row}"
        with self.path.open(encoding="utf-8-sig") as file:
            lines = (number for number, line in enumerate(file, start=1) if line.strip("\r\n"))
            return f"line {next(islice(lines, row + 1, None))}"


@dataclass(frozen=True, eq=False)
class Table:
    """Some columns of a file."""

    header: Header
    data: pa.Table

    def error(self, row: int | None, sentence: str) -> LogError:
        """An error that names the file and, where `row` is given, the line of a CSV or the row of Parquet."""
        where = "" if row is None else f" {self.header.place(row)}:"
        return LogError(f"{self.header.path}:{where} {sentence}")

    def numbers(self, column: str) -> Float64[np.ndarray, " row"]:
        """A column of numbers, NaN where blank."""
        values = self.data.column(column)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            self._refuse_text(column, values)
        try:
            numbers: Float64[np.ndarray, " row"] = pc.cast(values, pa.float64(), safe=False).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise self.error(None, f"column {column} holds {values.type}, not numbers") from None
        return numbers

    def _refuse_text(self, column: str, values: pa.ChunkedArray) -> None:
        for row, text in enumerate(values.to_pylist()):
            if text is not None and not _is_number(text.replace(self.header.decimal, ".")):
                raise self.error(
                    row,
                    f"column {column} holds the text {text!r} where a number belongs; leave blank what "
                    "was not measured",
                )

    def texts(self, column: str) -> pa.DictionaryArray:
        """A column of texts, coded; blank ones are null."""
        values = self.data.column(column).combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return pc.cast(values, pa.string()).dictionary_encode()

    def times(self, column: str) -> Int64[np.ndarray, " row"]:
        """A column of times, UTC nanoseconds; a time without a zone is taken as UTC."""
        values = self.data.column(column)
        if values.null_count:
            blank = int(np.flatnonzero(values.is_null().to_numpy())[0])
            raise self.error(blank, f"column {column} is blank where a time belongs")
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            return self._times_of_texts(column, values)
        if not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
            raise self.error(
                None, f"column {column} holds {values.type}; it must hold times, such as 2000-01-31T10:00:00Z"
            )
        zone = values.type.tz if pa.types.is_timestamp(values.type) else None
        try:
            return _nanoseconds(values.cast(pa.timestamp("ns", tz=zone)))
        except pa.ArrowInvalid:
            raise self.error(None, f"column {column} holds a time outside the years 1678 to 2261") from None

    def _times_of_texts(self, column: str, values: pa.ChunkedArray) -> Int64[np.ndarray, " row"]:
        try:
            return _nanoseconds(values.cast(pa.timestamp("ns", tz="UTC")))
        except pa.ArrowInvalid:
            parsed = pd.to_datetime(
                pd.Series(values.to_pylist(), dtype=object), utc=True, format="ISO8601", errors="coerce"
            )
        wrong = np.flatnonzero(~parsed.dt.year.between(1678, 2261).to_numpy())
        if len(wrong):
            row = int(wrong[0])
            raise self.error(
                row,
                f"column {column} is {values[row].as_py()!r}; "
                "a time is written as 2000-01-31T10:00:00Z, between the years 1678 and 2261",
            )
        return parsed.dt.as_unit("ns").astype(np.int64).to_numpy()


def read_header(path: Path) -> Header:
    """The columns of the CSV or Parquet file at `path`."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not start:
        raise LogError(f"{path}: the file is empty")
    if start == _PARQUET_MAGIC:
        return _parquet_header(path)
    packed = next((what for magic, what in _PACKED.items() if start.startswith(magic)), None)
    if packed is not None:
        raise LogError(f"{path}: the file is {packed}; save its table as CSV or Parquet")
    if path.suffix.lower() in (".parquet", ".pq"):
        raise LogError(f"{path}: not a Parquet file: it does not begin with the letters PAR1")
    return _csv_header(path)


def read_columns(header: Header, columns: Sequence[str], texts: Sequence[str]) -> Table:
    """Those `columns` of a file; `texts` are those of them that must not be taken for numbers."""
    if header.is_csv:
        return Table(header, _read_csv(header, columns, texts))
    try:
        data = pq.read_table(header.path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{header.path}: damaged or cut short: {_first_line(error)}") from None
    if not data.num_rows:
        raise LogError(f"{header.path}: the file has columns and no rows")
    return Table(header, data)


def _parquet_header(path: Path) -> Header:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: damaged or cut short: {_first_line(error)}") from None
    units = {
        field.name: field.metadata[b"unit"].decode()
        for field in schema
        if field.metadata and b"unit" in field.metadata
    }
    return Header(path, False, tuple(schema.names), units, (schema.metadata or {}).get(b"procwm.units"))


def _csv_header(path: Path) -> Header:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(islice(file, _LOOKED_AT))
        rows = {separator: next(csv.reader(lines, delimiter=separator)) for separator in _SEPARATORS}
    except UnicodeDecodeError as error:
        raise LogError(f"{path}: byte {error.start} is not UTF-8 text; save the file as UTF-8") from None
    except (StopIteration, csv.Error):
        rows = {",": []}
    if lines and lines[0].startswith("sep="):
        raise LogError(f"{path}: line 1: {lines[0].strip()!r} is for spreadsheets alone; remove that line")
    separator = max(rows, key=lambda mark: len(rows[mark]))
    columns = tuple(rows[separator])
    if not columns:
        raise LogError(f"{path}: the first line names no columns")
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise LogError(f"{path}: line 1: column {twice!r} is named twice")
    return Header(path, True, columns, separator=separator, decimal=_decimal(lines, separator))


def _decimal(lines: Sequence[str], separator: str) -> str:
    """The decimal mark of a CSV: a comma where the fields are separated by something else and one has it."""
    fields = chain.from_iterable(csv.reader(lines[1:], delimiter=separator))
    return "," if separator != "," and any(_COMMA_NUMBER.fullmatch(text.strip()) for text in fields) else "."


def _read_csv(header: Header, columns: Sequence[str], texts: Sequence[str]) -> pa.Table:
    cut: list[arrow_csv.InvalidRow] = []

    def remember(row: arrow_csv.InvalidRow) -> str:
        cut.append(row)
        return "error"

    try:
        data = arrow_csv.read_csv(
            header.path,
            # Rows are numbered only when one thread reads.
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=header.separator, invalid_row_handler=remember, ignore_empty_lines=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(texts, pa.string()),
                null_values=list(_NULLS),
                strings_can_be_null=True,
                true_values=[],
                false_values=[],
                decimal_point=header.decimal,
                timestamp_parsers=[],
            ),
        )
    except pa.ArrowException as error:
        raise LogError(f"{header.path}: {_csv_mistake(header, cut, error)}") from None
    if not data.num_rows:
        raise LogError(f"{header.path}: the file has a header and no rows")
    return data


def _csv_mistake(header: Header, cut: Sequence[arrow_csv.InvalidRow], error: pa.ArrowException) -> str:
    if cut:
        row = cut[0]
        # The reader counts the header and skips blank lines.
        line = "" if row.number is None else f"{header.place(row.number - 2)}: "
        missing = row.actual_columns < row.expected_columns
        end = "; the file may have been cut short" if missing else ""
        return f"{line}{row.actual_columns} fields where the header names {row.expected_columns}{end}"
    if "UTF8" in str(error) or "UTF-8" in str(error):
        return "not UTF-8 text; save the file as UTF-8"
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _nanoseconds(values: pa.ChunkedArray) -> Int64[np.ndarray, " row"]:
    times: Int64[np.ndarray, " row"] = values.cast(pa.int64()).to_numpy()
    return times


def split_unit(column: str) -> tuple[str, str | None]:
    """A wide header's tag name and unit: `TC1.PV [degC]` is `TC1.PV` in `degC`."""
    match = _UNIT.match(column.strip())
    return (match["name"], match["unit"]) if match else (column.strip(), None)
