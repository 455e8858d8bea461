"""What the demo came to, as a summary and as the content of a report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from procwm.comparison.closed_loop import ClosedLoopRun
from procwm.comparison.key_figures import comparison
from procwm.comparison.learned import LABELS, Learned
from procwm.demo.live import LiveRun
from procwm.learning.evaluation.evaluate import Evaluation
from procwm.plant.scenario import Scenario, habits_name
from procwm.plant.tags import PlantSpec
from procwm.report import ControlReport, PlanTrace, Trajectory


@dataclass(frozen=True, kw_only=True, eq=False)
class DemoResult:
    """Everything that the demo found out.

    Attributes:
        log_hours: of the log that the model was learned from.
        learned: model and guardrails.
        scores: of the model, on operation that it did not learn from, against the truth.
        live: procwm's own run.
        runs: by controller, procwm's own first; on one seed.
    """

    scenario: Scenario
    seed: int
    log_hours: float
    learned: Learned
    scores: Evaluation
    live: LiveRun
    runs: Mapping[str, ClosedLoopRun]


def live_run(plant: PlantSpec, live: LiveRun, seed: int) -> ClosedLoopRun:
    """A run over OPC UA in the form in which runs are compared."""
    guard_names = tuple(live.rows[0].guards)
    decisions = [cycle.decision for cycle in live.cycles]
    return ClosedLoopRun(
        plant=plant,
        seed=seed,
        time_ns=tuple(row.time_ns for row in live.rows),
        cv=np.array([[row.outputs[tag.name] for tag in plant.outputs] for row in live.rows]),
        mv=np.array([row.mv for row in live.rows]),
        guard=np.array([[row.guards[name] for name in guard_names] for row in live.rows]).reshape(
            len(live.rows), -1
        ),
        guard_names=guard_names,
        state=np.array([row.state for row in live.rows]),
        disturbance=np.array([row.disturbance for row in live.rows]),
        target=np.array([[one.target.get(tag.name, np.nan) for tag in plant.outputs] for one in decisions]),
        step_s=np.array([decision.step_s for decision in decisions]),
        held=sum(decision.setpoints is None for decision in decisions),
    )


def summary_of(outcome: DemoResult) -> dict[str, Any]:
    """The content of `summary.json`, every number finite or `None`."""
    oracle, pi = outcome.runs["oracle_nmpc"], outcome.runs["pi"]
    own = outcome.runs["procwm"]
    by_model = {
        "nrmse": outcome.scores.nrmse,
        "persistence": outcome.scores.persistence,
        "linear": outcome.scores.linear,
        "corrected": outcome.scores.used["model"],
        "linear_corrected": outcome.scores.used.get("linear", {}),
    }
    return {
        "scenario": outcome.scenario.name,
        "plant": outcome.scenario.plant.name,
        "habits": habits_name(outcome.scenario),
        "seed": outcome.seed,
        "interval_s": outcome.scenario.plant.interval_s,
        "intervals": len(own.step_s),
        "log_hours": outcome.log_hours,
        "train_s": outcome.learned.train_s,
        "linear_start_kept": outcome.learned.unguarded.metrics.get("best_step") == 0,
        "controllers": {name: comparison(run, pi=pi, oracle=oracle) for name, run in outcome.runs.items()},
        "model": {
            name: {str(lead): error for lead, error in errors.items()}
            for name, errors in by_model.items()
            if errors
        },
        "guardrails": {
            name: {
                "labels": LABELS,
                "coverage_target": outcome.learned.asked[name],
                "coverage": covered.share,
                "caught": covered.caught,
                "violations": _broken(own, name),
            }
            for name, covered in outcome.learned.coverage.items()
        },
    }


def _broken(run: ClosedLoopRun, guard: str) -> int:
    """Intervals of `run` that ended with the true guardrail above 0."""
    return int(np.count_nonzero(run.guard[1:, run.guard_names.index(guard)] > 0.0))


def report_of(outcome: DemoResult, summary: Mapping[str, Any]) -> ControlReport:
    """The content of the report."""
    plant, model, own = outcome.scenario.plant, outcome.learned.guarded, outcome.runs["procwm"]
    measured = [
        [cycle.decision.measured.get(tag.name, np.nan) for tag in plant.outputs]
        for cycle in outcome.live.cycles
    ]
    blank = np.full((1, len(plant.outputs)), np.nan)
    return ControlReport(
        plant=plant,
        summary=summary,
        # Without guardrails the oracle differs little from itself: a number in the table, not a line.
        trajectories=[
            _trajectory(name, run) for name, run in outcome.runs.items() if name != "oracle_unguarded"
        ],
        measured=np.concatenate([np.array(measured), blank]),
        target=np.concatenate([own.target[:1], own.target]),
        guard_names=own.guard_names,
        plan_guard_names=model.guard_names,
        plans=_plans(outcome.live),
        how=[
            f"Plant: {outcome.scenario.summary} Equations and parameters: {outcome.scenario.source}. "
            "They are known to the simulator and to the NMPC that is compared with, and to nobody else.",
            f"Log: {outcome.log_hours:.1f} h of routine operation, recorded through OPC UA: operators "
            "stepping setpoints, disturbances, noise, dropouts; no test signal.",
            f"Model: windows of {model.rule.history} rows, predictions over {model.horizon}; "
            f"{outcome.scores.verdict.sentence}.",
            f"Control: {summary['intervals']} intervals of {plant.interval_s:g} s through OPC UA, every "
            "write read back. The other controllers ran on the same simulated plant in process; the same "
            "moves give the same trajectory either way.",
        ],
    )


def _trajectory(name: str, run: ClosedLoopRun) -> Trajectory:
    return Trajectory(name=name, time_ns=np.array(run.time_ns), outputs=run.cv, mv=run.mv, guard=run.guard)


def _plans(live: LiveRun) -> list[PlanTrace]:
    return [
        PlanTrace(time_ns=cycle.time_ns, mv=plan.mv, cv=plan.cv, guard=plan.guard, status=plan.status.value)
        for cycle in live.cycles
        if (plan := cycle.decision.plan) is not None and plan.status.usable
    ]
