"""The tables of a plant file, with what every key means: pydantic models at the file's edge."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

from procwm.plant.contract import Adapt, OnLoss
from procwm.plant.settings import POLICIES
from procwm.plant.tags import Role

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
    no_effect: tuple[str, ...] = Field((), description="the same that it is known not to move")
    setpoint_of: str | None = Field(
        None,
        description="of an MV: the CV, or PV with limits, whose loop has this MV as its setpoint, in the "
        "same unit: at rest one follows the other",
    )
    gains: dict[str, tuple[Number, Number]] | None = Field(
        None,
        description="of an MV: by CV, or PV with limits, the range that its gain at rest is known to be in, "
        "[low, high], in that tag's unit per unit of the MV",
    )
    dead_times_s: dict[str, Number] | None = Field(
        None, description="of an MV: by CV, or PV with limits, the known dead time of its answer, seconds"
    )


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
    data_region: Annotated[bool, Strict()] = Field(
        False, description="whether plans keep to where the model's log was; its limits give way at a cost"
    )
    adapt: Adapt = Field(
        Adapt.ADVISE,
        description="what becomes of a gain that is shown to have changed while the controller runs: `off` "
        "is nothing, `advise` tells it, `on` has a version of the model that foresees better take over",
    )
    approved_model: str | None = Field(
        None, description="hash of the only model that may be used, as `procwm approve` tells it"
    )
    approved_by: str | None = Field(
        None, description="public key of whoever must have signed the model, as `procwm approve` tells it"
    )


class LogTable(_Table):
    """The table `[log]`."""

    time_column: str = Field("time", description="heading of the column with the times")
    time_format: str = Field(
        "iso",
        description="how they are written: `iso`, a pattern such as `%d.%m.%Y %H:%M:%S`, a number since 1970 "
        "as `epoch s`, `epoch ms`, `epoch us` or `epoch ns`, or the days of spreadsheets as `excel`",
    )
    time_zone: str = Field(
        "UTC", description="of times that do not say how far they are from UTC, such as `Europe/Berlin`"
    )
    blank_texts: tuple[str, ...] = Field(
        (), description="texts in place of numbers that mean that there is none, such as `I/O Timeout`"
    )


class PlantFile(_Table):
    """A whole plant file; `PlantFile.model_json_schema()` describes it to editors."""

    plant: PlantTable
    tag: list[TagTable]
    opcua: OpcUaTable | None = None
    control: ControlTable | None = None
    log: LogTable | None = None
