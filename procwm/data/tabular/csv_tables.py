"""CSV files: their header, and columns of bytes in which nothing has been taken for a number yet."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from procwm.data.tabular.headers import Header
from procwm.data.tabular.spreadsheets import meant
from procwm.errors import LogError

NOT_UTF8 = "not UTF-8 text; save the file as UTF-8"
_BLOCK = 1 << 22
"""Bytes that are read at once."""
_SEPARATORS = (",", ";", "\t")
"""Between fields; the one that splits the first line most often is taken, the earlier where two tie."""


def csv_header(path: Path) -> Header:
    """The first line of the CSV file at `path`."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        line = file.readline()
    if any("\ud800" <= character <= "\udfff" for character in line):
        raise LogError(f"{path}: line 1 is {NOT_UTF8}")
    if line.startswith("sep="):
        raise LogError(f"{path}: line 1: {line.strip()!r} is for spreadsheets alone; remove that line")
    rows = {separator: _fields(line, separator) for separator in _SEPARATORS}
    separator = max(rows, key=lambda mark: len(rows[mark]))
    if not rows[separator]:
        raise LogError(f"{path}: the first line names no columns")
    return Header(path, True, tuple(map(meant, rows[separator])), separator=separator)


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator))
    except (StopIteration, csv.Error):
        return []


def csv_batches(header: Header, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Those `columns` as bytes, some thousand rows at a time; each stands once in the header."""
    cut: list[arrow_csv.InvalidRow] = []

    def remember(row: arrow_csv.InvalidRow) -> str:
        cut.append(row)
        return "error"

    # Other columns may be called what they like, and the reader wants every name once.
    names = [
        column if column in columns else f"{number}\0{column}" for number, column in enumerate(header.columns)
    ]
    try:
        yield from arrow_csv.open_csv(
            header.path,
            # Rows are numbered only when one thread reads.
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=1, block_size=_BLOCK
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=header.separator, invalid_row_handler=remember, ignore_empty_lines=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.binary()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise LogError(f"{header.path}: {_mistake(header, cut, error)}") from None


def first_line(error: Exception) -> str:
    """What Arrow says of a file, as far as it is for people."""
    return str(error).splitlines()[0].rstrip(".")


def _mistake(header: Header, cut: Sequence[arrow_csv.InvalidRow], error: pa.ArrowException) -> str:
    if not cut:
        if "Empty CSV" in str(error):
            return "the file has a header and no rows"
        return first_line(error)
    row = cut[0]
    line = "" if row.number is None else f"{header.place(row.number - 2)}: "
    missing = row.actual_columns < row.expected_columns
    end = "; the file may have been cut short" if missing else ""
    return f"{line}{row.actual_columns} fields where the header names {row.expected_columns}{end}"
