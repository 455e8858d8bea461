"""Parquet files: their header, and columns of them, some rows at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from procwm.data.tabular.csv_tables import first_line
from procwm.data.tabular.headers import UNITS_KEY, Header
from procwm.errors import LogError

_CELLS = 1 << 21
"""Those that are read at once."""


def parquet_header(path: Path) -> Header:
    """The columns of the Parquet file at `path`."""
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{path}: damaged or cut short: {first_line(error)}") from None
    units = {
        field.name: field.metadata[b"unit"].decode(errors="replace")
        for field in schema
        if field.metadata and b"unit" in field.metadata
    }
    return Header(path, False, tuple(schema.names), units, (schema.metadata or {}).get(UNITS_KEY))


def parquet_batches(header: Header, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Those `columns`, in batches of so many rows as fit into little memory."""
    try:
        with pq.ParquetFile(header.path) as file:
            # Of the same texts again and again one each is held.
            texts = [column for column in columns if pa.types.is_string(file.schema_arrow.field(column).type)]
        with pq.ParquetFile(header.path, read_dictionary=texts) as file:
            yield from file.iter_batches(batch_size=max(1, _CELLS // len(columns)), columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{header.path}: damaged or cut short: {first_line(error)}") from None
