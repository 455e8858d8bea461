"""What a version beside the one in force sees of a tick, and how its foresight did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.control.adaptation.adaptation import Beside
from procwm.control.adaptation.prior import usual_errors
from procwm.control.state import ControllerState
from procwm.control.versions import ModelVersion, Versions
from procwm.plant.samples import Sample


@dataclass(frozen=True, eq=False)
class Tick:
    """One tick, as every version gets to see it.

    Attributes:
        before: state of the tick before.
        samples: since then.
        time_ns: of the tick.
        mv, dv: of the interval that ends there.
        came: outputs measured there; NaN where none was.
        follows: whether it is one interval after the one before, so that what was foreseen can be compared.
    """

    before: ControllerState
    samples: Sequence[Sample]
    time_ns: int
    mv: Float[np.ndarray, " mv"]
    dv: Float[np.ndarray, " dv"]
    came: Float[np.ndarray, " output"]
    follows: bool


class Onlooking:
    """Versions that run beside the one in force."""

    def __init__(self, versions: Versions) -> None:
        self._versions, self._usual = versions, usual_errors(versions.trained.model)

    def onward(
        self, beside: Beside | None, tick: Tick, held: ModelVersion, *, length: int, kept: int
    ) -> Beside | None:
        """`beside` once it has seen `tick`, too, and was compared with the version `held` in force.

        Args:
            length: ticks of a stretch of their contest.
            kept: stretches of it that count.
        """
        if beside is None:
            return None
        version, contest = self._versions.of(beside.scales), beside.contest
        if tick.follows:
            came = (tick.mv, tick.dv, tick.came)
            theirs = held.estimator.errors(tick.before.disturbance, *came)
            own = version.estimator.errors(beside.disturbance, *came)
            rows = min(len(own), len(theirs))
            usual = self._usual[:rows]
            contest = contest.ticked(theirs[:rows], own[:rows], usual, length=length, kept=kept)
        as_it_sees = replace(tick.before, disturbance=beside.disturbance, foreseen=beside.foreseen)
        saw, _ = version.perception.look(as_it_sees, tick.samples, tick.time_ns)
        return replace(beside, disturbance=saw.disturbance, foreseen=saw.foreseen, contest=contest)
