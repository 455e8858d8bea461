"""Operating logs of simulated plants, made in process, with the truth behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from procwm.data.series import Log, TagSeries
from procwm.data.window import held
from procwm.plant.samples import Sample
from procwm.plant.scenario import Operation, Scenario, TruthRow

_LONGEST_DELAY = 20
"""Ticks between truth and reading that are looked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OperatingLog:
    """What a plant's historian would hold, and what truly happened.

    Attributes:
        log: samples as the instruments reported them.
        rows: the truth at every tick.
    """

    log: Log
    rows: Sequence[TruthRow]

    @cached_property
    def outputs(self) -> Mapping[str, TagSeries]:
        """True values of every CV, PV and DV tag."""
        return {name: self._series([row.outputs[name] for row in self.rows]) for name in self.rows[0].outputs}

    @cached_property
    def shown(self) -> Mapping[str, TagSeries]:
        """True values as late as each instrument shows them: what a prediction of a reading is held to.

        The delay is the one, in whole ticks, at which truth and readings are nearest.
        """
        return {name: self._delayed(name, series) for name, series in self.outputs.items()}

    def _delayed(self, name: str, series: TagSeries) -> TagSeries:
        readings = self.log.series[name].usable
        tick_ns = int(series.time_ns[1] - series.time_ns[0])
        errors = []
        for delay in range(_LONGEST_DELAY + 1):
            true = held(series, readings.time_ns - delay * tick_ns, np.inf)
            errors.append(float(np.nanmedian(np.abs(readings.value - true))))
        late_ns = int(np.argmin(errors)) * tick_ns
        return TagSeries(series.time_ns + late_ns, series.value, series.quality)

    @cached_property
    def guards(self) -> Mapping[str, TagSeries]:
        """True values of every guardrail, safe where `<= 0`."""
        return {name: self._series([row.guards[name] for row in self.rows]) for name in self.rows[0].guards}

    def _series(self, values: Sequence[float]) -> TagSeries:
        return TagSeries(
            np.array([row.time_ns for row in self.rows], dtype=np.int64),
            np.array(values, dtype=np.float64),
            np.zeros(len(self.rows), dtype=np.int8),
        )


def operate(
    scenario: Scenario,
    *,
    seed: int,
    hours: float,
    operation: Operation = Operation.ROUTINE,
    unmeasured: bool = True,
    noise: bool = True,
) -> OperatingLog:
    """`hours` of a simulated plant's life from its nominal point; arguments as in `Scenario.simulate`."""
    plant = scenario.simulate(seed=seed, operation=operation, unmeasured=unmeasured, noise=noise)
    samples: list[Sample] = list(plant.drain())
    for _ in range(round(hours * 3600.0 / scenario.plant.interval_s)):
        plant.advance()
        samples += plant.drain()
    return OperatingLog(log=Log.from_samples(samples, scenario.plant), rows=tuple(plant.history))
