"""A simulated plant behind a link that fails as told, and a log of what truly reached the plant."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from procwm.errors import LinkError, LinkRefusedError, OutcomeUnknownError
from procwm.plant.contract import PLANT_HEARTBEAT, cascade_signal
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import SimulatedPlant
from procwm.plant.tags import PlantSpec, names_of
from procwm_studies.faults.catalogue import Fault

_CLOCK_STEP = 6.4
"""Intervals by which a plant's clock is stepped; no two samples get the same time by it."""

_NOISE = 0.002
"""Of its span: standard deviation of the critical CV's noise."""
_INSIDE = 0.01
"""Of its span: how far inside its range a value is frozen."""


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
        reached: every write the plant saw.
        delivered: every sample of a tag of the plant that `drain` gave out, by tag and source time.
    """

    plant: SimulatedPlant
    spec: PlantSpec
    faults: Sequence[Fault]
    rng: np.random.Generator
    every: int = 1
    reached: list[Reached] = field(default_factory=list)
    delivered: set[tuple[str, int]] = field(default_factory=set)
    tick: int = 0
    _frozen: dict[str, float] = field(default_factory=dict)
    _delayed: list[Sample] = field(default_factory=list)
    _pending: list[Setpoints] = field(default_factory=list)
    _old: list[Sample] = field(default_factory=list)
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

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The plant's time, seen through a clock that may have been set."""
        while True:
            shift = -2 if self.acts("our clock set back") else 4 if self.acts("our clock set forward") else 0
            await self._thaw()
            yield self.plant.truth.time_ns + shift * self.interval_ns
            self.plant.advance()
            self.tick += 1

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
        self.delivered |= {(sample.tag, sample.source_ns) for sample in samples}
        return [*samples, *self._signals(), *self._strangers()]

    def _measured(self) -> list[Sample]:
        """Samples before any fault: the critical CV has an instrument that never fails by itself."""
        samples = [sample for sample in self.plant.drain() if sample.tag != self.cv.name]
        if self._measured_at < self.tick and self.tick % self.every == 0:
            truth, (low, high) = self.plant.truth, self.cv.range
            value = truth.outputs[self.cv.name] + _NOISE * self.cv.span * self.rng.standard_normal()
            reading = float(min(max(value, low), high))
            samples.append(Sample(self.cv.name, reading, Quality.GOOD, truth.time_ns))
        self._measured_at = self.tick
        return samples

    async def write(self, setpoints: Setpoints) -> Setpoints:
        """Enter setpoints, or fail as told."""
        if self.acts("server killed", "server restarted, old values sent again", "write refused"):
            raise LinkRefusedError("the write was refused")
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
        return dict.fromkeys(accepted, math.nan) if self.acts("write answered with NaN") else accepted

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
        if sample.tag == self.spec.mvs[0].name and self.acts("MV read-back Bad"):
            return replace(sample, quality=Quality.BAD)
        if sample.tag != self.cv.name:
            return sample
        if self.acts("value frozen"):
            # At an end of its range an instrument may stand still.
            low, high = self.cv.range
            inside = min(max(sample.value, low + _INSIDE * self.cv.span), high - _INSIDE * self.cv.span)
            return replace(sample, value=self._frozen.setdefault(sample.tag, inside))
        self._frozen.pop(sample.tag, None)
        return self._spoilt(sample)

    def _spoilt(self, sample: Sample) -> Sample | None:
        """A sample of the critical CV."""
        low, high = self.cv.range
        if self.acts("value stale"):
            return None
        for name, quality in (("value Bad", Quality.BAD), ("value Uncertain", Quality.UNCERTAIN)):
            if self.acts(name):
                return replace(sample, quality=quality)
        for name, value in (
            ("value NaN", math.nan),
            ("value beyond the instrument", 1e6),
            ("value spiked", float(self.rng.uniform(low, high))),
        ):
            if self.acts(name):
                return replace(sample, value=value)
        if self.acts("value of the wrong type"):
            wrong = replace(sample)
            # A link in another language's hands may hand out anything.
            object.__setattr__(wrong, "value", "unreadable")
            return wrong
        return sample

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
        found = [Sample(cascade_signal(self.spec.mvs[0].name), mode, Quality.GOOD, now_ns)]
        if not self.acts("plant heartbeat stands still"):
            found.append(Sample(PLANT_HEARTBEAT, float(self.tick % 1000), Quality.GOOD, now_ns))
        return found

    def _strangers(self) -> list[Sample]:
        if not self.acts("samples of unknown tags"):
            return []
        return [Sample("nobody's tag", 1.0, Quality.GOOD, self.plant.truth.time_ns)]
