"""Plants that are published as matrices of transfer functions, as states and rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from procwm_scenarios.dead_times import lag_chain, names_of_lags

_MINUTE_S = 60.0


@dataclass(frozen=True)
class Path:
    """`gain exp(-dead s) / (lag s + 1)`, minutes: how one output answers to one input."""

    gain: float
    lag_min: float
    dead_min: float = 0.0


class TransferPlant:
    """Outputs that are sums of such answers, everything in deviations.

    An input enters one chain of lags, which is left where each dead time is over; then comes the path's own
    lag. So the first moment of every answer, dead time plus lag, is exact.
    """

    def __init__(self, paths: Mapping[str, Mapping[str, Path]], *, lag_min: float) -> None:
        """Args:
        paths: by output, by input.
        lag_min: of the chains, about.
        """
        self._paths = paths
        self._inputs = tuple(dict.fromkeys(name for row in paths.values() for name in row))
        self._stages = {name: self._stage(name, lag_min) for name in self._inputs}
        self.states = (
            *(
                f"{name} to {end:g} min, {lag}"
                for name, stages in self._stages.items()
                for _, end, count in stages
                for lag in names_of_lags(name, count)
            ),
            *(f"{output} by {name}" for output, row in paths.items() for name in row),
        )

    def _stage(self, name: str, lag_min: float) -> list[tuple[float, float, int]]:
        """Begin, end and count of lags between the dead times of an input."""
        ends = sorted({0.0} | {row[name].dead_min for row in self._paths.values() if name in row})
        return [(begin, end, max(1, round((end - begin) / lag_min))) for begin, end in pairwise(ends)]

    def rates(self, x: Any, inputs: Mapping[str, Any]) -> list[Any]:
        """Time derivatives of the states, per second; `inputs` are deviations."""
        rates, at = [], 0
        left: dict[tuple[str, float], Any] = {}
        for name, stages in self._stages.items():
            left[name, 0.0] = inputs[name]
            for begin, end, count in stages:
                lags = x[at : at + count]
                rates += lag_chain(left[name, begin], lags, (end - begin) * _MINUTE_S)
                left[name, end] = lags[count - 1]
                at += count
        for row in self._paths.values():
            for name, path in row.items():
                rates.append((path.gain * left[name, path.dead_min] - x[at]) / (path.lag_min * _MINUTE_S))
                at += 1
        return rates

    def outputs(self, x: Any) -> Sequence[Any]:
        """The outputs, deviations."""
        at = len(self.states) - sum(len(row) for row in self._paths.values())
        values = []
        for row in self._paths.values():
            values.append(sum(x[at + i] for i in range(len(row))))
            at += len(row)
        return values
