"""A log read without a plant file: every tag in it that holds numbers, and why the others were left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from procwm.data.drafting.time_guess import guessed
from procwm.data.log import read_log
from procwm.data.log_files import stated_units
from procwm.data.series import Log
from procwm.data.tabular.headers import Header, split_unit
from procwm.data.tabular.number_format import NumberFormat, Texts
from procwm.data.tabular.tables import Table, no_blanks, read_columns, read_header
from procwm.errors import LogError
from procwm.plant.log_settings import LogSettings
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.plant.texts import commands

_ANY = (-1e300, 1e300)
_FORMATS = [NumberFormat(point, mark) for point in ".," for mark in ("", ".", ",", " ", "'") if mark != point]


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What files hold, of a plant that nobody has described yet.

    Attributes:
        log: the tags that hold numbers.
        units: of these tags, as the files state them; empty where they do not.
        left_out: by tag or column, why it is not in `log`.
        how: the times are written.
    """

    log: Log
    units: Mapping[str, str]
    left_out: Mapping[str, str]
    how: LogSettings


def surveyed(paths: Sequence[Path], said: LogSettings, *, column: bool = True, form: bool = True) -> Survey:
    """The tags of `paths`; where `column` and `form` ask for it, how times are written is found out.

    Raises:
        LogError: where a file cannot be read as a log, whatever the plant; or has fewer than two tags.
    """
    headers = [read_header(path) for path in paths]
    how = guessed(headers[0], said, column=column, form=form)
    units: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for header in headers:
        found = _long(header) if header.named("tag") and header.named("value") else _wide(header, how)
        for name, unit, reason in found:
            if reason:
                left_out.setdefault(name, reason)
            else:
                units.setdefault(name, unit)
    kept = {name: unit for name, unit in units.items() if name not in left_out}
    if len(kept) < 2:
        raise LogError(
            f"{', '.join(map(str, paths))}: {len(kept)} tags with numbers, and a plant needs one to move "
            f"and one that answers; left out: {'; '.join(map(': '.join, left_out.items())) or 'none'}"
        )
    log = read_log(paths, _any_plant(kept, how))
    return Survey(log=Log(series=log.series, notes=log.notes), units=kept, left_out=left_out, how=how)


def _any_plant(units: Mapping[str, str], how: LogSettings) -> PlantSpec:
    """A plant of which nothing is known but its tags, to read a log by."""
    roles = [Role.CV, Role.MV] + [Role.PV] * (len(units) - 2)
    tags = (
        Tag(name=name, role=role, unit=unit, range=_ANY)
        for role, (name, unit) in zip(roles, units.items(), strict=True)
    )
    return PlantSpec(name="any", interval_s=1.0, tags=tuple(tags), log=how)


_Found = Iterator[tuple[str, str, str]]
"""Name, unit, and why it is left out or nothing, of each tag."""


def _wide(header: Header, how: LogSettings) -> _Found:
    time = header.named(how.time_column) or header.named(LogSettings().time_column)
    for column in header.columns:
        if column == time:
            continue
        name, unit = split_unit(column)
        reason = _unnamable(name) or (
            "its heading stands there twice" if header.columns.count(column) > 1 else ""
        )
        if not reason:
            table = read_columns(header, [column])
            reason = _no_numbers(table, column)
        yield name, header.units.get(column, unit or ""), reason


def _long(header: Header) -> _Found:
    tag, value, unit, quality = (header.named(name) for name in ("tag", "value", "unit", "quality"))
    assert tag is not None
    assert value is not None
    table = read_columns(header, [column for column in (tag, value, unit, quality) if column])
    tags = table.codes(tag)
    known, text = _known(table, value, quality)
    stated = stated_units(header)
    units = None if unit is None else table.codes(unit)
    for number, name in enumerate(tags.names):
        rows = tags.code == number
        reason = _unnamable(name)
        if not reason and text is not None and (wrong := rows & text).any():
            row = int(np.argmax(wrong))
            reason = f"it holds {int(wrong.sum())} texts, the first {table.data.column(value)[row].as_py()!r}"
        if not reason and not (rows & known).any():
            reason = "it has no Good sample"
        named = "" if units is None else units.names[int(units.code[np.argmax(rows)])]
        yield name, stated.get(name, named), reason


def _known(
    table: Table, value: str, quality: str | None
) -> tuple[Bool[np.ndarray, " row"], Bool[np.ndarray, " row"] | None]:
    """Where a long file has a Good number, and where a text; `None` where nowhere."""
    texts = table.texts(value)
    values = table.data.column(value) if texts is None else no_blanks(texts)
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    if quality is not None:
        codes = table.codes(quality)
        good = [number for number, name in enumerate(codes.names) if name.casefold() == "good"]
        known = known & np.isin(codes.code, good)
    wrong = None if texts is None else _wrong(values)
    return known, wrong


def _no_numbers(table: Table, column: str) -> str:
    kind = table.data.column(column).type
    texts = table.texts(column)
    if texts is None:
        return (
            "" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else f"it holds {kind}, not numbers"
        )
    values = no_blanks(texts)
    if values.null_count == len(values):
        return "it is blank in every row"
    wrong = _wrong(values)
    if wrong is None:
        return ""
    row = int(np.argmax(wrong))
    return f"it holds {int(wrong.sum())} texts, the first {values[row].as_py()!r}"


def _wrong(values: Texts) -> Bool[np.ndarray, " row"] | None:
    """Where a text is no number in the way in which most are; `None` where all are in one way."""
    fewest = None
    for found in _FORMATS:
        wrong = ~found.fits(values)
        if not wrong.any():
            return None
        fewest = wrong if fewest is None or wrong.sum() < fewest.sum() else fewest
    return fewest


def _unnamable(name: str) -> str:
    if not name.strip():
        return "it has no name"
    return "its name holds a character that cannot be seen" if any(map(commands, name)) else ""
