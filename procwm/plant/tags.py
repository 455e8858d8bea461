"""The typed description of a plant: its tags, their roles, ranges, targets and limits."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from procwm.errors import SpecError
from procwm.plant.contract import PLANT_HEARTBEAT, ControlSettings, OnLoss, Signal, cascade_signal
from procwm.plant.known_effects import KNOWN_EFFECTS, KnownEffects, check_known_effects
from procwm.plant.log_settings import LogSettings
from procwm.plant.node_ids import TAG_NODES, check_node_ids
from procwm.plant.roles import ABOVE_ZERO, ON_LOSS, TAKEN_BY
from procwm.plant.roles import Interval as Interval
from procwm.plant.roles import Role as Role
from procwm.plant.settings import OpcUaSettings as OpcUaSettings
from procwm.plant.texts import check_plain, check_tag_texts


@dataclass(frozen=True, kw_only=True)
class Tag:
    """One tag of the plant.

    Attributes:
        name: as the plant writes it.
        role: CV, MV, DV or PV.
        unit: engineering unit, as text.
        range: of the instrument; its width is the span that costs are scaled by.
        setpoint: target of a CV, or `None`.
        zone: a CV inside it costs nothing, or `None`.
        weight: of a CV's squared error, relative to its span.
        limits: operating limits: hard on an MV, softened on a CV or PV.
        max_move: largest change of an MV in one control interval; `None` is no limit.
        move_weight: of an MV's squared move, relative to its span.
        node: OPC UA node id, or `None` where the tag is not served.
        max_hold_s: for how long a good value counts as the present one; `None` lets the log decide.
        max_move_per_hour: largest sum of an MV's moves within any hour; `None` is no limit.
        test_step: by how much mode test moves an MV up and down from where it began; `None` is 5 % of the
            width of its bounds.
        critical: whether its loss takes the whole controller down.
        on_loss: what to do without a valid value; `None` is predict for a CV or PV, hold for an MV or DV.
        loss_s: for how long `on_loss` may last; then a CV is dropped, and a critical tag sheds. `None` is
            half a window for a CV or PV, 2 control intervals for an MV or DV.
        use_uncertain: whether a value of quality Uncertain counts as measured.
        frozen_after_s: a value that stays exactly the same for longer is taken for frozen; `None` is never.
        cascade_node: OPC UA node of the mode of the loop whose setpoint this MV is.
        cascade_value: the value there that lets the MV be written.
        rank: 1 is the most important; where not all limits, setpoints and zones can be had at rest, higher
            numbers give way first, and tags without a rank before them.
        ideal: where an MV is to rest, as far as anything else leaves it free; `None` is anywhere.
        price: cost of one unit of a CV or MV over an interval at rest; below 0 it is worth having.
        price_quadratic: cost of its square.
        reference_s: time constant with which a CV is led to its setpoint; `None` is at once.
        reference_move: largest change of what a CV is led along, in one control interval; `None` is no limit.
        levels: the only values that an MV can take, ascending; `None` is any within its limits.
        forecast_node: OPC UA node of an array with a DV's values, or a CV's setpoints, at the ends of the
            control intervals after its source time; `None` where nothing is known ahead.
        raises, lowers: CVs, and PVs with limits, that a higher MV is known to end higher, or lower.
        no_effect: those that an MV is known not to move.
        setpoint_of: CV, or PV with limits, whose loop has an MV as its setpoint: at rest it follows that.
        gains: by CV, or PV with limits, the range that an MV's gain at rest is known to be in; units of both.
        dead_times_s: by CV, or PV with limits, the known dead time of its answer to an MV.
    """

    name: str
    role: Role
    unit: str = ""
    range: Interval
    setpoint: float | None = None
    zone: Interval | None = None
    weight: float = 1.0
    limits: Interval | None = None
    max_move: float | None = None
    move_weight: float = 0.0
    node: str | None = None
    max_hold_s: float | None = None
    max_move_per_hour: float | None = None
    test_step: float | None = None
    critical: bool = False
    on_loss: OnLoss | None = None
    loss_s: float | None = None
    use_uncertain: bool = False
    frozen_after_s: float | None = None
    cascade_node: str | None = None
    cascade_value: float = 1.0
    rank: int | None = None
    ideal: float | None = None
    price: float = 0.0
    price_quadratic: float = 0.0
    reference_s: float | None = None
    reference_move: float | None = None
    levels: tuple[float, ...] | None = None
    forecast_node: str | None = None
    raises: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()
    no_effect: tuple[str, ...] = ()
    setpoint_of: str | None = None
    gains: Mapping[str, Interval] | None = field(default=None, hash=False)
    dead_times_s: Mapping[str, float] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_tag_texts(self.name, self.unit)
        check_node_ids(self.name, **{key: getattr(self, key) for key in TAG_NODES})
        self._check_interval("range", self.range, inside_range=False)
        for label, interval in (("zone", self.zone), ("limits", self.limits)):
            if interval is not None:
                self._check_interval(label, interval, inside_range=True)
        if self.setpoint is not None:
            self.check_target(self.setpoint)
        for label in ("weight", "move_weight", "price_quadratic"):
            if not (math.isfinite(value := getattr(self, label)) and value >= 0):
                raise SpecError(f"{self.name}: {label} is {value}; it must be a number of at least 0")
        for label in ABOVE_ZERO:
            bound = getattr(self, label)
            if bound is not None and not (math.isfinite(bound) and bound > 0):
                raise SpecError(f"{self.name}: {label} is {bound}; it must be a number above 0")
        if not math.isfinite(self.price):
            raise SpecError(f"{self.name}: price is {self.price}; it must be a number")
        if self.rank is not None and self.rank < 1:
            raise SpecError(f"{self.name}: rank is {self.rank}; 1 is the most important, then come 2, 3, ...")
        self._check_role()
        low, high = self.bounds
        if self.ideal is not None and not low <= self.ideal <= high:
            outside = f"outside [{low}, {high}] {self.unit}".rstrip()
            raise SpecError(f"{self.name}: ideal {self.ideal} is {outside}, where the MV can be")
        if self.levels is not None:
            self._check_levels(self.levels)

    def _check_interval(self, label: str, interval: Interval, *, inside_range: bool) -> None:
        low, high = interval
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(
                f"{self.name}: {label} is [{low}, {high}]; it must be [low, high] with low < high"
            )
        if inside_range and not (self.range[0] <= low and high <= self.range[1]):
            raise SpecError(
                f"{self.name}: {label} [{low}, {high}] leaves the instrument's range "
                f"[{self.range[0]}, {self.range[1]}] {self.unit}".rstrip()
            )

    def _check_role(self) -> None:
        for label, roles in TAKEN_BY.items():
            if getattr(self, label) != _DEFAULTS[label] and self.role not in roles:
                raise SpecError(
                    f"{self.name}: a {self.role} takes no {label}; only {' or '.join(roles)} tags do"
                )
        if self.on_loss is not None and self.on_loss not in ON_LOSS[self.role]:
            raise SpecError(
                f"{self.name}: on_loss of a {self.role} is {' or '.join(ON_LOSS[self.role])}, "
                f"not {self.on_loss}"
            )

    def _check_levels(self, levels: tuple[float, ...]) -> None:
        low, high = self.bounds
        steps = [after - before for before, after in itertools.pairwise(levels)]
        if not steps or not all(math.isfinite(level) for level in levels) or min(steps) <= 0:
            raise SpecError(f"{self.name}: levels are {list(levels)}; they must be two or more, ascending")
        if not (low <= levels[0] and levels[-1] <= high):
            outside = f"outside [{low}, {high}] {self.unit}".rstrip()
            raise SpecError(f"{self.name}: levels {list(levels)} are {outside}, where the MV can be")
        if self.max_move is not None and self.max_move < max(steps):
            raise SpecError(
                f"{self.name}: max_move is {self.max_move}, less than the {max(steps)} between two levels"
            )

    def check_target(self, value: float) -> float:
        """Return `value` if this tag can be asked for it, else raise `SpecError`."""
        if self.role is not Role.CV:
            raise SpecError(f"{self.name}: a {self.role} takes no setpoint; only CV tags do")
        if not (math.isfinite(value) and self.range[0] <= value <= self.range[1]):
            raise SpecError(
                f"{self.name}: setpoint {value} is outside the instrument's range "
                f"[{self.range[0]}, {self.range[1]}] {self.unit}".rstrip()
            )
        return value

    def known_sign(self, output: str) -> str | None:
        """ "+" or "-" where this MV is known to raise or lower `output`, else `None`."""
        return self.known_effects.sign(output)

    @cached_property
    def known_effects(self) -> KnownEffects:
        """What is known of the effects of an MV before any log is seen."""
        said = {key: getattr(self, key) for key in KNOWN_EFFECTS if getattr(self, key) is not None}
        return KnownEffects(mv=self.name, unit=self.unit, **said)

    @cached_property
    def span(self) -> float:
        """Width of the instrument's range, engineering units."""
        return self.range[1] - self.range[0]

    @cached_property
    def loss_policy(self) -> OnLoss:
        """`on_loss` where given, else the default of its role."""
        return self.on_loss or ON_LOSS[self.role][0]

    @cached_property
    def bounds(self) -> Interval:
        """`limits` where given, else `range`."""
        return self.limits or self.range


_DEFAULTS = {key.name: key.default for key in fields(Tag)}


@dataclass(frozen=True, kw_only=True)
class PlantSpec:
    """A plant as the controller sees it: a control interval and typed tags, in file order."""

    name: str
    interval_s: float
    tags: tuple[Tag, ...]
    opcua: OpcUaSettings | None = None
    control: ControlSettings = field(default_factory=ControlSettings)
    log: LogSettings = field(default_factory=LogSettings)

    def __post_init__(self) -> None:
        check_plain("[plant]: name", self.name)
        if not 0 < self.interval_s <= 3.2e7:
            raise SpecError(f"[plant]: interval_s is {self.interval_s}; it must be above 0, a year at most")
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise SpecError(f"plant {self.name}: tag {twice} is listed twice")
        for role in (Role.CV, Role.MV):
            if not self.of(role):
                raise SpecError(f"plant {self.name}: no tag has the role {role}; at least one is needed")
        units = {tag.name: tag.unit for tag in self.outputs}
        check_known_effects([tag.known_effects for tag in self.mvs], units)

    def of(self, *roles: Role) -> tuple[Tag, ...]:
        """Tags of the given roles, in file order."""
        return tuple(tag for tag in self.tags if tag.role in roles)

    @cached_property
    def cvs(self) -> tuple[Tag, ...]:
        """Controlled variables."""
        return self.of(Role.CV)

    @cached_property
    def mvs(self) -> tuple[Tag, ...]:
        """Manipulated variables."""
        return self.of(Role.MV)

    @cached_property
    def dvs(self) -> tuple[Tag, ...]:
        """Measured disturbances."""
        return self.of(Role.DV)

    @cached_property
    def outputs(self) -> tuple[Tag, ...]:
        """What the model must predict: every CV, then every PV that has limits."""
        return self.cvs + tuple(tag for tag in self.of(Role.PV) if tag.limits is not None)

    @cached_property
    def mv_names(self) -> tuple[str, ...]:
        """Names of `mvs`: the axis `mv`."""
        return names_of(self.mvs)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """Names of `outputs`: the axis `output`."""
        return names_of(self.outputs)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All tag names, in file order."""
        return tuple(tag.name for tag in self.tags)

    def tag(self, name: str) -> Tag:
        """The tag called `name`; `SpecError` where the plant has none."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self.names)
            raise SpecError(f"plant {self.name} has no tag {name}; its tags are {known}") from None

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """What the runtime watches beside the tags: the modes of loops below, and the plant's heartbeat."""
        found = [
            Signal(name=cascade_signal(tag.name), node=tag.cascade_node)
            for tag in self.mvs
            if tag.cascade_node is not None
        ]
        if self.control.plant_heartbeat_node is not None:
            found.append(Signal(name=PLANT_HEARTBEAT, node=self.control.plant_heartbeat_node))
        return tuple(found)

    @cached_property
    def _by_name(self) -> dict[str, Tag]:
        return {tag.name: tag for tag in self.tags}


def names_of(tags: Sequence[Tag]) -> tuple[str, ...]:
    """The names of `tags`, in order."""
    return tuple(tag.name for tag in tags)
