"""Setpoints on their way to the plant, and what is known to be in force when the way is blocked."""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from procwm.errors import LinkError, LinkTimeoutError, OutcomeUnknownError
from procwm.plant.link import FullLink
from procwm.plant.samples import Quality, Sample, Setpoints, read_number
from procwm.plant.tags import Interval, Tag
from procwm.plant.texts import shown
from procwm.runtime.other_writer import OtherWriter
from procwm.runtime.patience import within

_log = logging.getLogger(__name__)

_ROUNDING = 1e-6
"""Of an MV's span: a difference between written and accepted that is none."""
_WRITE_IDS = 2**32
_LEADS = 32
"""Cycles over which the lead of the plant's clock is learned."""


@dataclass(frozen=True)
class Delivered:
    """What came of one write.

    Attributes:
        accepted: by the plant; `None` where nothing was, or nothing is known.
        fault: one sentence where the setpoints are not in force as written, else empty.
    """

    accepted: Setpoints | None
    fault: str = ""


class Delivery:
    """Writes setpoints, and knows which MVs are in force; nobody else does.

    A controller takes it that what it decided is in force. Where that is not so, `taken_otherwise` says what
    is, for its next step.

    After a write with an unknown outcome nothing is written until every MV has been read back: the write may
    still happen. A report counts as read back only if the plant made it after the write was given up. Its
    source time is the plant's, and that clock may lead or lag ours. The freshest MV report of a tick is at
    most one control interval old, so the plant's clock leads ours by at most `freshest source time - tick +
    one interval`; a report must be later, by the plant's clock, than the moment the write was given up plus
    the largest lead seen in the last ticks. Where clocks agree this costs one interval more of holding.

    Attributes:
        written: writes the plant accepted.
        failed: writes it did not.
        unknown: writes with an unknown outcome.
    """

    def __init__(self, link: FullLink) -> None:
        self._link = link
        self._mvs = {tag.name: tag for tag in link.spec.mvs}
        self._in_force: dict[str, float] = {}
        self._stamp_ns: dict[str, int] = {}
        self._interval_ns = round(link.spec.interval_s * 1e9)
        self._ahead_ns = round((link.spec.control.clock_skew_s or link.spec.interval_s) * 1e9)
        self._leads: deque[int] = deque(maxlen=_LEADS)
        self._given_up_ns = 0
        self._awaited: set[str] = set()
        self._doubted_as: dict[str, Quality] = {}
        self._failures = 0
        self._otherwise: Setpoints | None = None
        self._others = OtherWriter(link.spec)
        self.written = self.failed = self.unknown = 0

    @property
    def in_force(self) -> Setpoints:
        """MVs as far as they are known."""
        return dict(self._in_force)

    @property
    def missing(self) -> tuple[str, ...]:
        """MVs of which no value is known yet."""
        return tuple(name for name in self._link.spec.mv_names if name not in self._in_force)

    @property
    def awaited_first(self) -> str:
        """`missing`, each with the quality that keeps its value from counting, where it has one."""
        qualities = {name: self._doubted_as.get(name) for name in self.missing}
        return ", ".join(
            name + (f" (it is {quality})" if quality else "") for name, quality in qualities.items()
        )

    @property
    def healthy(self) -> bool:
        """Whether the last write got through."""
        return not self._failures and not self._awaited

    def disputed(self, now_ns: int) -> str:
        """Why it seems at the tick `now_ns` that somebody else writes MVs, too; empty where nobody does."""
        return self._others.reason(now_ns)

    def forgive(self) -> None:
        """Forget failed writes, so that another may be tried; one of unknown outcome is still awaited."""
        self._failures = 0

    def taken_otherwise(self) -> Setpoints | None:
        """MVs in force after a write that did not come out as decided, else `None`; told once."""
        otherwise, self._otherwise = self._otherwise, None
        return otherwise

    def observe(self, samples: Sequence[Sample], now_ns: int) -> None:
        """Take note of MVs that the plant reports, at the tick `now_ns`."""
        mine = [sample for sample in samples if sample.tag in self._mvs]
        self._doubted_as.update({sample.tag: sample.quality for sample in mine})
        # A report of the year 9999 must not make every later one old, nor the plant's clock lead by as much.
        latest_ns = now_ns + self._ahead_ns
        reports = [
            replace(sample, source_ns=min(sample.source_ns, latest_ns))
            for sample in mine
            if self._counts(sample)
        ]
        for sample in reports:
            # A report that is sent again says nothing about what was written since.
            if sample.source_ns > self._stamp_ns.get(sample.tag, -1):
                self._in_force[sample.tag] = sample.value
                self._stamp_ns[sample.tag] = sample.source_ns
                self._others.read(sample, now_ns)
        if self._awaited:
            self._awaited -= {sample.tag for sample in reports if sample.source_ns > self._given_up_ns}
        elif reports:
            self._leads.append(max(sample.source_ns for sample in reports) - now_ns)

    def _counts(self, sample: Sample) -> bool:
        used = self._mvs[sample.tag].use_uncertain and sample.quality is Quality.UNCERTAIN
        return (used or sample.quality is Quality.GOOD) and math.isfinite(sample.value)

    async def deliver(
        self,
        setpoints: Setpoints,
        now_ns: Callable[[], int],
        *,
        tick_ns: int | None = None,
        limits: Mapping[str, Interval] = MappingProxyType({}),
    ) -> Delivered:
        """Write `setpoints` and say what came of it; never raises for a lost link.

        They are valid for a control interval from the tick that they were decided at: later they are not
        sent, and a link that can tells the plant so. A write that takes a whole control interval is given
        up, with an unknown outcome: the cycles after it must find out that the plant is lost, and shed.

        Args:
            setpoints: engineering units, by MV.
            now_ns: tells the present, UTC.
            tick_ns: of the cycle that decided, UTC; now where `None`.
            limits: in force, where they are not those of the plant file. An MV that can hold whole numbers
                only goes to the nearest one within them and its largest move, else it stays.
        """
        forbidden = self._forbidden(setpoints)
        if forbidden:
            self.failed += 1
            return self._refused(forbidden)
        decided, setpoints = setpoints, self._possible(setpoints, limits)
        began_ns = now_ns()
        tick_ns = began_ns if tick_ns is None else tick_ns
        until_ns = tick_ns + self._interval_ns
        if self._awaited:
            self._tell()
            names = ", ".join(sorted(self._awaited))
            return Delivered(
                None, f"holding until {names} can be read back: the last write may have happened"
            )
        interval_s = self._link.spec.interval_s
        if began_ns >= until_ns:
            self.failed += 1
            late_s = (began_ns - tick_ns) / 1e9
            return self._refused(
                f"decided {late_s:.3g} s after its tick; a move is valid for {interval_s:g} s"
            )
        try:
            answer = await within(
                interval_s,
                self._link.write_valid(
                    setpoints, write_id=tick_ns // self._interval_ns % _WRITE_IDS, until_ns=until_ns
                ),
            )
            accepted = {name: read_number(answer[name]) for name in setpoints if name in answer}
        except TimeoutError:
            return self._doubted(f"no answer within {interval_s:g} s", set(setpoints), now_ns())
        except (LinkTimeoutError, OutcomeUnknownError) as error:
            return self._doubted(str(error), set(setpoints), now_ns())
        except LinkError as error:
            self.failed += 1
            return self._refused(str(error))
        except Exception as error:
            _log.exception("the link failed")
            return self._doubted(f"the link failed: {error}", set(setpoints), now_ns())
        taken = {n: value for n, value in accepted.items() if value is not None and math.isfinite(value)}
        unread = ", ".join(name for name in accepted if name not in taken)
        if unread:
            return self._doubted(f"{unread}: the plant took no number", set(setpoints), now_ns())
        self.written += 1
        self._failures = 0
        self._in_force.update(taken)
        self._others.wrote(taken, tick_ns)
        if setpoints != decided:
            self._tell()
        return self._compared(setpoints, taken)

    def _forbidden(self, setpoints: Setpoints) -> str:
        """Why nothing of this is sent: a value outside the plant file's bounds; empty where there is none.

        An MV that the plant reports outside them may be on its way back.
        """
        for name, value in setpoints.items():
            if name not in self._mvs:
                return f"{name} is no MV of the plant file"
            low, high = self._mvs[name].bounds
            reported = self._in_force.get(name, low)
            if not min(low, reported) <= value <= max(high, reported):
                return f"{name}: {value:g} is outside [{low:g}, {high:g}], the limits of the plant file"
        return ""

    def _possible(self, setpoints: Setpoints, limits: Mapping[str, Interval]) -> Setpoints:
        """`setpoints` as the MVs of the link can hold them."""
        whole = self._link.whole_numbers
        return {
            name: _whole(value, self._in_force[name], self._mvs[name], limits)
            if name in whole and name in self._in_force
            else value
            for name, value in setpoints.items()
        }

    def _doubted(self, error: str, names: set[str], now_ns: int) -> Delivered:
        self.unknown += 1
        self._awaited = names
        self._others.doubted(names)
        self._given_up_ns = now_ns + max(self._leads, default=0) + self._interval_ns
        return self._refused(error)

    def _refused(self, error: str) -> Delivered:
        self._failures += 1
        self._tell()
        _log.warning("write %d in a row failed: %s", self._failures, shown(error))
        return Delivered(None, f"not written ({self._failures} in a row): {error}")

    def _compared(self, asked: Setpoints, accepted: Setpoints) -> Delivered:
        for name, value in asked.items():
            got = accepted.get(name)
            if got is None or abs(got - value) > _ROUNDING * self._mvs[name].span:
                self._tell()
                return Delivered(accepted, f"{name}: {value:g} was written, the plant took {got}")
        return Delivered(accepted)

    def _tell(self) -> None:
        self._otherwise = dict(self._in_force)


def _whole(value: float, held: float, mv: Tag, limits: Mapping[str, Interval]) -> float:
    """The whole number next to `value` that `mv` may go to from `held`, the nearer one first; else `held`."""
    (low, high), bounds = limits.get(mv.name, mv.bounds), mv.bounds
    low, high = max(low, bounds[0]), min(high, bounds[1])
    # Over an hour moves add up, so there none may be larger than was decided.
    hourly = math.inf if mv.max_move_per_hour is None else abs(value - held)
    reach = min(math.inf if mv.max_move is None else mv.max_move, hourly) + _ROUNDING * mv.span
    near = sorted((math.floor(value), math.ceil(value)), key=lambda whole: abs(whole - value))
    allowed = (whole for whole in near if low <= whole <= high and abs(whole - held) <= reach)
    return float(next(allowed, held))
