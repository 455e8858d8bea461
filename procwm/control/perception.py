"""From samples to what is known at a tick: measurements, the latent state, the disturbance."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float

from procwm.control.admission import admitted
from procwm.control.disturbance import Disturbance, DisturbanceEstimator
from procwm.control.first_heard import at_rest_before, first_heard, without
from procwm.control.living_through import LivingThrough, columns_of
from procwm.control.measurement import Measurements, measurements
from procwm.control.modes import Mode
from procwm.control.pace import Pace, aligned
from procwm.control.seen import Seen
from procwm.control.spikes import settled
from procwm.control.state import ControllerState
from procwm.data.window import Window
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.model import WorldModel

_MEASURED_SHARE = 0.8
"""Of the rows since the first step: with fewer that have any measured output nothing is learned."""


class Perception:
    """The windowing rule, the encoder and the disturbance estimate, as one function of a state.

    Args:
        plant: whose samples come.
        model: that encodes them.

    Attributes:
        memory: rows of the past that the first look lives through at most.
    """

    def __init__(self, plant: PlantSpec, model: WorldModel) -> None:
        self._plant, self._model = plant, model
        self._columns = columns_of(plant, model.rule)
        self._estimator = DisturbanceEstimator(model)
        self._living_through = LivingThrough(plant, model, self._estimator)
        self.memory = model.rule.history + 2 * model.horizon

    def start(self) -> Disturbance:
        """The disturbance estimate before the first tick."""
        return self._estimator.start()

    def look(
        self, state: ControllerState, samples: Sequence[Sample], now_ns: int
    ) -> tuple[ControllerState, Seen]:
        """`state` at `now_ns` with `samples` in it, and what is known there.

        The first look lives through the samples from before it, so that it knows what the model gets wrong.
        """
        unseen = state.unseen
        believed, steady, doubts = admitted((*unseen, *samples), self._plant, state.steady, now_ns)
        arrived, recent, withheld, leaps = settled(
            believed, self._plant, self._model.rule, state.recent, state.withheld, now_ns
        )
        state = replace(state, unseen=(), steady=steady, recent=recent, withheld=withheld)
        if state.time_ns is None:
            before = [sample for sample in unseen if sample.source_ns < now_ns]
            past = self._caught_up(state, arrived, now_ns)
            state = past.in_force_again(self._plant.mvs, state.in_force, before)
        missed = self._missed(state, now_ns)
        state, seen = self._tick(state, arrived, now_ns)
        return state, replace(seen, doubts=(*missed, *doubts, *leaps))

    def _caught_up(self, state: ControllerState, samples: Sequence[Sample], now_ns: int) -> ControllerState:
        """`state` one interval before the first step, having lived through the samples from before."""
        interval_ns = self._model.rule.interval_ns
        measured = [sample for sample in samples if self._plant.tag(sample.tag) not in self._plant.mvs]
        first_ns = aligned(now_ns, measured, interval_ns)
        coming = deque(sorted(samples, key=lambda sample: sample.source_ns))
        oldest_ns = coming[0].source_ns if coming else now_ns
        back = min((first_ns - oldest_ns) // interval_ns, self.memory)
        times = [first_ns - row * interval_ns for row in range(back, 0, -1)]
        if (lived := self._living_through.after(state, coming, times)) is not None:
            return lived
        for then_ns in times:
            past = []
            while coming and coming[0].source_ns <= then_ns:
                past.append(coming.popleft())
            state, _ = self._tick(state, past, then_ns)
        return state

    def _tick(
        self, state: ControllerState, samples: Sequence[Sample], now_ns: int
    ) -> tuple[ControllerState, Seen]:
        state = state.observed(self._plant.mvs, samples, now_ns)
        passed = self._passed(state, now_ns)
        pace = self._paced(state, now_ns)
        window = state.buffer.window(now_ns, pace.rows[:-1])
        measured = measurements(window, self._plant, self._model.rule.tags, last_dv=np.array(state.dv))
        if passed == 0:
            return state, Seen(now_ns, measured, None)
        state = replace(self._foreseen(state, measured, passed), pace=pace)
        overdue = state.buffer.overdue(now_ns, pace.rows[:-1])
        latent, sensed = self._encoded(state, window, overdue)
        window = replace(window, measured=window.measured & ~overdue)
        news = first_heard(window)
        more = 1 < len(window.values) > passed and bool(news.any())
        if more and len(pace.rows) < len(window.values):
            state = self._begun(state, measured, latent, now_ns)
        elif more:
            known = without(window, news)
            earlier = measurements(known, self._plant, self._model.rule.tags, last_dv=np.array(state.dv))
            blind, _ = self._encoded(state, known, overdue)
            state = self._learned(state, known, earlier, blind, now_ns, passed)
            state = self._taken_in(state, (blind, earlier.dv), (latent, measured), news)
        else:
            state = self._learned(state, window, measured, latent, now_ns, passed)
        surprise, surprised = self._surprise(state, window, measured)
        names = (head.name for head in self._model.sensor_heads)
        readings = {name: value for name, value in zip(names, sensed, strict=True) if math.isfinite(value)}
        return state, Seen(
            now_ns,
            measured,
            latent,
            surprise=surprise,
            surprised=surprised,
            sensed=MappingProxyType(readings),
            came=np.where(window.measured[-1], window.values[-1], np.nan)[self._columns["cv"]],
        )

    def _encoded(
        self, state: ControllerState, window: Window, overdue: Bool[np.ndarray, "history tag"]
    ) -> tuple[Float[np.ndarray, " latent"], list[float]]:
        """The latent of a window, and what the soft sensors read."""
        filled = self._filled(state, at_rest_before(window), overdue)
        with torch.inference_mode():
            encoded = self._model.encode(self._model.model_input([filled]))
            sensed: list[float] = self._model.sense(encoded)[0].tolist()
        return encoded[0].cpu().numpy().astype(np.float64), sensed

    def _taken_in(
        self,
        state: ControllerState,
        before: tuple[Float[np.ndarray, " latent"], Float[np.ndarray, " dv"]],
        now: tuple[Float[np.ndarray, " latent"], Measurements],
        news: Bool[np.ndarray, " tag"],
    ) -> ControllerState:
        """`state` once tags that are `news` count: what is foreseen of the other outputs stays as it was."""
        latent, measured = now
        taken_in = self._estimator.taken_in(
            state.disturbance,
            before=before,
            now=(latent, measured.dv),
            mv=np.array(state.in_force),
            output=np.where(news[self._columns["cv"]], measured.output, np.nan),
        )
        return replace(state, disturbance=taken_in, dv=tuple(measured.dv.tolist()))

    def _begun(
        self,
        state: ControllerState,
        measured: Measurements,
        latent: Float[np.ndarray, " latent"],
        now_ns: int,
    ) -> ControllerState:
        """`state` at a tick before which nothing is known: the plant is taken to have been at rest."""
        at_rest = self._estimator.at_rest(
            latent=latent, mv=np.array(state.in_force), dv=measured.dv, output=measured.output
        )
        return replace(state, disturbance=at_rest, time_ns=now_ns, dv=tuple(measured.dv.tolist()))

    def _foreseen(self, state: ControllerState, measured: Measurements, passed: int) -> ControllerState:
        """`state` with what was foreseen for this tick."""
        foreseen = np.full((min(passed, self._model.rule.history), len(self._plant.outputs)), np.nan)
        if passed == 1:
            mv, dv = np.array(state.in_force), measured.dv
            foreseen[-1] = self._estimator.foreseen(state.disturbance, mv, dv)
        kept = np.concatenate((state.foreseen, foreseen))[-self._model.rule.history :]
        return replace(state, foreseen=kept)

    def _filled(
        self, state: ControllerState, window: Window, overdue: Bool[np.ndarray, "history tag"]
    ) -> Window:
        """The window with outputs whose samples are overdue as they were foreseen.

        What is held meanwhile stands still while the plant moves, and an encoder that is shown it, or a gap
        longer than any in its log, takes a failed instrument for a load. The planner would act on that.
        """
        columns = self._columns["cv"]
        foreseen = np.full((len(window.values), len(columns)), np.nan)
        known = state.foreseen[-len(foreseen) :]
        foreseen[len(foreseen) - len(known) :] = known
        instead = overdue[:, columns] & np.isfinite(foreseen)
        values, valid = window.values.copy(), window.valid.copy()
        values[:, columns] = np.where(instead, foreseen, values[:, columns])
        valid[:, columns] |= instead
        return replace(window, values=values, valid=valid)

    def _passed(self, state: ControllerState, now_ns: int) -> int:
        """Intervals since the last tick: 1 at the first one, 0 where it was in the same interval."""
        return 1 if state.pace is None else state.pace.passed(now_ns, self._model.rule)

    def _paced(self, state: ControllerState, now_ns: int) -> Pace:
        """The pace with a tick at `now_ns`."""
        if state.pace is None:
            return Pace(now_ns, (now_ns,))
        return state.pace.after(now_ns, self._model.rule)

    def _missed(self, state: ControllerState, now_ns: int) -> tuple[str, ...]:
        """A sentence where steps were missed."""
        missed, interval_s = self._passed(state, now_ns) - 1, self._plant.interval_s
        if state.time_ns is None or missed < 1:
            return ()
        steps = "1 step was missed" if missed == 1 else f"{missed} steps were missed"
        since_s = (now_ns - state.time_ns) / 1e9
        return (f"{steps}: the last one is {since_s:.4g} s ago, the control interval {interval_s:g} s",)

    def _surprise(self, state: ControllerState, window: Window, measured: Measurements) -> tuple[float, str]:
        """`Seen.surprise` and `Seen.surprised`, from the latents that are carried along."""
        judge, carried = self._model.surprise, state.disturbance.latent
        if judge is None or len(carried) <= judge.leads[0]:
            return math.nan, ""
        unknown = np.full(carried.shape[1], np.nan)
        latent = np.stack([carried[lead] if lead < len(carried) else unknown for lead in judge.leads])
        columns = [self._model.rule.tags.index(tag) for tag in judge.tags]
        moved = self._model.tensor(
            np.append(state.in_force, measured.dv)[None], names_of((*self._plant.mvs, *self._plant.dvs))
        )
        values = np.where(window.measured[-1, columns], window.values[-1, columns], np.nan)
        with torch.inference_mode():
            found = judge(
                torch.as_tensor(latent, dtype=moved.dtype, device=moved.device)[None],
                moved,
                self._model.tensor(values[None], judge.tags),
            )
        ratio = float(found.ratio)
        if not ratio > 1.0:
            return ratio, ""
        tag = judge.tags[int(found.tag)]
        return (
            ratio,
            f"{tag}: {ratio:.1f} times the largest error of an ordinary day; the model is surprised",
        )

    def _learned(
        self,
        state: ControllerState,
        window: Window,
        measured: Measurements,
        latent: Float[np.ndarray, " latent"],
        now_ns: int,
        passed: int,
    ) -> ControllerState:
        """`state` with time moved on to this tick, and what the tick taught about the disturbance."""
        moved = replace(state, time_ns=now_ns, dv=tuple(measured.dv.tolist()))
        history = len(window.values)
        stepped = len(state.pace.rows) if state.pace else history
        enough = measured.filled >= _MEASURED_SHARE * stepped
        if state.mode.actual is Mode.OFF or not enough or passed >= history:
            return replace(moved, disturbance=self._estimator.restart(state.disturbance))
        recent = window.values[history - passed :]
        mv, dv, output = (recent[:, self._columns[axis]] for axis in ("mv", "dv", "cv"))
        measured_now = window.measured[history - passed :, self._columns["cv"]]
        disturbance = self._estimator.update(
            state.disturbance,
            latent=latent,
            mv=np.where(np.isfinite(mv), mv, state.in_force),
            dv=np.where(np.isfinite(dv), dv, measured.dv),
            output=np.where(measured_now, output, np.nan),
        )
        return replace(moved, disturbance=disturbance)
