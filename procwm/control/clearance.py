"""Which models may write to a plant: those that their verdict calls fit for control."""

from dataclasses import dataclass

from procwm.control.modes import Mode, ModeState, request
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec
from procwm.world.contradictions import contradictions
from procwm.world.fitness import Fitness, kept_verdict
from procwm.world.model import WorldModel


@dataclass(frozen=True)
class Clearance:
    """Whether a model may be in AUTO.

    Attributes:
        unfit: why its verdict does not call it fit for control; empty where it does.
        vouched: whether somebody wants it in AUTO all the same.
    """

    unfit: str
    vouched: bool = False

    @property
    def refusal(self) -> str:
        """Why it may not be in AUTO; empty where it may."""
        return "" if self.vouched else self.unfit

    def most(self, mode: Mode) -> Mode:
        """`mode`, or ADVISORY in place of an AUTO that is refused."""
        return Mode.ADVISORY if mode is Mode.AUTO and self.refusal else mode

    def requested(self, state: ModeState, mode: Mode, reason: str) -> ModeState:
        """`state` after somebody asked for `mode`; `SpecError` where it is refused, or cannot be reached."""
        if self.most(mode) is not mode:
            raise SpecError(f"mode auto is refused: {self.refusal}")
        return request(state, mode, reason=reason + self.told(mode))

    def kept(self, state: ModeState) -> ModeState:
        """`state` as an earlier step left it; ADVISORY in place of an AUTO that was let in elsewhere."""
        if self.most(state.requested) is state.requested and self.most(state.actual) is state.actual:
            return state
        return ModeState(Mode.ADVISORY, Mode.ADVISORY, f"went on in advisory{self.told(Mode.ADVISORY)}")

    def told(self, mode: Mode) -> str:
        """The end of a sentence about `mode` for operators and the audit log, where the verdict matters."""
        if mode is Mode.AUTO and self.unfit:
            return f", despite its verdict: {self.unfit}"
        if mode is Mode.TEST and self.unfit:
            return f"; the model may forbid steps and chooses none: {self.unfit}"
        return f"; {self.refusal}" if mode is Mode.ADVISORY and self.refusal else ""


def unfit(model: WorldModel, plant: PlantSpec) -> str:
    """Why `model` may not be in AUTO, as a sentence; empty where it may.

    One that was put together in this process has learned from nothing, and whoever made it answers for it;
    files can come from anybody. What `plant` knows of effects may have been written after the verdict.
    """
    if not model.metrics:
        return ""
    verdict = kept_verdict(model.metrics)
    if verdict is None:
        return "nobody has judged the model: `procwm evaluate` on a log that it was not learned from does"
    if verdict.fitness is Fitness.CONTROL:
        found = "; ".join(one.sentence for one in contradictions(model, plant))
        return f"{found}; mend the plant file, or train again" if found else ""
    return f"the model is {verdict.sentence}; {verdict.next}"
