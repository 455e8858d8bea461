"""`procwm bench control`: learned control beside PI, a linear MPC and an oracle, on simulated plants."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from procwm.comparison.closed_loop import WARM_UP, ControllerFactory, closed_loop
from procwm.comparison.key_figures import INTERVALS, ORDER, comparison
from procwm.comparison.learned import LABELS, Learned, learn
from procwm.comparison.linear_model import identify_linear
from procwm.comparison.linear_mpc import LinearMpc
from procwm.comparison.linear_soft_sensor import with_sensors
from procwm.comparison.operating import OperatingLog, operate
from procwm.comparison.oracle import OracleNmpc
from procwm.comparison.oracle_program import OracleProgram
from procwm.comparison.pi import ProportionalIntegral
from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.data.cadence import default_hold_s
from procwm.data.window import grid
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Scenario, habits_name
from procwm.world.fitness import Fitness, kept_verdict
from procwm_studies import Progress
from procwm_studies.control.offset import Offset, choose_steps, offsets
from procwm_studies.results import Row, command_line, spread, table, write_results

SEEDS = (0, 1, 2)
HOURS = 20.0
HELD_OUT_HOURS = 8.0
_LOG_SEED, _HELD_OUT_SEED = 1000, 2000
"""Logs and closed loops never share disturbances."""


def run_control(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    habits: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Compare the controllers and write `out/control.json` and `out/control.md`.

    For every scenario and seed: a routine log of `hours` teaches the world model and identifies the
    linear one; 32 judged moments of it make the guardrails; then every controller runs a fresh plant
    with the same setpoint programme, disturbances and noise. The files grow with every seed.

    Args:
        out: a folder.
        scenarios: by name; all installed ones where empty.
        seeds: `SEEDS` where empty.
        hours: of routine log; `HOURS` where `None`.
        habits: of the operators who made the logs; each plant's own where `None`.
        progress: told what is being done.
    """
    chosen = installed(scenarios, habits=habits)
    command = command_line("control", scenarios, seeds, hours, habits=habits)
    say = progress or (lambda _: None)
    rows: list[Row] = []
    for scenario in chosen.values():
        oracles = OracleProgram(scenario), OracleProgram(scenario, guarded=False)
        pi = ProportionalIntegral.tuned(scenario)
        for seed in seeds or SEEDS:
            rows += study(scenario, seed, hours or HOURS, oracles, pi, say)
            write_results(out, "control", rows, report(rows, command))
    return out / "control.json"


def study(
    scenario: Scenario,
    seed: int,
    hours: float,
    oracles: tuple[OracleProgram, OracleProgram],
    pi: ProportionalIntegral,
    say: Progress,
) -> list[Row]:
    """One row per controller for one scenario and seed.

    Args:
        oracles: with and without guardrails.
    """
    where = f"{scenario.name}, seed {seed}"
    plant = scenario.plant
    say(f"{where}: {hours:g} h of routine operation")
    operated = operate(scenario, seed=seed + _LOG_SEED, hours=hours)
    held_out = operate(scenario, seed=seed + _HELD_OUT_SEED, hours=HELD_OUT_HOURS)
    say(f"{where}: learning")
    learned = learn(plant, operated, held_out, seed=seed)
    say(f"{where}: identifying the linear model")
    began = time.perf_counter()
    linear = LinearMpc(identify_linear(plant, operated.log, history=WARM_UP + 1))
    linear_s = time.perf_counter() - began
    linear_guarded = _linear_guarded(scenario, operated, learned)
    # What a model comes to is measured whatever its verdict is; the rows tell that, and what it would allow.
    guarded, unguarded = (
        Controller(plant, model, despite_verdict=True) for model in (learned.guarded, learned.unguarded)
    )
    verdict = kept_verdict(learned.unguarded.metrics)
    factories: dict[str, ControllerFactory] = {
        "procwm": lambda _: guarded,
        "procwm_unguarded": lambda _: unguarded,
        "linear_mpc": lambda _: linear,
        "linear_mpc_guarded": lambda _: linear_guarded,
        "pi": lambda _: pi,
        "oracle_nmpc": lambda simulated: OracleNmpc(oracles[0], simulated),
        "oracle_unguarded": lambda simulated: OracleNmpc(oracles[1], simulated),
    }
    runs = {}
    for name in ORDER:
        say(f"{where}: {name} in closed loop")
        runs[name] = closed_loop(scenario, factories[name], seed=seed, intervals=INTERVALS)
    settled: Mapping[str, Offset] = {}
    if any(tag.setpoint is not None for tag in plant.cvs):
        say(f"{where}: offset")
        steps = choose_steps(scenario, operated.rows)
        settled = offsets(scenario, factories["procwm"], seed=seed, steps=steps)
    train_s = dict.fromkeys(("procwm", "procwm_unguarded"), learned.train_s)
    train_s |= dict.fromkeys(("linear_mpc", "linear_mpc_guarded"), linear_s)
    rows: list[Row] = []
    for name, run in runs.items():
        row = comparison(run, pi=runs["pi"], oracle=runs["oracle_nmpc"])
        row |= {"scenario": scenario.name, "seed": seed, "controller": name}
        row |= {"train_s": train_s.get(name, 0.0), "log_hours": hours, "hours": hours}
        row |= {"habits": habits_name(scenario)}
        if verdict is not None:
            mode = Mode.AUTO if verdict.fitness is Fitness.CONTROL else Mode.ADVISORY
            row |= {"verdict": str(verdict.fitness), "mode": str(mode)}
        if name == "procwm":
            row |= {"offset": _offset_json(settled), "guardrails": _guardrail_json(learned)}
        rows.append(row)
    return rows


def _linear_guarded(scenario: Scenario, operated: OperatingLog, learned: Learned) -> LinearMpc:
    """The linear MPC with a soft sensor for every guardrail, from the labels that procwm has."""
    rule = replace(
        learned.unguarded.rule,
        tags=scenario.plant.names,
        hold_s=default_hold_s(scenario.plant, operated.log),
        due_s=(),
    )
    rows = grid(operated.log, rule)
    plant, log, sensors = with_sensors(
        scenario.plant, operated.log, learned.labels, rows=rows, coverage=learned.asked
    )
    return LinearMpc(identify_linear(plant, log, history=WARM_UP + 1), sensors=sensors)


def _offset_json(settled: Mapping[str, Offset]) -> dict[str, Any]:
    return {
        tag: {
            "after_setpoint_step": offset.setpoint,
            "after_load_step": offset.load,
            "noise_sd": offset.noise_sd,
            "free": offset.free,
        }
        for tag, offset in settled.items()
    }


def _guardrail_json(learned: Learned) -> dict[str, Any]:
    return {
        name: {
            "labels": LABELS,
            "coverage_target": learned.asked[name],
            "coverage": found.share,
            "caught": found.caught,
            "moments": found.moments,
        }
        for name, found in learned.coverage.items()
    }


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown, mean and standard deviation over the seeds."""
    seeds = sorted({row["seed"] for row in rows})
    parts = [
        "# Control\n\n",
        f"`{command}`\n\n",
        f"Seeds {', '.join(map(str, seeds))}; {INTERVALS} control intervals a run; "
        "mean ± standard deviation over seeds.\n",
    ]
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        of = [row for row in rows if row["scenario"] == scenario]
        parts += [f"\n## {scenario}\n\n", _comparison_table(of), "\n", _offset_table(of)]
        parts += ["\n", _guardrail_table(of)]
    return "".join(parts)


def _comparison_table(rows: Sequence[Row]) -> str:
    lines = []
    for name in ORDER:
        of = [row for row in rows if row["controller"] == name]
        lines.append(
            [
                name,
                spread([row["cost"] for row in of], 4),
                spread([row["gap"] for row in of]),
                spread([row["recovered"] for row in of]),
                spread([row["limit_violations"] for row in of], 1),
                spread([row["guard_violations"] for row in of], 1),
                spread([row["train_s"] for row in of], 0),
                spread([row["plan_ms_median"] for row in of], 1),
                spread([row["plan_ms_p99"] for row in of], 1),
            ]
        )
    header = ["controller", "cost", "gap", "recovered", "limits broken", "guardrails broken", "train s"]
    return table([*header, "step ms, median", "p99"], lines)


def _offset_table(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        for tag, offset in row.get("offset", {}).items():
            numbers = (offset[key] for key in ("after_setpoint_step", "after_load_step", "noise_sd"))
            free = "yes" if offset["free"] else "no"
            lines.append([tag, str(row["seed"]), *(f"{number:.4f}" for number in numbers), free])
    header = ["CV", "seed", "mean error after a setpoint step", "after a load step", "noise sd"]
    return table([*header, "free of offset"], lines)


def _guardrail_table(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        for name, found in row.get("guardrails", {}).items():
            caught = math.nan if found["caught"] is None else found["caught"]
            lines.append(
                [
                    name,
                    str(row["seed"]),
                    str(found["labels"]),
                    f"{found['coverage_target']:.2f}",
                    f"{found['coverage']:.3f}",
                    spread([caught]),
                ]
            )
    return table(["guardrail", "seed", "labels", "coverage asked for", "measured", "unsafe caught"], lines)
