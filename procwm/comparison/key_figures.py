"""The figures that every comparison of controllers shows, and the length and order of its runs."""

from typing import Any

from procwm.comparison.closed_loop import ClosedLoopRun
from procwm.comparison.metrics import difference_error, gap, recovered

INTERVALS = 360
"""Scored control intervals of every run."""
ORDER = (
    "procwm",
    "linear_mpc_guarded",
    "oracle_nmpc",
    "procwm_unguarded",
    "linear_mpc",
    "pi",
    "oracle_unguarded",
)
"""The first three keep guardrails, which costs something; `oracle_unguarded` is the bar for the others."""


def comparison(run: ClosedLoopRun, *, pi: ClosedLoopRun, oracle: ClosedLoopRun) -> dict[str, Any]:
    """The numbers of one run beside the PI's and the oracle's on the same seed."""
    return {
        "cost": run.cost,
        "gap": gap(run.cost, oracle.cost),
        "gap_error": difference_error(run.interval_costs, oracle.interval_costs) / oracle.cost,
        "recovered": recovered(run.cost, pi.cost, oracle.cost),
        "violations": run.violations,
        "limit_violations": run.limit_violations,
        "guard_violations": run.guard_violations,
        "guard_deepest": run.guard_deepest,
        "intervals": len(run.step_s),
        "held": run.held,
        "plan_ms_median": run.step_ms(50.0),
        "plan_ms_p99": run.step_ms(99.0),
        "interval_s": run.plant.interval_s,
    }
