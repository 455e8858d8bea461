"""The first mistake of a plant file as one sentence: where it stands, and what to write instead."""

import difflib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ValidationError

from procwm.plant.contract import Adapt, OnLoss
from procwm.plant.plantfile.plant_tables import (
    ControlTable,
    LogTable,
    OpcUaTable,
    PlantFile,
    PlantTable,
    TagTable,
)
from procwm.plant.tags import Role


def mistake_sentence(error: ValidationError, table: Mapping[str, Any]) -> str:
    """The first mistake, with the place where it stands and what to write instead."""
    mistakes = error.errors(include_url=False)
    # A misspelt key is also a missing one; the misspelling is what there is to mend.
    mistake = next((m for m in mistakes if m["type"] == "extra_forbidden"), mistakes[0])
    place, key, model = _place(mistake["loc"], table)
    known = list(model.model_fields)
    match mistake["type"]:
        case "missing" if isinstance(mistake["loc"][-1], int):
            return f"{place}{key} is {mistake['input']!r}; it must be two numbers, [low, high]"
        case "missing":
            meaning = model.model_fields[key].description if key in model.model_fields else None
            return f"{place}{key} is missing" + (f": {meaning}" if meaning else "")
        case "extra_forbidden":
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
            return f"{place}unknown key {key}; {hint}"
        case "enum":
            kinds: Mapping[str, type[StrEnum]] = {"on_loss": OnLoss, "adapt": Adapt}
            choices = ", ".join(kinds.get(key, Role))
            return f"{place}{key} is {mistake['input']!r}; it must be one of {choices}"
        case "tuple_type" if key == "levels":
            return f"{place}{key} is {mistake['input']!r}; it must be a list of numbers, ascending"
        case "tuple_type" if key in ("raises", "lowers", "no_effect"):
            return f"{place}{key} is {mistake['input']!r}; it must be a list of tag names"
        case "tuple_type" | "too_long":
            return f"{place}{key} is {mistake['input']!r}; it must be two numbers, [low, high]"
        case "int_type":
            return f"{place}{key} is {mistake['input']!r}; it must be a whole number"
        case "float_type":
            return f"{place}{key} is {mistake['input']!r}; it must be a number"
        case "bool_type":
            return f"{place}{key} is {mistake['input']!r}; it must be true or false"
        case "string_type":
            return f"{place}{key} is {mistake['input']!r}; it must be a text in quotes"
        case "dict_type":
            example = "[0.5, 2.0]" if key == "gains" else "120.0"
            return f'{place}{key} is {mistake["input"]!r}; write it as {{ "TAG" = {example} }}'
        case "list_type":
            return f"{place}tags are written as tables [[tag]], with double brackets"
        case "model_type":
            return f"{place}{key} is {mistake['input']!r}; it must be a table of keys and values"
        case _:
            return f"{place}{key}: {mistake['msg']}"


def _place(location: Sequence[int | str], table: Mapping[str, Any]) -> tuple[str, str, type[BaseModel]]:
    """Where a mistake stands, the key it is about, and the table that the key belongs to."""
    match location:
        case ("tag", int(number), str(key), *_):
            tag = table["tag"][number]
            name = tag.get("name") if isinstance(tag, dict) else None
            return (f"tag {name}: " if isinstance(name, str) else f"tag number {number + 1}: "), key, TagTable
        case ("plant", str(key), *_):
            return "[plant]: ", key, PlantTable
        case ("opcua", str(key), *_):
            return "[opcua]: ", key, OpcUaTable
        case ("control", str(key), *_):
            return "[control]: ", key, ControlTable
        case ("log", str(key), *_):
            return "[log]: ", key, LogTable
        case (str(key), *_):
            return "", {"plant": "[plant]", "tag": "[[tag]]"}.get(key, key), PlantFile
        case _:
            return "", "the file", PlantFile
