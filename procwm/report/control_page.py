"""The report of a closed-loop run: what a control engineer would forward."""

from collections.abc import Iterator, Sequence

import numpy as np

from procwm.plant.tags import Tag
from procwm.report import words
from procwm.report.content import ControlReport, PlanTrace, Trajectory
from procwm.report.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MOST_POINTS,
    ORANGE,
    PURPLE,
    SKY,
    Line,
    Panel,
    joined,
    score_figure,
    tag_panel,
    time_figure,
)
from procwm.report.page import Figure, Page, PageTable, Section, render

COLOURS = {
    "procwm": BLUE,
    "pi": ORANGE,
    "linear_mpc": GREEN,
    "oracle_nmpc": GREY,
    "procwm_unguarded": PURPLE,
}
_DASHES = {"oracle_nmpc": "dash", "linear_mpc": "dashdot", "procwm_unguarded": "dot"}

FAN_PLANS = 90
"""How many of the plans are drawn, at most: enough to see a pattern, few enough to follow one."""


def build_report(content: ControlReport) -> str:
    """One self-contained HTML document."""
    summary, own = content.summary, content.trajectories[0]
    row = summary["controllers"]["procwm"]
    hours = (own.time_ns[-1] - own.time_ns[0]) / 3.6e12
    return render(
        Page(
            title=f"procwm on {content.plant.name}",
            kicker=f"{content.plant.name} · controlled over OPC UA for {words.duration(hours)} "
            f"({len(own.time_ns) - 1} control intervals) · seed {summary['seed']}",
            headline=words.headline(summary),
            lead=" ".join(words.told(summary)[1:]),
            tiles=[
                (words.percent(row.get("gap")), "cost above the NMPC that knows the equations (gap)"),
                (words.figure(row.get("recovered"), 2), "recovered: 0 is PI, 1 is that NMPC"),
                (str(row["violations"]), "limits and guardrails broken"),
                (f"{row['plan_ms_median']:.0f} ms", f"median step, of {content.plant.interval_s:g} s"),
                (f"{summary['log_hours']:.0f} h", f"of log; {summary['train_s']:.0f} s of training"),
            ],
            sections=list(_sections(content)),
        )
    )


def _sections(content: ControlReport) -> Iterator[Section]:
    yield _comparison(content)
    yield Section(heading="Controlled variables", figures=[_outputs(content)])
    yield Section(heading="Manipulated variables", figures=[_moves(content)])
    if content.guard_names:
        yield _guardrails(content)
    if content.plans:
        yield _predictions(content)
    yield _model(content)
    yield _inputs(content)


def _comparison(content: ControlReport) -> Section:
    columns, rows = words.comparison(content.summary)
    return Section(
        heading="Beside other controllers",
        paragraphs=[
            "Every controller ran the same plant with the same seed: the same noise, dropouts, disturbances, "
            "setpoint changes and limits. All are scored on the true values, which only the simulator knows. "
            "Keeping a guardrail costs something: one that knows of none may cost less, and break it.",
        ],
        tables=[PageTable(columns=columns, rows=rows, own_row=0)],
    )


def _outputs(content: ControlReport) -> Figure:
    panels = []
    for column, tag in enumerate(content.plant.outputs):
        own = content.trajectories[0]
        lines = [
            Line(
                name="measured", time_ns=own.time_ns, value=content.measured[:, column], colour=SKY, width=0.9
            )
        ]
        lines += [_line(run, run.outputs[:, column]) for run in reversed(content.trajectories)]
        if np.isfinite(content.target[:, column]).any():
            lines.append(_setpoint(own, content.target[:, column]))
        panels.append(tag_panel(tag, lines))
    return time_figure(
        panels,
        "True values, and what procwm's instruments reported. Broken red lines are operating limits, drawn "
        "where they come near. Click a name in the legend to hide or show a controller.",
        content.events,
    )


def _moves(content: ControlReport) -> Figure:
    panels = [
        tag_panel(tag, [_line(run, run.mv[:, column], held=True) for run in reversed(content.trajectories)])
        for column, tag in enumerate(content.plant.mvs)
    ]
    return time_figure(panels, "What each controller asked of the plant, as the plant accepted it.")


def _guardrails(content: ControlReport) -> Section:
    panels = []
    for column, name in enumerate(content.guard_names):
        lines = [_line(run, run.guard[:, column]) for run in reversed(content.trajectories) if run.guard.size]
        if name in content.plan_guard_names:
            lines.append(_foreseen(content.plans, content.plan_guard_names.index(name)))
        panels.append(
            Panel(title=name.replace("_", " "), unit="safe at 0 or below", lines=lines, unsafe_above=0.0,
                  at_least=(0.0,))
        )  # fmt: skip
    rows = [
        [
            name.replace("_", " "),
            str(row["labels"]),
            words.figure(row["coverage_target"], 2),
            words.figure(row["coverage"], 2),
            str(row["violations"]),
        ]
        for name, row in content.summary.get("guardrails", {}).items()
    ]
    columns = [
        "guardrail",
        "labelled moments",
        "coverage asked for",
        "coverage on held-out moments",
        "violations",
    ]
    return Section(
        heading="Guardrails",
        paragraphs=[
            "No instrument measures these quantities. The controller learned them from a few labelled "
            "moments, and adds a margin so that at the stated share of moments the truth is not understated.",
        ],
        tables=[PageTable(columns=columns, rows=rows)] if rows else [],
        figures=[
            time_figure(
                panels,
                "True value of each guardrail under every controller (only the simulator knows it), and the "
                "value procwm's model foresaw one interval ahead, its margin included. In the shaded part "
                "the plant is unsafe.",
            )
        ],
    )


def _predictions(content: ControlReport) -> Section:
    own, interval_ns = content.trajectories[0], round(content.plant.interval_s * 1e9)
    usable = [plan for plan in content.plans if np.isfinite(plan.cv).all()]
    horizon = len(usable[0].cv) if usable else 0
    count = min(FAN_PLANS, MOST_POINTS // (horizon + 2))
    drawn = usable[:: max(1, -(-len(usable) // count))]
    row_at = {int(time_ns): row for row, time_ns in enumerate(own.time_ns)}
    steps = interval_ns * np.arange(horizon + 1)
    panels = []
    for column, tag in enumerate(content.plant.outputs):
        time_ns, value = joined(
            (
                plan.time_ns + steps,
                np.append(content.measured[row_at[plan.time_ns], column], plan.cv[:, column]),
            )
            for plan in drawn
        )
        came = Line(
            name="measured", time_ns=own.time_ns, value=content.measured[:, column], colour=INK, width=1.8
        )
        fan = Line(
            name="predicted as the plan was made", time_ns=time_ns, value=value, colour=BLUE, width=0.9
        )
        panels.append(tag_panel(tag, [came, fan]))
    return Section(
        heading="Predictions made, and what came of them",
        paragraphs=[
            "A plan is made again in every interval, so a prediction far ahead need not come true: the "
            "setpoint may change, and so may the plan. Where neither does, blue should lie on black. What is "
            "predicted is what the instruments will report, late where they are late.",
        ],
        tables=[_prediction_errors(content, usable)],
        figures=[
            time_figure(
                panels,
                f"{len(drawn)} of the {len(usable)} plans made, each over its {horizon} intervals.",
                content.events,
                span_ns=(int(own.time_ns[0]), int(own.time_ns[-1])),
            )
        ],
    )


def _prediction_errors(content: ControlReport, plans: list[PlanTrace]) -> PageTable:
    """Root mean squared difference between predicted and measured outputs, by steps ahead."""
    row_at = {int(time_ns): row for row, time_ns in enumerate(content.trajectories[0].time_ns)}
    interval_ns = round(content.plant.interval_s * 1e9)
    horizons = [k for k in (1, 5, 20) if plans and k <= len(plans[0].cv)]

    def error(column: int, ahead: int) -> float:
        due = [row_at.get(plan.time_ns + ahead * interval_ns, -1) for plan in plans]
        differences = [
            plan.cv[ahead - 1, column] - content.measured[row, column]
            for plan, row in zip(plans, due, strict=True)
            if row >= 0 and np.isfinite(content.measured[row, column])
        ]
        return float(np.sqrt(np.mean(np.square(differences)))) if differences else float("nan")

    return PageTable(
        columns=["tag", *(f"error {k} ahead" for k in horizons), "unit"],
        rows=[
            [tag.name, *(words.figure(error(column, k)) for k in horizons), tag.unit]
            for column, tag in enumerate(content.plant.outputs)
        ],
    )


def _model(content: ControlReport) -> Section:
    found = content.summary["model"]
    curves = {
        "nrmse": found.get("corrected", found["nrmse"]),
        "linear": found.get("linear_corrected", found.get("linear", {})),
        "persistence": found.get("persistence", {}),
    }
    where = f"on the last part of the log, which training never saw, {words.CORRECTED}"
    table, figure = score_figure(curves, where)
    return Section(heading="How well the model predicts", tables=[table], figures=[figure])


def _inputs(content: ControlReport) -> Section:
    def row(tag: Tag) -> list[str]:
        target = f"{tag.setpoint:g}" if tag.setpoint is not None else _span(tag.zone)
        move = f"{tag.max_move:g}" if tag.max_move else "–"
        return [tag.name, str(tag.role), tag.unit, _span(tag.range), _span(tag.limits), target, move]

    columns = ["tag", "role", "unit", "range", "limits", "setpoint or zone", "largest move"]
    return Section(
        heading="What the controller was given",
        bullets=content.how,
        tables=[
            PageTable(columns=columns, rows=[row(tag) for tag in content.plant.tags], text_columns=(1, 2))
        ],
    )


def _line(run: Trajectory, value: np.ndarray, *, held: bool = False) -> Line:
    own = run.name == "procwm"
    return Line(
        name=words.SHORT.get(run.name, run.name),
        time_ns=run.time_ns,
        value=value,
        colour=COLOURS.get(run.name, GREY),
        width=2.4 if own else 1.4,
        rank=0 if own else 1,
        dash=_DASHES.get(run.name, "solid"),
        held=held,
    )


def _setpoint(own: Trajectory, target: np.ndarray) -> Line:
    return Line(
        name="setpoint", time_ns=own.time_ns, value=target, colour=INK, width=1.3, dash="dot", held=True
    )


def _foreseen(plans: Sequence[PlanTrace], column: int) -> Line:
    return Line(
        name="foreseen, with margin",
        time_ns=np.array([plan.time_ns for plan in plans], dtype=np.int64),
        value=np.array([plan.guard[0, column] if plan.guard.size else np.nan for plan in plans]),
        colour=SKY,
        width=1.6,
    )


def _span(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:g} to {interval[1]:g}" if interval else "–"
