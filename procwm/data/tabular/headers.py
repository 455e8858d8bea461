"""What a file calls its columns, and where in it a row stands."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from procwm.errors import LogError

UNITS_KEY = b"procwm.units"
"""Key of a Parquet file's metadata under which the unit of every tag stands, as a JSON object."""
_UNIT = re.compile(r"^(?P<name>.+?)\s*\[(?P<unit>[^\[\]]*)\]$")


@dataclass(frozen=True, eq=False)
class Header:
    """The columns of a file.

    Attributes:
        path: of the file.
        is_csv: whether it is CSV; else Parquet.
        separator: between the fields of a CSV.
        columns: names as they stand in the file; the same one may stand there several times.
        units: engineering units by column, where a Parquet file states them.
        tag_units: units by tag, a JSON object, where a recording states them.
    """

    path: Path
    is_csv: bool
    columns: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    tag_units: bytes | None = None
    separator: str = ","

    def named(self, name: str) -> str | None:
        """The column called `name` (whatever its case and spacing), or `None`."""
        wanted = name.strip().casefold()
        return next((column for column in self.columns if column.strip().casefold() == wanted), None)

    def check_once(self, column: str) -> None:
        """`LogError` where `column` stands there several times."""
        if self.columns.count(column) > 1:
            where = "line 1: " if self.is_csv else ""
            raise LogError(f"{self.path}: {where}column {column!r} is named twice")

    def place(self, row: int) -> str:
        """Where data row `row` stands, counted as an editor or a viewer counts."""
        if not self.is_csv:
            return f"row {row}"
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            lines = (number for number, line in enumerate(file, start=1) if line.strip("\r\n"))
            return f"line {next(islice(lines, row + 1, None))}"


def split_unit(column: str) -> tuple[str, str | None]:
    """A wide header's tag name and unit: `TC1.PV [degC]` is `TC1.PV` in `degC`."""
    match = _UNIT.match(column.strip())
    return (match["name"], match["unit"]) if match else (column.strip(), None)
