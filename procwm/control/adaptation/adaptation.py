"""What a controller has come to know of its model since it was trained: a value, part of its state."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from procwm.control.adaptation.contest import Contest
from procwm.control.adaptation.gain_estimate import GainEstimate
from procwm.control.adaptation.recollection import Recollection
from procwm.control.adaptation.tag_scales import TagScales
from procwm.control.disturbance import Disturbance


@dataclass(frozen=True, eq=False)
class Beside:
    """Another version of the model that sees what the one in force sees, and decides nothing.

    Attributes:
        scales: of that version.
        disturbance, foreseen: as in `ControllerState`, as it would have them.
        contest: with the version in force, which it challenges.
        told: of what it says is otherwise, a sentence.
    """

    scales: TagScales
    disturbance: Disturbance
    foreseen: Float[np.ndarray, "row output"]
    contest: Contest = field(default_factory=Contest)
    told: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Adaptation:
    """The version of the model that is in force, and what speaks for another one.

    Attributes:
        version: counts the changes; 0 is the model as trained.
        scales: in force.
        estimate: of gains, beside those of the version in force.
        variance: of errors at the lead that the estimate looks at, engineering units.
        past: that it looks back on.
        candidate: what the estimate suggests, on trial.
        trained: the model as it was trained, while another version is in force.
        advised: whether the candidate was shown to foresee better, where that is only told.
        told: what happened in this cycle, a sentence; empty where nothing did.
    """

    version: int = 0
    scales: TagScales
    estimate: GainEstimate
    variance: Float[np.ndarray, " output"]
    past: Recollection
    candidate: Beside | None = None
    trained: Beside | None = None
    advised: bool = False
    told: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know of it while it lasts, a sentence each."""
        advised = self.candidate is not None and self.advised
        return (f"{self.candidate.told}; advised, not done",) if advised and self.candidate else ()
