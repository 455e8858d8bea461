"""What is known of how an MV moves the outputs, before any log is seen; and that it makes sense."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from procwm.errors import SpecError
from procwm.plant.roles import Interval
from procwm.plant.units import canonical_unit

KNOWN_EFFECTS = ("raises", "lowers", "no_effect", "setpoint_of", "gains", "dead_times_s")
"""Keys of an MV that say something of its effects."""
_EITHER = (
    ("raises", "lowers"),
    ("setpoint_of", "lowers"),
    *(("no_effect", key) for key in KNOWN_EFFECTS if key != "no_effect"),
)
"""An output that stands in one of two cannot stand in the other."""


@dataclass(frozen=True, kw_only=True)
class KnownEffects:
    """What is known of the effects of one MV.

    Attributes:
        mv, unit: its tag.
        raises, lowers: outputs that a higher MV ends higher, or lower.
        no_effect: outputs that it does not move.
        setpoint_of: the output whose loop has this MV as its setpoint, so that one follows the other.
        gains: by output, range of the gain at rest, output units per MV unit.
        dead_times_s: by output, dead time of its answer.
    """

    mv: str
    unit: str
    raises: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    no_effect: tuple[str, ...] = ()
    setpoint_of: str | None = None
    gains: Mapping[str, Interval] = field(default_factory=dict)
    dead_times_s: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one, other in _EITHER:
            for name in self.named(one):
                if name in self.named(other):
                    raise SpecError(f"{self.mv}: {name} stands in {one} and in {other}; keep one of them")
        for name, (low, high) in self.gains.items():
            self._check_gain(name, low, high)
        for name, dead_s in self.dead_times_s.items():
            if not (math.isfinite(dead_s) and dead_s >= 0):
                raise SpecError(
                    f"{self.mv}: dead_times_s of {name} is {dead_s}; it must be a number of at least 0"
                )

    def _check_gain(self, name: str, low: float, high: float) -> None:
        gain = f"{self.mv}: gains of {name} is [{low}, {high}]"
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(f"{gain}; it must be [low, high] with low < high")
        for key, asks, kept in (
            ("raises", "above 0", high > 0),
            ("lowers", "below 0", low < 0),
            ("setpoint_of", "1", low <= 1 <= high),
        ):
            if name in self.named(key) and not kept:
                raise SpecError(f"{gain}, and by {key} the gain is {asks}; mend one of them")

    def named(self, key: str) -> tuple[str, ...]:
        """Outputs that `key` names."""
        value = getattr(self, key)
        return (value,) if isinstance(value, str) else tuple(value or ())

    def check(self, outputs: Mapping[str, str]) -> None:
        """Raise `SpecError` where this makes no sense in a plant with `outputs`, whose units are given."""
        for key in KNOWN_EFFECTS:
            for name in self.named(key):
                if name not in outputs:
                    raise SpecError(
                        f"{self.mv}: {key} names CVs and PVs with limits; {name} is not one of "
                        f"{', '.join(outputs)}"
                    )
        if set(self.no_effect) == set(outputs):
            raise SpecError(
                f"{self.mv}: no_effect names every CV and every PV with limits; make this MV a DV, or leave "
                "it out"
            )
        held = self.setpoint_of
        if held is not None and canonical_unit(outputs[held]) != canonical_unit(self.unit):
            raise SpecError(
                f'{self.mv}: its unit is "{self.unit}", and setpoint_of names {held}, whose unit is '
                f'"{outputs[held]}"; give both the same unit, or say gains in place of setpoint_of'
            )

    @property
    def beyond_signs(self) -> bool:
        """Whether anything but signs is known."""
        return any(self.named(key) for key in KNOWN_EFFECTS if key not in ("raises", "lowers"))

    def sign(self, output: str) -> str | None:
        """ "+" or "-" where the MV is known to raise or lower `output`, else `None`."""
        return "+" if output in self.raises else "-" if output in self.lowers else None


def check_known_effects(mvs: Sequence[KnownEffects], outputs: Mapping[str, str]) -> None:
    """Raise `SpecError` where what is known of `mvs` makes no sense in a plant with `outputs`, by unit."""
    loops: dict[str, str] = {}
    for known in mvs:
        known.check(outputs)
        for held in known.named("setpoint_of"):
            if held in loops:
                raise SpecError(
                    f"{known.mv}: setpoint_of names {held}, as that of {loops[held]} does; a loop has one "
                    "setpoint"
                )
            loops[held] = known.mv
