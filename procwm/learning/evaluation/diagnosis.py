"""What a model is worth apart from its errors, in one value."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from procwm.learning.evaluation.diagnostics import CollapseDiagnosis, Shuffled
from procwm.learning.evaluation.gains import Gain
from procwm.learning.evaluation.whiteness import Whiteness


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a model is worth apart from its errors.

    Attributes:
        collapse: of the latent.
        gains: of every output for every MV.
        shuffled: how much worse it gets when what it is given is mixed up.
        whiteness: of what the controller's correction leaves of every output's errors one interval ahead.
    """

    collapse: CollapseDiagnosis
    gains: tuple[Gain, ...]
    shuffled: Shuffled
    whiteness: tuple[Whiteness, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not known is `None`."""
        return {
            "collapse": asdict(self.collapse) | {"std": list(self.collapse.std)},
            "gains": [_known(asdict(gain)) for gain in self.gains],
            "shuffled": _known(asdict(self.shuffled)),
            "whiteness": [asdict(white) for white in self.whiteness],
        }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
