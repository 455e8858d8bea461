"""What a plant file says about running the controller: lost measurements, watchdogs, time limits."""

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from procwm.errors import SpecError
from procwm.plant.node_ids import check_node_ids
from procwm.plant.settings import check_url


class OnLoss(StrEnum):
    """What to do while a tag has no valid value."""

    PREDICT = "predict"
    """The model stands in for at most `loss_s`; then the tag is dropped."""
    HOLD = "hold"
    """The last good value stands in; an MV is not written."""
    DROP = "drop"
    """A CV is not controlled; its limits still hold for what the model predicts."""
    SHED = "shed"
    """The plant is given back at once."""


class Adapt(StrEnum):
    """What becomes of a change of the plant that its model can follow."""

    OFF = "off"
    """Nobody looks."""
    ADVISE = "advise"
    """It is told, with its evidence."""
    ON = "on"
    """A version of the model that was shown to foresee better takes over."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A number that the runtime watches and no model ever sees.

    Attributes:
        name: of its samples.
        node: OPC UA node id.
    """

    name: str
    node: str


PLANT_HEARTBEAT = "plant heartbeat"
"""Name of the signal that must keep changing."""


def cascade_signal(mv: str) -> str:
    """Name of the signal that carries the mode of the loop below `mv`."""
    return f"{mv} mode"


@dataclass(frozen=True, kw_only=True)
class ControlSettings:
    """How the controller of a plant runs; `None` stands for the default that is named.

    Attributes:
        hold_for_s: for how long the controller goes on without a usable plan of this cycle, following or
            holding the last; then it sheds. 10 control intervals.
        silent_for_s: for how long writes may fail, or the link bring no sample, before the controller sheds.
            5 control intervals.
        clock_skew_s: a sample stamped further ahead of our clock than this is refused. 1 control interval.
        heartbeat_node: OPC UA node of the counter that the plant watches; written in every healthy cycle.
        write_id_node: OPC UA node that each write of MVs gives its number, which grows.
        write_until_node: OPC UA node that each write of MVs tells until when it is valid: a DateTime, or a
            number of seconds since 1970, UTC.
        plant_heartbeat_node: OPC UA node of a value that the plant keeps changing.
        plant_heartbeat_s: for how long it may stand still before the controller sheds. 3 control intervals.
        serve: URL at which the controller is a server of its own, for front ends; it is none without it.
        serve_pki: folder of that server's certificates, relative to the plant file; without it the server has
            no security.
        serve_users: with `serve_pki`, the private file of those who may log in and ask.
        serve_viewers: with `serve_pki`, the private file of those who may log in and look.
        serve_unsecured_writes: whether a server without security takes requests from other machines, too.
        metrics: port on which Prometheus finds the same facts; none without it.
        tightening: share of the model's 90 % error band by which plans keep away from limits of CVs and PVs.
        caution: how much dearer moves are than `move_weight` says, in multiples of what the errors of the
            model's step responses ask for; 0 is not at all.
        data_region: whether plans keep to where the model's log was, as far as that leaves room.
        adapt: what becomes of a change of gains that was shown while the controller runs.
        approved_model: hash of the only model that may be used for this plant; `None` is any.
        approved_by: public Ed25519 key, base64, of whoever must have signed the model; `None` is nobody.
    """

    hold_for_s: float | None = None
    silent_for_s: float | None = None
    clock_skew_s: float | None = None
    heartbeat_node: str | None = None
    write_id_node: str | None = None
    write_until_node: str | None = None
    plant_heartbeat_node: str | None = None
    plant_heartbeat_s: float | None = None
    serve: str | None = None
    serve_pki: str | None = None
    serve_users: str | None = None
    serve_viewers: str | None = None
    serve_unsecured_writes: bool = False
    metrics: int | None = None
    tightening: float = 0.0
    caution: float = 1.0
    data_region: bool = False
    adapt: Adapt = Adapt.ADVISE
    approved_model: str | None = None
    approved_by: str | None = None

    def __post_init__(self) -> None:
        check_node_ids(
            "[control]",
            heartbeat_node=self.heartbeat_node,
            write_id_node=self.write_id_node,
            write_until_node=self.write_until_node,
            plant_heartbeat_node=self.plant_heartbeat_node,
        )
        for label in ("hold_for_s", "silent_for_s", "clock_skew_s", "plant_heartbeat_s"):
            value = getattr(self, label)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SpecError(f"[control]: {label} is {value}; it must be a number above 0")
        for label in ("tightening", "caution"):
            value = getattr(self, label)
            if not (math.isfinite(value) and value >= 0):
                raise SpecError(f"[control]: {label} is {value}; it must be a number of at least 0")
        for label in ("serve_users", "serve_viewers"):
            if getattr(self, label) is not None and self.serve_pki is None:
                raise SpecError(f"[control]: {label} needs secured connections; add serve_pki")
        if self.approved_model is not None and not re.fullmatch("[0-9a-f]{64}", self.approved_model):
            raise SpecError(
                f"[control]: approved_model is {self.approved_model}; it must be 64 hexadecimal digits"
            )
        if self.approved_by is not None and not re.fullmatch("[A-Za-z0-9+/]{43}=", self.approved_by):
            raise SpecError(f"[control]: approved_by is {self.approved_by}; it must be 32 bytes in base64")
        if self.serve is not None:
            check_url("[control]: serve", self.serve)
        if self.metrics is not None and not 0 <= self.metrics <= 65535:
            raise SpecError(f"[control]: metrics is {self.metrics}; it must be a port, 1 to 65535")

    @property
    def without_front_ends(self) -> "ControlSettings":
        """These settings as far as they change what the controller decides."""
        return replace(
            self,
            serve=None,
            serve_pki=None,
            serve_users=None,
            serve_viewers=None,
            serve_unsecured_writes=False,
            metrics=None,
            approved_model=None,
            approved_by=None,
        )
