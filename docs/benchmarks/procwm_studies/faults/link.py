"""A simulated plant behind a link that fails as told, and a log of what truly reached the plant."""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from procwm.errors import LinkError, LinkRefusedError, OutcomeUnknownError
from procwm.plant.contract import PLANT_HEARTBEAT, cascade_signal
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import SimulatedPlant
from procwm.plant.tags import PlantSpec, names_of
from procwm_studies.faults.catalogue import Fault
from procwm_studies.faults.spoiling import inside, spoilt, stamped, valued

_CLOCK_STEP = 6.4
"""Intervals by which a plant's clock is stepped; no two samples get the same time by it."""

_NOISE = 0.002
"""Of its span: standard deviation of the critical CV's noise."""
_UNEVEN = 0.49
"""Of the control interval: by how much a tick is early or late at most."""
_DOUBLED = (0.02, 0.45)
"""Of the control interval: how soon after a tick it comes again."""
_MISSED = (2, 5)
"""Control intervals from a tick to the next one where some are missed; the second is one too many."""
_CALENDAR_NS = (0, 2**63 - 1)
"""Times outside it are kept as its ends."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One write that reached the plant.

    Attributes:
        tick: of the plant.
        before: MVs in force until then.
        asked: as it arrived.
    """

    tick: int
    before: Mapping[str, float]
    asked: Mapping[str, float]


@dataclass(eq=False)
class FaultyLink:
    """`PlantLink` and `Clock` of a simulated plant.

    Attributes:
        plant: the simulation.
        spec: the plant file of the campaign.
        faults: to inject.
        rng: draws values of faults, and the noise of the critical CV.
        every: cycles from one report of the critical CV to the next.
        until: interval of the plant in which the clock ends; `None` where it does not.
        between: called before each tick.
        words: what the link says of itself and of refusals.
        reached: every write the plant saw.
        ticked: the plant's interval of every tick so far.
        delivered: every sample of a tag of the plant that `drain` gave out, by tag and source time.
    """

    plant: SimulatedPlant
    spec: PlantSpec
    faults: Sequence[Fault]
    rng: np.random.Generator
    every: int = 1
    until: int | None = None
    between: Callable[[], None] = lambda: None
    words: str = "the server is not there"
    reached: list[Reached] = field(default_factory=list)
    delivered: set[tuple[str, int]] = field(default_factory=set)
    ticked: list[int] = field(default_factory=list)
    tick: int = 0
    _frozen: dict[str, float] = field(default_factory=dict)
    _delayed: list[Sample] = field(default_factory=list)
    _pending: list[Setpoints] = field(default_factory=list)
    _old: list[Sample] = field(default_factory=list)
    _readings: list[Sample] = field(default_factory=list)
    _measured_at: int = -1

    def __post_init__(self) -> None:
        self.mv = dict(zip(names_of(self.spec.mvs), self.plant.truth.mv, strict=True))
        self.cv = next(tag for tag in self.spec.cvs if tag.critical)
        self.interval_ns = round(self.spec.interval_s * 1e9)

    def acts(self, *names: str) -> bool:
        """Whether a fault of one of these kinds acts in this cycle."""
        return any(f.first <= self.tick <= f.last and f.kind.name in names for f in self.faults)

    @property
    def shift_ns(self) -> int:
        """By how much the plant's clock is ahead."""
        steps = self.acts("plant clock ahead") - 20 * self.acts("plant clock behind")
        return round(_CLOCK_STEP * steps * self.interval_ns)

    @property
    def connected(self) -> bool:
        """Whether the link says that it reaches the plant."""
        return not self.acts("link without a connection")

    @property
    def trouble(self) -> str:
        """What the link says of itself."""
        return self.words if self.acts("link in trouble with words that command a screen") else ""

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The plant's time, seen through a clock that may have been set, and kept badly."""
        while self.until is None or self.tick < self.until:
            await self._thaw()
            now_ns = self.plant.truth.time_ns
            for at in self._seen_at():
                self.ticked.append(self.tick)
                self.between()
                yield now_ns + round(at * self.interval_ns)
            passes = int(self.rng.integers(*_MISSED)) if self.acts("control ticks missed") else 1
            for _ in range(passes):
                await self._moved()
                self._measure()
                self.plant.advance()
                self.tick += 1

    def _seen_at(self) -> Sequence[float]:
        """When the present interval is looked at, in intervals from its beginning."""
        if self.acts("control ticks early"):
            return (-_UNEVEN,)
        if self.acts("control ticks late"):
            return (_UNEVEN,)
        if self.acts("control ticks at random"):
            return (float(self.rng.uniform(-_UNEVEN, _UNEVEN)),)
        if self.acts("control ticks doubled"):
            return (0.0, float(self.rng.uniform(*_DOUBLED)))
        return (
            -2.0 if self.acts("our clock set back") else 4.0 if self.acts("our clock set forward") else 0.0,
        )

    async def _moved(self) -> None:
        """Somebody else's write, which the plant reports with its next samples."""
        if self.acts("MV moved by somebody else", "MV moved by somebody else again and again"):
            mv = self.spec.mvs[0]
            self.mv |= await self.plant.write({mv.name: float(self.rng.uniform(*mv.bounds))})

    def drain(self) -> Sequence[Sample]:
        """Samples as the faults leave them."""
        if self.acts("server killed", "server restarted, old values sent again"):
            self._measured()
            raise LinkError("the server is not there")
        if self.acts("server frozen"):
            return ()
        if self.tick and self.acts("link raises what it must not"):
            raise RuntimeError("a bug in the link")
        samples = [sample for sample in map(self._changed, self._measured()) if sample is not None]
        samples = self._arranged(samples)
        low_ns, high_ns = _CALENDAR_NS
        self.delivered |= {(sample.tag, min(max(sample.source_ns, low_ns), high_ns)) for sample in samples}
        return [*samples, *self._signals(), *self._strangers()]

    def _measured(self) -> list[Sample]:
        """Samples before any fault: the critical CV has an instrument that never fails by itself."""
        self._measure()
        samples = [sample for sample in self.plant.drain() if sample.tag != self.cv.name] + self._readings
        self._readings = []
        return samples

    def _measure(self) -> None:
        """Read the critical CV, where that has not been done in this interval and a report is due."""
        if self._measured_at < self.tick and self.tick % self.every == 0:
            truth, (low, high) = self.plant.truth, self.cv.range
            value = truth.outputs[self.cv.name] + _NOISE * self.cv.span * self.rng.standard_normal()
            reading = float(min(max(value, low), high))
            self._readings.append(Sample(self.cv.name, reading, Quality.GOOD, truth.time_ns))
        self._measured_at = self.tick

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Enter setpoints, or fail as told."""
        if self.acts("server killed", "server restarted, old values sent again", "write refused"):
            raise LinkRefusedError("the write was refused")
        if self.acts("write refused with words that command a screen"):
            raise LinkRefusedError(self.words)
        if self.acts("server frozen"):
            self._pending.append(setpoints)
            raise OutcomeUnknownError("no answer in time")
        if self.acts("write lost without an answer", "write never answered"):
            raise OutcomeUnknownError("no answer in time")
        if self.acts("link raises what it must not"):
            raise RuntimeError("a bug in the link")
        if self.acts("write cut short by the plant"):
            return await self._enter({n: (v + self.mv[n]) / 2.0 for n, v in setpoints.items()}, setpoints)
        accepted = await self._enter(setpoints, setpoints)
        if self.acts("write applied after a reported failure"):
            raise OutcomeUnknownError("no answer in time")
        return self._answered(accepted)

    def _answered(self, accepted: Setpoints) -> Setpoints:
        """What the plant says that it took."""
        if self.acts("write answered with nothing"):
            return {}
        if self.acts("write answered for no tag that there is"):
            return {**accepted, "nobody's tag": 1.0}
        answers: tuple[tuple[str, Any], ...] = (("NaN", math.nan), ("10**400", 10**400), ("a text", "taken"))
        for name, answer in answers:
            if self.acts(f"write answered with {name}"):
                return dict.fromkeys(accepted, answer)
        return accepted

    async def beat(self, count: int) -> None:
        """Write the counter that the plant watches."""
        if self.acts("our heartbeat refused"):
            raise LinkRefusedError(f"the node of the heartbeat takes no {count}")
        if self.acts("our heartbeat raises what it must not"):
            raise RuntimeError("a bug in the link")

    async def _thaw(self) -> None:
        """A server that was frozen carries out what it was sent."""
        if not self.acts("server frozen"):
            while self._pending:
                setpoints = self._pending.pop(0)
                await self._enter(setpoints, setpoints)

    async def _enter(self, setpoints: Setpoints, asked: Setpoints) -> dict[str, float]:
        self.reached.append(Reached(tick=self.tick, before=dict(self.mv), asked=dict(asked)))
        accepted = dict(await self.plant.write(setpoints))
        self.mv |= accepted
        return accepted

    def _changed(self, sample: Sample) -> Sample | None:
        """One sample as the faults of its value and its time leave it."""
        if self.acts("all values Bad"):
            return replace(sample, quality=Quality.BAD)
        sample = replace(sample, source_ns=sample.source_ns + self.shift_ns)
        if sample.tag == self.spec.mvs[0].name:
            return self._read_back(sample)
        if sample.tag != self.cv.name:
            return sample
        if self.acts("value stale"):
            return None
        if self.acts("value frozen"):
            frozen = self._frozen.setdefault(sample.tag, inside(sample.value, self.cv))
            return replace(sample, value=frozen)
        self._frozen.pop(sample.tag, None)
        return spoilt(sample, self.cv, self.acts, self.rng)

    def _read_back(self, sample: Sample) -> Sample:
        """A sample of the first MV."""
        if self.acts("MV read-back Bad"):
            return replace(sample, quality=Quality.BAD)
        if self.acts("MV read-back NaN"):
            return valued(sample, math.nan)
        return stamped(sample, "9999") if self.acts("MV read-back stamped 9999") else sample

    def _arranged(self, samples: list[Sample]) -> list[Sample]:
        """Samples as the faults of the way leave them."""
        if self.acts("samples delayed"):
            self._delayed += samples
            return []
        samples, self._delayed = [*self._delayed, *samples], []
        if self.acts("samples duplicated"):
            samples = [*samples, *samples, *self._old]
        after_restart = any(
            f.kind.name.startswith("server restarted") and self.tick == f.last + 1 for f in self.faults
        )
        if after_restart:
            samples = [*samples, *self._old]
        if self.acts("samples reordered"):
            samples = [samples[index] for index in self.rng.permutation(len(samples))]
        self._old = samples[-20:]
        return samples

    def _signals(self) -> list[Sample]:
        now_ns = self.plant.truth.time_ns
        mode = 0.0 if self.acts("loop below not in cascade") else 1.0
        mode = math.nan if self.acts("loop below in no mode") else mode
        found = [Sample(cascade_signal(self.spec.mvs[0].name), mode, Quality.GOOD, now_ns)]
        if not self.acts("plant heartbeat stands still"):
            count = math.nan if self.acts("plant heartbeat NaN") else float(self.tick % 1000)
            found.append(Sample(PLANT_HEARTBEAT, count, Quality.GOOD, now_ns))
        return found

    def _strangers(self) -> list[Sample]:
        if not self.acts("samples of unknown tags"):
            return []
        return [Sample("nobody's tag", 1.0, Quality.GOOD, self.plant.truth.time_ns)]
