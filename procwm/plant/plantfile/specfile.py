"""The plant file: `PlantSpec` from and to TOML."""

import json
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.log_settings import LogSettings
from procwm.plant.plantfile.plant_mistakes import mistake_sentence
from procwm.plant.plantfile.plant_notes import PlantNotes, comments
from procwm.plant.plantfile.plant_tables import PlantFile
from procwm.plant.regular_files import check_regular
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import PlantSpec, Tag

_log = logging.getLogger(__name__)

_NO_NOTES = PlantNotes()

_FORMER_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"control": MappingProxyType({"trust_region": "data_region"})}
)
"""By table: keys that files written before may hold, and what they are called now."""


def load_plant(path: str | Path) -> PlantSpec:
    """The plant that the TOML file at `path` describes; `SpecError` names file, tag and key of a mistake."""
    try:
        check_regular(path, SpecError)
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: byte {error.start} is not UTF-8 text; save the file as UTF-8") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    plant = parse_plant(text, source=str(path))
    if plant.opcua is None:
        return plant
    return replace(plant, opcua=replace(plant.opcua, folder=str(Path(path).parent)))


def parse_plant(text: str, *, source: str = "plant file") -> PlantSpec:
    """The plant that the TOML `text` describes; `source` begins every error's sentence."""
    try:
        return _parsed(text, source)
    except RecursionError:
        raise SpecError(f"{source}: it is nested too deeply; no list of a plant file holds lists") from None


def _parsed(text: str, source: str) -> PlantSpec:
    try:
        table = tomllib.loads(text)
    except ValueError as error:
        raise SpecError(f"{source}: not valid TOML: {error}") from None
    table = _with_present_names(table, source)
    try:
        file = PlantFile.model_validate(table)
    except ValidationError as error:
        raise SpecError(f"{source}: {mistake_sentence(error, table)}") from None
    try:
        return PlantSpec(
            name=file.plant.name,
            interval_s=file.plant.interval_s,
            tags=tuple(Tag(**dict(tag)) for tag in file.tag),
            opcua=None if file.opcua is None else OpcUaSettings(**dict(file.opcua)),
            control=ControlSettings(**dict(file.control or ())),
            log=LogSettings(**dict(file.log or ())),
        )
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from None


def dump_plant(plant: PlantSpec, notes: PlantNotes = _NO_NOTES) -> str:
    """`plant` as a TOML file, with `notes` as comments; `parse_plant` reads the same plant back."""
    about = {"name": plant.name, "interval_s": plant.interval_s}
    blocks = ["[plant]\n" + _lines(about) + comments(notes.plant)]
    for tag in plant.tags:
        given = {"name": tag.name, "role": tag.role.value, "unit": tag.unit, "range": tag.range}
        blocks.append(
            "[[tag]]\n" + _lines(given | _departures(tag, given)) + comments(notes.tags.get(tag.name, ()))
        )
    if plant.opcua is not None:
        settings = {"endpoint": plant.opcua.endpoint}
        placed = settings | {"folder": plant.opcua.folder}
        blocks.append("[opcua]\n" + _lines(settings | _departures(plant.opcua, placed)))
    for heading, part in (("[control]", plant.control), ("[log]", plant.log)):
        departures = _departures(part, {})
        if departures:
            blocks.append(f"{heading}\n" + _lines(departures))
    if notes.end:
        blocks.append(comments(notes.end))
    return "\n".join(blocks)


def _departures(
    part: Tag | OpcUaSettings | ControlSettings | LogSettings, given: Mapping[str, object]
) -> dict[str, object]:
    values = {f.name: (getattr(part, f.name), f.default) for f in fields(part) if f.name not in given}
    return {key: value for key, (value, default) in values.items() if value != default}


def _lines(table: Mapping[str, object]) -> str:
    return "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _with_present_names(table: Mapping[str, Any], source: str) -> dict[str, Any]:
    """`table` with every key that has a better name now under that name; each old one is warned about."""
    renamed = dict(table)
    for section, names in _FORMER_NAMES.items():
        keys = table.get(section)
        if not isinstance(keys, Mapping):
            continue
        for former in keys.keys() & names.keys():
            present = names[former]
            if present in keys:
                raise SpecError(f"{source}: [{section}]: {former} is the former name of {present}; keep one")
            _log.warning("%s: [%s]: %s is called %s now; rename it", source, section, former, present)
        renamed[section] = {names.get(key, key): value for key, value in keys.items()}
    return renamed
