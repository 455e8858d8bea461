"""What a lost tag means for this cycle: which CVs are dropped, which MVs are left alone, whether to shed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from procwm.control.measurement import Measurements
from procwm.control.state import ControllerState
from procwm.plant.contract import OnLoss
from procwm.plant.tags import PlantSpec, Role, Tag

_NOBODY: Mapping[str, str] = MappingProxyType({})
_PATIENCE = 2
"""Control intervals that a critical MV or DV may be lost where the plant file does not say."""


@dataclass(frozen=True, kw_only=True)
class Permits:
    """What the world around the controller allows in one cycle.

    Attributes:
        shed: why the plant must be given back; empty where it need not.
        held: by MV, why it must not be written, such as a loop below it that is not in cascade.
    """

    shed: str = ""
    held: Mapping[str, str] = field(default_factory=lambda: _NOBODY)


@dataclass(frozen=True, kw_only=True, eq=False)
class Health:
    """What may be done in this cycle.

    Attributes:
        measured: as seen, with the CVs that are dropped no longer controlled.
        held: by MV, why it is not written.
        shed: why the plant is given back; empty where it need not be.
    """

    measured: Measurements
    held: Mapping[str, str]
    shed: str


def health(
    plant: PlantSpec,
    state: ControllerState,
    measured: Measurements,
    permits: Permits,
    unknown: Collection[str] = (),
) -> Health:
    """The plant file's policies applied to what is lost, and to what is switched off or not permitted.

    Args:
        unknown: MVs of which the model's log shows no effect; nobody knows what moving them would do.
    """
    assert state.time_ns is not None, "health is asked for after the present has been looked at"
    off = frozenset(state.targets.off)
    held = {tag.name: permits.held[tag.name] for tag in plant.mvs if tag.name in permits.held}
    held |= {tag.name: "switched off" for tag in plant.mvs if tag.name in off}
    controlled, notes, sheds = measured.controlled.copy(), list(measured.notes), [permits.shed]
    for tag in plant.tags:
        lost_s = _lost_s(tag, plant, state, state.time_ns)
        expired = lost_s > (tag.loss_s or np.inf)
        if tag.role in (Role.MV, Role.DV):
            expired = lost_s > (tag.loss_s or _PATIENCE * plant.interval_s)
        if tag.role is Role.MV and lost_s > 0.0:
            held[tag.name] = "its setpoint cannot be read back"
        if tag in plant.outputs:
            row = plant.outputs.index(tag)
            if lost_s > 0.0 and not measured.absent[row]:
                notes.append(f"{tag.name}: its newest value is not good; the last good one stands in")
            expired = expired or (tag.loss_s is None and not controlled[row])
            controlled[row] = not (expired or tag.name in off or (tag.loss_policy is OnLoss.DROP and lost_s))
        if tag.name in off:
            notes.append(f"{tag.name}: switched off")
        if tag.loss_policy is OnLoss.SHED and lost_s > 0.0:
            sheds.append(f"{tag.name}: lost, and its on_loss is shed")
        elif tag.critical and expired:
            sheds.append(f"{tag.name}: lost, and it is critical")
        elif tag.critical and tag.name in off:
            sheds.append(f"{tag.name}: switched off, and it is critical")
        elif tag.critical and tag.name in held:
            sheds.append(f"{tag.name}: {held[tag.name]}, and it is critical")
    held |= {name: "its effect on the CVs is not known" for name in unknown if name not in held}
    return Health(
        measured=replace(measured, controlled=controlled, notes=tuple(notes)),
        held=MappingProxyType(held),
        shed=next((reason for reason in sheds if reason), ""),
    )


def _lost_s(tag: Tag, plant: PlantSpec, state: ControllerState, now_ns: int) -> float:
    """For how long `tag` has had no valid value; 0 where its newest one is valid."""
    if tag.role is Role.MV:
        lost_ns = state.lost_ns[plant.mvs.index(tag)]
        return 0.0 if lost_ns < 0 else max(now_ns - lost_ns, 1) / 1e9
    return state.buffer.lost_ns(tag.name, now_ns) / 1e9
