"""The faults of the campaign: how long each lasts, and what is due from a controller when it comes.

`shed_after` counts in control intervals from a fault's first cycle, by the plant file of the campaign
(`contract`); a fault that ends sooner asks for no shedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from procwm.plant.contract import ControlSettings
from procwm.plant.tags import PlantSpec

PATIENCE = 3
"""Control intervals that the campaign's plant file grants a lost CV, a silent link and a failing planner."""
FROZEN = 4
BACK_WITHIN = 16
"""Cycles after a fault by which the controller must be in AUTO again; then the next one may come."""
FIRST = 14


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault.

    Attributes:
        name: of the kind, as in `faults.json`.
        lasts: shortest and longest duration, cycles.
        shed_after: cycles after which the controller must have shed; `None` where it need not.
        told_after: cycles after which the audit log must have said something; `None` where it need not.
        holds: whether the first MV must be left alone while it lasts.
        once: whether at most one write may reach the plant in each interval in which it acts.
    """

    name: str
    lasts: tuple[int, int] = (1, 9)
    shed_after: int | None = None
    told_after: int | None = 0
    holds: bool = False
    once: bool = False


KINDS: tuple[Kind, ...] = (
    Kind(name="server killed", shed_after=PATIENCE),
    Kind(name="server frozen", shed_after=PATIENCE, told_after=1),
    Kind(name="server restarted, old values sent again", lasts=(2, 6), shed_after=PATIENCE),
    Kind(name="value Bad", shed_after=PATIENCE),
    Kind(name="value Uncertain", shed_after=PATIENCE),
    Kind(name="value stale", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="value frozen", lasts=(1, 13), shed_after=FROZEN + 1 + PATIENCE, told_after=FROZEN + 1),
    Kind(name="value spiked", lasts=(1, 1), told_after=None),
    Kind(name="value NaN", shed_after=PATIENCE),
    Kind(name="value of the wrong type", shed_after=PATIENCE),
    Kind(name="value beyond the instrument", shed_after=PATIENCE),
    Kind(name="all values Bad", shed_after=PATIENCE),
    Kind(name="MV read-back Bad", holds=True),
    Kind(name="samples of unknown tags", told_after=None),
    Kind(name="plant clock ahead", shed_after=PATIENCE),
    Kind(name="plant clock behind", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="our clock set back", lasts=(1, 5)),
    Kind(name="our clock set forward", lasts=(1, 5), told_after=None),
    Kind(name="samples duplicated", told_after=None),
    Kind(name="samples reordered", told_after=None),
    Kind(name="samples delayed", lasts=(1, 2), told_after=None),
    Kind(name="write refused", shed_after=PATIENCE + 1),
    Kind(name="write applied after a reported failure", lasts=(1, 3)),
    Kind(name="write lost without an answer", lasts=(1, 3)),
    Kind(name="write never answered", lasts=(6, 9), shed_after=PATIENCE + 1),
    Kind(name="write answered with NaN", lasts=(1, 3)),
    Kind(name="write cut short by the plant", lasts=(1, 5), told_after=None),
    Kind(name="link raises what it must not", lasts=(1, 3)),
    Kind(name="planner raises", shed_after=PATIENCE),
    Kind(name="planner late", shed_after=PATIENCE),
    Kind(name="planner asks beyond limits", shed_after=PATIENCE),
    Kind(name="planner answers NaN", shed_after=PATIENCE),
    Kind(name="model of NaN", lasts=(1, 6), shed_after=0),
    Kind(name="model raises", lasts=(1, 6), shed_after=0),
    Kind(name="disk full", lasts=(1, 9), told_after=None),
    Kind(name="plant heartbeat stands still", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="loop below not in cascade", holds=True),
    Kind(name="operator asks to widen limits", lasts=(1, 1)),
    Kind(name="control ticks early", told_after=None),
    Kind(name="control ticks late", told_after=None),
    Kind(name="control ticks at random", told_after=None, once=True),
    Kind(name="control ticks doubled", told_after=None, once=True),
    Kind(name="control ticks missed", lasts=(5, 9)),
    Kind(name="value stamped 1601", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="value stamped 1650", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="value stamped 2300", shed_after=PATIENCE),
    Kind(name="value stamped 9999", shed_after=PATIENCE),
    Kind(name="value of 10**400", shed_after=PATIENCE),
    Kind(name="value infinite", shed_after=PATIENCE),
    Kind(name="value True", told_after=None),
    Kind(name="value as text", told_after=None),
    Kind(name="value spiked to the end of its range", lasts=(1, 1), told_after=None),
    Kind(name="MV read-back NaN", holds=True),
    Kind(name="MV read-back stamped 9999", holds=True),
    Kind(name="MV moved by somebody else", lasts=(1, 1), told_after=None),
    Kind(name="MV moved by somebody else again and again", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="write answered with nothing", lasts=(1, 3)),
    Kind(name="write answered with 10**400", lasts=(1, 3)),
    Kind(name="write answered for no tag that there is", lasts=(1, 3), told_after=None),
    Kind(name="write answered with a text", lasts=(1, 3)),
    Kind(name="write refused with words that command a screen", shed_after=PATIENCE + 1),
    Kind(name="link in trouble with words that command a screen"),
    Kind(name="link without a connection", shed_after=PATIENCE),
    Kind(name="planner answers in another shape", shed_after=PATIENCE),
    Kind(name="recorder raises"),
    Kind(name="plant heartbeat NaN", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name="loop below in no mode", holds=True),
    Kind(name="our heartbeat refused", told_after=None),
    Kind(name="our heartbeat raises what it must not", told_after=None),
    Kind(name="operator asks with wrong types", lasts=(1, 1)),
    Kind(name="operator asks for no mode that there is", lasts=(1, 1)),
    Kind(name="operator asks in somebody's name that commands a screen", lasts=(1, 1)),
    Kind(name="operator switches the critical CV off", shed_after=0),
)

SERVED = "OPC UA: "
"""How the names of faults begin that are injected into a server of its own, over a secured connection."""
SERVED_KINDS: tuple[Kind, ...] = (
    Kind(name=f"{SERVED}server killed", lasts=(1, 6), shed_after=PATIENCE),
    Kind(name=f"{SERVED}server frozen", shed_after=PATIENCE, told_after=1),
    Kind(name=f"{SERVED}server ended and started again", lasts=(1, 6), shed_after=PATIENCE),
    Kind(name=f"{SERVED}server's certificate replaced", lasts=(6, 9), shed_after=PATIENCE),
    Kind(name=f"{SERVED}password no longer right", lasts=(6, 9), shed_after=PATIENCE),
    Kind(name=f"{SERVED}server back without a node", lasts=(6, 9), shed_after=PATIENCE),
    Kind(name=f"{SERVED}value Bad", shed_after=PATIENCE),
    Kind(name=f"{SERVED}value Uncertain", shed_after=PATIENCE),
    Kind(name=f"{SERVED}value NaN", shed_after=PATIENCE),
    Kind(name=f"{SERVED}plant clock ahead", shed_after=PATIENCE),
    Kind(name=f"{SERVED}plant clock behind", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name=f"{SERVED}write refused", shed_after=PATIENCE + 1),
    Kind(name=f"{SERVED}plant heartbeat stands still", shed_after=PATIENCE, told_after=PATIENCE),
    Kind(name=f"{SERVED}loop below not in cascade", lasts=(2, 9), holds=True),
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault that was injected.

    Attributes:
        kind: what it is.
        first, last: cycles in which it acts.
    """

    kind: Kind
    first: int
    last: int

    @property
    def lasts(self) -> int:
        """Count of cycles."""
        return self.last - self.first + 1

    @property
    def due(self) -> int | None:
        """The cycle by which the controller must have shed; two intervals after the cause is complete."""
        after = self.kind.shed_after
        return None if after is None or self.lasts <= after else self.first + after + 2


def schedule(kinds: Sequence[Kind], rng: np.random.Generator, *, every: int = 1) -> tuple[Fault, ...]:
    """One fault of each of `kinds`, spaced so that each can be judged by itself.

    Args:
        kinds: in the order of injection.
        rng: draws when each begins and how long it lasts.
        every: cycles from one report of the critical CV to the next; a fault begins with a report, as one
            that begins and ends between two would be none.
    """
    faults = []
    free = FIRST
    for kind in kinds:
        first = free + int(rng.integers(3))
        first += -first % every
        lasts = int(rng.integers(kind.lasts[0], kind.lasts[1] + 1))
        if kind.told_after is not None:
            kind = replace(kind, told_after=-(-kind.told_after // every) * every)
        faults.append(Fault(kind=kind, first=first, last=first + lasts - 1))
        free = first + lasts + BACK_WITHIN
    return tuple(faults)


def contract(plant: PlantSpec, critical: str) -> PlantSpec:
    """`plant` with the contract of the campaign: one CV critical, its first MV in a cascade."""
    interval_s = plant.interval_s
    cv = replace(
        plant.tag(critical),
        critical=True,
        loss_s=PATIENCE * interval_s,
        frozen_after_s=FROZEN * interval_s,
        max_hold_s=PATIENCE * interval_s,
    )
    mv = replace(plant.mvs[0], cascade_node="ns=2;s=mode")
    changed = {tag.name: tag for tag in (cv, mv)}
    return replace(
        plant,
        tags=tuple(changed.get(tag.name, tag) for tag in plant.tags),
        control=ControlSettings(
            hold_for_s=PATIENCE * interval_s,
            silent_for_s=PATIENCE * interval_s,
            plant_heartbeat_node="ns=2;s=heartbeat",
            plant_heartbeat_s=PATIENCE * interval_s,
        ),
    )


def accelerated(plant: PlantSpec, interval_s: float) -> PlantSpec:
    """`plant` with a shorter control interval, and every other time of its tags in proportion."""
    faster = interval_s / plant.interval_s

    def shorter(time_s: float | None) -> float | None:
        return None if time_s is None else time_s * faster

    tags = tuple(
        replace(
            tag,
            max_hold_s=shorter(tag.max_hold_s),
            loss_s=shorter(tag.loss_s),
            frozen_after_s=shorter(tag.frozen_after_s),
            max_move_per_hour=tag.max_move_per_hour and tag.max_move_per_hour / faster,
        )
        for tag in plant.tags
    )
    return replace(plant, interval_s=interval_s, tags=tags)
