"""What one control cycle leaves to the next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from jaxtyping import Float

from procwm.control.adaptation.adaptation import Adaptation
from procwm.control.admission import NO_STEADY, Steady
from procwm.control.codec import decode, encode
from procwm.control.disturbance import Disturbance
from procwm.control.identity import Identity
from procwm.control.modes import ModeState
from procwm.control.pace import Pace
from procwm.control.promises import Promise
from procwm.control.spikes import NONE_RECENT, NONE_WITHHELD, Recent, Withheld
from procwm.control.stepping import StepTest
from procwm.control.swinging import Swings
from procwm.control.targets import Targets
from procwm.control.travel import Travel
from procwm.data.buffer import SampleBuffer
from procwm.errors import ArtifactError
from procwm.planning.problem import Plan
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import Tag


@dataclass(frozen=True, kw_only=True, eq=False)
class ControllerState:
    """All that one step leaves to the next: a value, engineering units; pickled as `to_bytes` writes it.

    Attributes:
        identity: of the controller that made it.
        mode: asked for and in force.
        buffer: recent samples.
        in_force: MVs as the plant last reported or accepted them, or as decided since, over the axis `mv`.
        reported_ns: source time of the last good report of each MV.
        lost_ns: source time since when each MV's newest report has not been good; -1 where it is.
        dv: measured disturbances as last known, over the axis `dv`.
        targets: overrides in force.
        disturbance: what the model gets wrong.
        foreseen: outputs of the last cycles as each was foreseen in the one before, corrected; NaN where
            nothing was.
        last_good: the last plan whose first move was written.
        age: cycles since `last_good` was made.
        unplanned: cycles in a row whose own plan was not usable.
        time_ns: of the last cycle; `None` before the first.
        steady: tags that can freeze, and since when each has had its value.
        travel: moves of each MV summed over minutes, for the last hour, by the time of the minute's end.
        pace: when steps were taken; `None` before the first.
        unseen: samples given at the start, which the first cycle will see.
        test: the step test that goes on; `None` in every other mode.
        recent, withheld: what tags read lately, and samples that wait for the next one; see `control.spikes`.
        swings: what MVs have done in AUTO since somebody asked for it.
        mistrust: control intervals that speak against the model; see `control.mistrust`.
        promise: what a plan in AUTO said of the end of its horizon; see `control.promises`.
        adaptation: the version of the model in force, and what speaks for another one.
    """

    identity: Identity
    mode: ModeState
    buffer: SampleBuffer
    in_force: tuple[float, ...]
    reported_ns: tuple[int, ...]
    lost_ns: tuple[int, ...]
    dv: tuple[float, ...]
    targets: Targets
    disturbance: Disturbance
    foreseen: Float[np.ndarray, "row output"]
    adaptation: Adaptation
    last_good: Plan | None = None
    age: int = 0
    unplanned: int = 0
    time_ns: int | None = None
    pace: Pace | None = None
    unseen: tuple[Sample, ...] = ()
    steady: Steady = field(default_factory=lambda: NO_STEADY)
    travel: Travel = ()
    test: StepTest | None = None
    swings: Swings = field(default_factory=Swings)
    recent: Recent = field(default_factory=lambda: NONE_RECENT)
    withheld: Withheld = field(default_factory=lambda: NONE_WITHHELD)
    mistrust: float = 0.0
    promise: Promise = field(default_factory=Promise)

    def to_bytes(self) -> bytes:
        """This state as bytes that `from_bytes` reads back to the last bit, in any process."""
        return encode({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "ControllerState":
        """The state that `to_bytes` wrote; `Controller.restore` also checks whose it is.

        Raises:
            ArtifactError: the bytes are no state, of another version, cut short or altered.
        """
        try:
            return cls(**decode(data))
        except TypeError as error:
            raise ArtifactError(f"the state cannot be read ({error}); start without it") from None

    def __reduce__(self) -> tuple[Callable[[bytes], "ControllerState"], tuple[bytes]]:
        return ControllerState.from_bytes, (self.to_bytes(),)

    def begun_anew(self, mode: ModeState) -> "ControllerState":
        """This state in a mode that somebody asked for: nothing speaks against the model any more."""
        return replace(self, mode=mode, last_good=None, swings=Swings(), mistrust=0.0, promise=Promise())

    def observed(self, mvs: Sequence[Tag], samples: Sequence[Sample], now_ns: int) -> "ControllerState":
        """This state with `samples` in its buffer, and the MVs that they report in force."""
        in_force, reported_ns, lost_ns = list(self.in_force), list(self.reported_ns), list(self.lost_ns)
        row = {tag.name: index for index, tag in enumerate(mvs)}
        reports = [sample for sample in samples if sample.tag in row]
        for sample in sorted(reports, key=lambda report: report.source_ns):
            index = row[sample.tag]
            # A reconnected server sends old values again: only a newer report counts.
            if sample.source_ns <= max(reported_ns[index], lost_ns[index]):
                continue
            if _usable(sample):
                in_force[index], reported_ns[index], lost_ns[index] = sample.value, sample.source_ns, -1
            elif lost_ns[index] < 0:
                lost_ns[index] = sample.source_ns
        known = zip(mvs, in_force, strict=True)
        believed = [Sample(tag.name, value, Quality.GOOD, now_ns) for tag, value in known]
        buffer = self.buffer.push([*samples, *believed], now_ns=now_ns)
        return replace(
            self,
            buffer=buffer,
            in_force=tuple(in_force),
            reported_ns=tuple(reported_ns),
            lost_ns=tuple(lost_ns),
        )

    def in_force_again(
        self, mvs: Sequence[Tag], in_force: tuple[float, ...], past: Sequence[Sample]
    ) -> "ControllerState":
        """This state with the MVs `in_force`, as read back; nothing that is as old as `past` counts more."""
        newest = {sample.tag: sample.source_ns for sample in sorted(past, key=lambda one: one.source_ns)}
        return replace(
            self,
            in_force=in_force,
            reported_ns=tuple(newest.get(tag.name, -1) for tag in mvs),
            lost_ns=(-1,) * len(mvs),
        )


def _usable(sample: Sample) -> bool:
    return sample.quality is Quality.GOOD and bool(np.isfinite(sample.value))
