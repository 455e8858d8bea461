"""The plant file: `PlantSpec` from and to TOML, and what of it a trained model depends on."""

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings, OnLoss
from procwm.plant.settings import POLICIES, OpcUaSettings
from procwm.plant.tags import PlantSpec, Role, Tag

Number = Annotated[float, Strict()]
"""A TOML integer or float; never a text that looks like one."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlantTable(_Table):
    """The table `[plant]`."""

    name: str = Field(description="what the plant is called")
    interval_s: Number = Field(description="control interval, seconds")


class TagTable(_Table):
    """One table `[[tag]]`."""

    name: str = Field(description="as the plant writes it")
    role: Role = Field(description="CV, MV, DV (measured disturbance) or PV (any other measurement)")
    unit: str = Field(description='engineering unit; "" where there is none')
    range: tuple[Number, Number] = Field(description="of the instrument, [low, high]")
    setpoint: Number | None = Field(None, description="target of a CV")
    zone: tuple[Number, Number] | None = Field(None, description="a CV inside it costs nothing")
    weight: Number = Field(1.0, description="of a CV's squared error, relative to the width of `range`")
    limits: tuple[Number, Number] | None = Field(None, description="operating limits, [low, high]")
    max_move: Number | None = Field(None, description="largest change of an MV in one control interval")
    move_weight: Number = Field(0.0, description="of an MV's squared move, relative to the width of `range`")
    node: str | None = Field(None, description="OPC UA node id")
    max_hold_s: Number | None = Field(None, description="for how long a Good value counts as the present one")
    max_move_per_hour: Number | None = Field(None, description="largest sum of an MV's moves in any hour")
    test_step: Number | None = Field(
        None, description="by how much mode test moves an MV; 5 % of the width of its bounds without it"
    )
    critical: Annotated[bool, Strict()] = Field(False, description="its loss takes the whole controller down")
    on_loss: OnLoss | None = Field(
        None,
        description="without a valid value: predict (CV, PV), hold (MV, DV), drop (CV) or shed; "
        "the default is the first that its role has",
    )
    loss_s: Number | None = Field(
        None, description="for how long `on_loss` may last; then a CV is dropped, and a critical tag sheds"
    )
    use_uncertain: Annotated[bool, Strict()] = Field(
        False, description="whether a value of quality Uncertain counts as measured"
    )
    frozen_after_s: Number | None = Field(
        None, description="a value exactly the same for longer is taken for frozen; never without it"
    )
    cascade_node: str | None = Field(
        None, description="OPC UA node of the mode of the loop whose setpoint this MV is"
    )
    cascade_value: Number = Field(1.0, description="the value there that lets the MV be written")
    rank: Annotated[int, Strict()] | None = Field(
        None,
        description="of a CV or PV, 1 the most important: where not all limits and targets can be had at "
        "rest, higher numbers give way first, and tags without a rank before them",
    )
    ideal: Number | None = Field(None, description="where an MV is to rest, as far as it is left free")
    price: Number = Field(
        0.0, description="cost of one unit of a CV or MV over an interval at rest; below 0 it is worth having"
    )
    price_quadratic: Number = Field(0.0, description="cost of the square of a CV or MV, likewise")
    reference_s: Number | None = Field(
        None, description="time constant with which a CV is led to its setpoint, seconds; at once without it"
    )
    reference_move: Number | None = Field(
        None, description="largest change, in one control interval, of what a CV is led along to its setpoint"
    )
    levels: tuple[Number, ...] | None = Field(
        None, description="the only values that an MV can take, ascending, such as [0, 1] for a pump"
    )
    forecast_node: str | None = Field(
        None,
        description="OPC UA node of an array: values of a DV, or setpoints of a CV, at the ends of the "
        "control intervals after its source time",
    )
    raises: tuple[str, ...] = Field(
        (), description="of an MV: tags of CVs, and of PVs with limits, that are known to rise with it"
    )
    lowers: tuple[str, ...] = Field((), description="the same that are known to fall")


class OpcUaTable(_Table):
    """The table `[opcua]`."""

    endpoint: str = Field(description="URL such as opc.tcp://127.0.0.1:4840")
    policy: str | None = Field(None, description=f"security policy: {', '.join(POLICIES)}; none without it")
    mode: str = Field("SignAndEncrypt", description="SignAndEncrypt or Sign; counts with a policy only")
    pki: str = Field("pki", description="folder of certificates; paths are relative to the plant file")
    certificate: str | None = Field(None, description="own certificate, where it is not the one in `pki`")
    key: str | None = Field(None, description="private key of `certificate`")
    user: str | None = Field(None, description="user name to log in with; anonymous without it")
    password_file: str | None = Field(
        None, description="file with the password; the variable PROCWM_OPCUA_PASSWORD goes before it"
    )
    user_certificate: str | None = Field(None, description="certificate to log in with, in place of `user`")
    user_key: str | None = Field(
        None, description="file with its private key; the variable PROCWM_OPCUA_USER_KEY goes before it"
    )
    read_only: Annotated[bool, Strict()] = Field(False, description="write nothing; MVs need not be writable")


class ControlTable(_Table):
    """The table `[control]`."""

    hold_for_s: Number | None = Field(
        None, description="for how long the controller goes on without a usable plan; then it sheds"
    )
    silent_for_s: Number | None = Field(
        None, description="for how long writes may fail or samples stay away; then it sheds"
    )
    clock_skew_s: Number | None = Field(
        None, description="a sample stamped further ahead of our clock is refused"
    )
    heartbeat_node: str | None = Field(None, description="OPC UA node of the counter the plant watches")
    write_id_node: str | None = Field(
        None, description="OPC UA node that gets the number of each write of MVs, in the same request"
    )
    write_until_node: str | None = Field(
        None,
        description="OPC UA node that gets the time until which a write of MVs is valid, in the same "
        "request: a DateTime, or seconds since 1970 UTC",
    )
    plant_heartbeat_node: str | None = Field(
        None, description="OPC UA node of a value that the plant keeps changing"
    )
    plant_heartbeat_s: Number | None = Field(
        None, description="for how long it may stand still; then the controller sheds"
    )
    serve: str | None = Field(
        None, description="URL such as opc.tcp://127.0.0.1:4850 at which front ends reach the controller"
    )
    serve_pki: str | None = Field(
        None,
        description="folder of that server's certificates, relative to the plant file; unsecured without it",
    )
    serve_users: str | None = Field(
        None, description="private file of lines NAME:PASSWORD of its users, who may look and ask"
    )
    serve_viewers: str | None = Field(None, description="the same of those who may look and ask for nothing")
    serve_unsecured_writes: Annotated[bool, Strict()] = Field(
        False, description="whether a server without serve_pki takes requests from other machines, too"
    )
    metrics: Annotated[int, Strict()] | None = Field(
        None, description="port on which Prometheus finds the same facts, on this machine alone"
    )
    tightening: Number = Field(
        0.0,
        description="share of the model's 90 % error band by which plans keep away from limits of CVs and "
        "PVs",
    )
    caution: Number = Field(
        1.0,
        description="how much dearer moves are than `move_weight` says, in multiples of what the errors of "
        "the model's step responses ask for; 0 is not at all",
    )
    trust_region: Annotated[bool, Strict()] = Field(
        False, description="whether plans keep to where the model's log was; its limits give way at a cost"
    )


class PlantFile(_Table):
    """A whole plant file; `PlantFile.model_json_schema()` describes it to editors."""

    plant: PlantTable
    tag: list[TagTable]
    opcua: OpcUaTable | None = None
    control: ControlTable | None = None


def load_plant(path: str | Path) -> PlantSpec:
    """The plant that the TOML file at `path` describes; `SpecError` names file, tag and key of a mistake."""
    try:
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
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{source}: not valid TOML: {error}") from None
    try:
        file = PlantFile.model_validate(table)
    except ValidationError as error:
        raise SpecError(f"{source}: {_sentence(error, table)}") from None
    try:
        return PlantSpec(
            name=file.plant.name,
            interval_s=file.plant.interval_s,
            tags=tuple(Tag(**dict(tag)) for tag in file.tag),
            opcua=None if file.opcua is None else OpcUaSettings(**dict(file.opcua)),
            control=ControlSettings(**dict(file.control or ())),
        )
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from None


def dump_plant(plant: PlantSpec) -> str:
    """`plant` as a TOML file; `parse_plant` reads the same plant back."""
    blocks = ["[plant]\n" + _lines({"name": plant.name, "interval_s": plant.interval_s})]
    for tag in plant.tags:
        given = {"name": tag.name, "role": tag.role.value, "unit": tag.unit, "range": tag.range}
        blocks.append("[[tag]]\n" + _lines(given | _departures(tag, given)))
    if plant.opcua is not None:
        settings = {"endpoint": plant.opcua.endpoint}
        placed = settings | {"folder": plant.opcua.folder}
        blocks.append("[opcua]\n" + _lines(settings | _departures(plant.opcua, placed)))
    control = _departures(plant.control, {})
    if control:
        blocks.append("[control]\n" + _lines(control))
    return "\n".join(blocks)


def plant_fingerprint(plant: PlantSpec) -> str:
    """SHA-256 of what a trained model depends on.

    That is the control interval and every tag's name, role, unit, range and whether it is an output.
    Setpoints, zones, weights and the values of limits may change at run time and are left out.
    """
    return hashlib.sha256(json.dumps([float(plant.interval_s), _learned(plant)]).encode()).hexdigest()


def first_difference(trained: PlantSpec, given: PlantSpec) -> str | None:
    """The first difference in what `plant_fingerprint` covers, a sentence naming the tag; `None` if equal."""
    if trained.interval_s != given.interval_s:
        return f"interval_s is {given.interval_s}; the model was trained with {trained.interval_s}"
    for name in trained.names:
        if name not in given.names:
            return f"{name}: the model was trained with this tag; the plant has {', '.join(given.names)}"
    for name in given.names:
        if name not in trained.names:
            return f"{name}: the model was trained without this tag; it knows {', '.join(trained.names)}"
    for number, (old, new) in enumerate(zip(_learned(trained), _learned(given), strict=True), start=1):
        if old["name"] != new["name"]:
            return f"{new['name']}: tag number {number}, where the model was trained with {old['name']}"
        for key, value in old.items():
            if new[key] != value:
                return (
                    f"{old['name']}: {key} is {_shown(new[key])}; the model was trained with {_shown(value)}"
                )
    return None


def _learned(plant: PlantSpec) -> list[dict[str, Any]]:
    outputs = {tag.name for tag in plant.outputs}
    return [
        {
            "name": tag.name,
            "role": tag.role.value,
            "unit": tag.unit,
            "range": [float(bound) for bound in tag.range],
            "limits": "given" if tag.name in outputs and tag.role is Role.PV else "any",
        }
        for tag in plant.tags
    ]


def _departures(
    part: Tag | OpcUaSettings | ControlSettings, given: Mapping[str, object]
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
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _sentence(error: ValidationError, table: Mapping[str, Any]) -> str:
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
            choices = ", ".join(OnLoss if key == "on_loss" else Role)
            return f"{place}{key} is {mistake['input']!r}; it must be one of {choices}"
        case "tuple_type" if key == "levels":
            return f"{place}{key} is {mistake['input']!r}; it must be a list of numbers, ascending"
        case "tuple_type" if key in ("raises", "lowers"):
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
        case (str(key), *_):
            return "", {"plant": "[plant]", "tag": "[[tag]]"}.get(key, key), PlantFile
        case _:
            return "", "the file", PlantFile
