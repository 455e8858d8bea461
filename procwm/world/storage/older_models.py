"""Models that were saved by an earlier version, told as this one would have saved them."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

_Sizes = Callable[[list[int]], dict[str, Any]]
_SIZES: Mapping[str, _Sizes] = {
    "mlp": lambda hidden: {"hidden": hidden},
    "gru": lambda hidden: {"width": hidden[0]},
    "tcn": lambda hidden: {"width": hidden[0]},
    "patch": lambda hidden: {"width": hidden[0]},
    "scheduled": lambda hidden: {"gates": hidden[0]},
    "mean": lambda hidden: {"hidden": hidden[:-1], "gates": hidden[-1]},
}
"""Fields of a spec, by kind, from the widths that were kept of it."""
_STANDARD_ERROR = {"doubt": "response_standard_error"}
"""Old name and new one."""


def current_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config.json` with a spec for every part.

    Once it had the kinds of encoder and predictor with the widths of their hidden layers beside them, none
    for heads, and the standard error of step responses under another name.
    """
    current = {_STANDARD_ERROR.get(name, name): value for name, value in config.items()}
    for part in ("encoder", "predictor"):
        if f"{part}_hidden" in current:
            kind, hidden = current.get(part, "mlp"), current.pop(f"{part}_hidden")
            current[part] = {"kind": kind, **(_SIZES[kind](hidden) if kind in _SIZES else {})}
    for heads, kind in (("guards", "guardrail"), ("sensors", "soft_sensor")):
        current[heads] = [{"kind": kind, **head} for head in current.get(heads, ())]
    return current


def current_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that they have now."""
    return {_STANDARD_ERROR.get(name, name): value for name, value in weights.items()}
