"""How well a run went, in the figures that plants ask for; kept up cycle by cycle."""

from collections import Counter
from typing import Any

import numpy as np

from procwm.control.decision import Decision
from procwm.control.modes import Mode
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec
from procwm.runtime.cycle import Cycle

_AT_LIMIT = 1e-3
"""Of the span: an MV or output this near to a limit is at it."""


class _Spread:
    """Variance of values that come one by one: Welford, Technometrics 4 (1962) 419-420."""

    def __init__(self) -> None:
        self._count, self._mean, self._sum = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self._count += 1
        off = value - self._mean
        self._mean += off / self._count
        self._sum += off * (value - self._mean)

    @property
    def variance(self) -> float | None:
        return self._sum / (self._count - 1) if self._count > 1 else None


class Kpis:
    """Counts over a run; a `CycleSink`."""

    def __init__(self, plant: PlantSpec) -> None:
        self._plant = plant
        self._cycles = self._auto = self._free = self._requests = self._guardrail = 0
        self._at_limit: Counter[str] = Counter()
        self._error = self._change = 0.0
        self._judged = self._surprised = 0
        self._before: Decision | None = None
        self._spreads = {written: {tag.name: _Spread() for tag in plant.cvs} for written in (True, False)}
        self._priced = [tag for tag in plant.cvs + plant.mvs if tag.price or tag.price_quadratic]
        self._known: dict[str, float] = {}
        self._money, self._paid = 0.0, 0

    def append(self, cycle: Cycle) -> None:
        """Count one cycle."""
        decision = cycle.decision
        self._cycles += 1
        self._requests += sum(text.startswith("request") for text in cycle.events)
        self._guardrail += "guardrail" in decision.reason
        self._judged += decision.surprise >= 0.0
        self._surprised += decision.surprise > 1.0
        if decision.mode is Mode.AUTO and decision.setpoints is not None:
            self._auto += 1
            self._free += sum(
                tag.name in decision.setpoints and not self._limited(decision, tag.name, tag.span)
                for tag in self._plant.mvs
            )
        values = {**decision.measured, **(decision.setpoints or {})}
        for tag in self._plant.mvs + self._plant.outputs:
            if tag.name in values and self._near(decision, tag.name, values[tag.name], tag.span):
                self._at_limit[tag.name] += 1
        for name, spread in self._spreads[decision.setpoints is not None].items():
            if name in decision.measured:
                spread.add(decision.measured[name])
        self._pay(cycle)
        self._learn(decision)
        self._before = decision

    def summary(self) -> dict[str, Any]:
        """The figures so far; `None` where there is nothing to tell.

        `service_factor` is the share of cycles that wrote moves, `mv_utilisation` the share of MVs that were
        on and free to move in them, `constraint_activity` by tag the share of cycles in
        which it is at a limit, `variance` by CV that of its measurements in cycles `with_moves` and in those
        `without`, `cost_per_hour` the mean of what the plant file's prices come to (below 0 it is a gain),
        `model_quality` 1 minus the root mean square error of the prediction one interval ahead over that of
        assuming no change: 1 is perfect, 0 no better than that,
        `surprised` the share of cycles in which readings were further from what was expected than ordinary
        operation brings once a day.
        """
        hours = self._cycles * self._plant.interval_s / 3600.0
        paid_h = self._paid * self._plant.interval_s / 3600.0
        at_limit = {tag: count / self._cycles for tag, count in sorted(self._at_limit.items())}
        return {
            "cycles": self._cycles,
            "service_factor": self._auto / self._cycles if self._cycles else None,
            "mv_utilisation": self._free / (self._auto * len(self._plant.mvs)) if self._auto else None,
            "constraint_activity": at_limit,
            "operator_interventions_per_hour": self._requests / hours if hours else None,
            "guardrail_interventions": self._guardrail,
            "surprised": self._surprised / self._judged if self._judged else None,
            "variance": {
                "with_moves": self._variances(written=True),
                "without": self._variances(written=False),
            },
            "cost_per_hour": self._money / paid_h if paid_h else None,
            "model_quality": 1.0 - float(np.sqrt(self._error / self._change)) if self._change else None,
        }

    def _variances(self, *, written: bool) -> dict[str, float | None]:
        return {name: spread.variance for name, spread in self._spreads[written].items()}

    def _pay(self, cycle: Cycle) -> None:
        """Add what one interval costs, once the value of everything that has a price is known."""
        self._known |= {s.tag: s.value for s in cycle.samples if s.quality is Quality.GOOD}
        self._known |= cycle.accepted or {}
        if self._priced and all(tag.name in self._known for tag in self._priced):
            values = [(tag, self._known[tag.name]) for tag in self._priced]
            self._money += sum(tag.price * value + tag.price_quadratic * value**2 for tag, value in values)
            self._paid += 1

    def _limited(self, decision: Decision, tag: str, span: float) -> bool:
        return decision.setpoints is not None and self._near(decision, tag, decision.setpoints[tag], span)

    def _near(self, decision: Decision, tag: str, value: float, span: float) -> bool:
        low, high = decision.limits.get(tag, (-np.inf, np.inf))
        return not low + _AT_LIMIT * span < value < high - _AT_LIMIT * span

    def _learn(self, decision: Decision) -> None:
        before = self._before
        if before is None or before.plan is None or before.setpoints is None or not len(before.plan.cv):
            return
        for index, tag in enumerate(self._plant.outputs):
            if tag.name in decision.measured and tag.name in before.measured:
                value = decision.measured[tag.name]
                self._error += ((value - before.plan.cv[0, index]) / tag.span) ** 2
                self._change += ((value - before.measured[tag.name]) / tag.span) ** 2
