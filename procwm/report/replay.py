"""The report of a replay: what the controller would have done over a log, and how well it foresaw it."""

from collections.abc import Iterator

import numpy as np

from procwm.report import words
from procwm.report.content import ReplayReport
from procwm.report.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    Line,
    Panel,
    horizon_figure,
    tag_title,
    time_figure,
)
from procwm.report.page import Figure, Page, Section, Table, render


def build_replay_report(content: ReplayReport) -> str:
    """One self-contained HTML document."""
    rows = len(content.actual.time_ns)
    hours = (content.actual.time_ns[-1] - content.actual.time_ns[0]) / 3.6e12
    moved = int(np.isfinite(content.suggested_mv).all(axis=1).sum())
    return render(
        Page(
            title=f"procwm replay of {content.plant.name}",
            kicker=f"{content.plant.name} · replay of {hours:.1f} h of log ({rows} control intervals)",
            headline=_headline(content, moved / rows),
            lead="Nothing was written to a plant: the controller saw the log as if it were live, and what it "
            "would have written is shown beside what was in force. What the plant would then have done, a "
            "log cannot tell.",
            tiles=[(words.figure(value), name) for name, value in content.summary.items()],
            sections=list(_sections(content)),
        )
    )


def _headline(content: ReplayReport, share: float) -> str:
    scores = content.scores
    if not scores.get("nrmse"):
        return f"The controller would have moved the plant in {share:.0%} of the intervals."
    far = max(scores["nrmse"], key=int)
    own = scores["nrmse"][far]
    others = {words.MODELS[name]: curve[far] for name, curve in scores.items() if name != "nrmse"}
    behind = [name for name, value in others.items() if own < value]
    against = f", ahead of {' and '.join(behind)}" if behind else ", behind " + " and ".join(others)
    return f"The model foresaw the CVs {far} intervals ahead with an nRMSE of {own:.2f}{against}."


def _sections(content: ReplayReport) -> Iterator[Section]:
    yield Section(heading="Controlled variables", figures=[_outputs(content)])
    yield Section(heading="Moves made, and moves suggested", figures=[_moves(content)])
    yield Section(
        heading="Surprise",
        paragraphs=[
            "How far the plant went from what the model expected, in standard deviations of the errors usual "
            "for it: long above 3, something is going on that the training log did not hold.",
        ],
        figures=[
            time_figure(
                [
                    Panel(
                        title="surprise",
                        unit="standard deviations",
                        lines=[
                            Line(
                                name="surprise",
                                time_ns=content.actual.time_ns,
                                value=content.surprise,
                                colour=BLUE,
                            )
                        ],
                        at_least=(0.0, 3.0),
                    )
                ],
                "Prediction error of the latest stretch, relative to its usual size.",
            )
        ],
    )
    if content.guard_names:
        yield Section(heading="Guardrails", figures=[_guards(content)])
    if content.scores:
        yield _scores(content)
    yield Section(
        heading="Where it would have made no move",
        bullets=content.how,
        tables=[
            Table(
                columns=["reason", "intervals"],
                rows=[[reason, str(count)] for reason, count in content.reasons.items()]
                or [["it would have moved in every interval", "–"]],
            )
        ],
    )


def _outputs(content: ReplayReport) -> Figure:
    actual = content.actual
    colours = (GREEN, BLUE, ORANGE, RED)
    panels = []
    for column, tag in enumerate(content.plant.outputs):
        lines = [
            Line(
                name="measured",
                time_ns=actual.time_ns,
                value=actual.outputs[:, column],
                colour=INK,
                width=1.8,
            )
        ]
        lines += [
            Line(
                name=f"predicted {ahead} interval{'s' * (ahead > 1)} before",
                time_ns=actual.time_ns,
                value=predicted[:, column],
                colour=colours[index % len(colours)],
                width=1.2,
                hidden=index not in (0, len(content.predicted) - 1),
            )
            for index, (ahead, predicted) in enumerate(sorted(content.predicted.items()))
        ]
        if np.isfinite(content.target[:, column]).any():
            lines.append(
                Line(name="setpoint", time_ns=actual.time_ns, value=content.target[:, column], colour=GREY,
                     width=1.2, dash="dot", held=True)
            )  # fmt: skip
        panels.append(
            Panel(title=tag_title(tag), unit=tag.unit, lines=lines, limits=tag.limits, zone=tag.zone)
        )
    return time_figure(
        panels,
        "Predictions use the moves that were really made. Click a name in the legend to hide or show it.",
    )


def _moves(content: ReplayReport) -> Figure:
    time_ns = content.actual.time_ns
    panels = [
        Panel(
            title=tag_title(tag),
            unit=tag.unit,
            lines=[
                Line(
                    name="in force",
                    time_ns=time_ns,
                    value=content.actual.mv[:, column],
                    colour=INK,
                    width=1.6,
                    held=True,
                ),
                Line(
                    name="suggested by procwm",
                    time_ns=time_ns,
                    value=content.suggested_mv[:, column],
                    colour=BLUE,
                    width=1.4,
                ),
            ],
            limits=tag.bounds,
        )
        for column, tag in enumerate(content.plant.mvs)
    ]
    return time_figure(
        panels,
        "Each suggestion starts from the value in force, so it shows one move, not a course of its own.",
    )


def _guards(content: ReplayReport) -> Figure:
    panels = [
        Panel(
            title=name.replace("_", " "),
            unit="safe at 0 or below",
            lines=[
                Line(
                    name="the model's estimate, with margin",
                    time_ns=content.actual.time_ns,
                    value=content.guard[:, column],
                    colour=BLUE,
                )
            ],
            unsafe_above=0.0,
            at_least=(0.0,),
        )
        for column, name in enumerate(content.guard_names)
    ]
    return time_figure(panels, "In the shaded part the plant is unsafe.")


def _scores(content: ReplayReport) -> Section:
    curves = {
        words.MODELS[name]: {int(k): float(value) for k, value in curve.items()}
        for name, curve in content.scores.items()
    }
    horizons = sorted({k for curve in curves.values() for k in curve})
    return Section(
        heading="How well the model predicts this log",
        tables=[
            Table(
                columns=["nRMSE", *(f"{k} ahead" for k in horizons)],
                rows=[
                    [name, *(words.figure(curve.get(k)) for k in horizons)] for name, curve in curves.items()
                ],
                own_row=0,
            )
        ],
        figures=[
            horizon_figure(
                curves,
                {"procwm": BLUE, "linear model": GREEN, "persistence": GREY},
                "Root mean squared prediction error relative to each CV's standard deviation in this log.",
                y_title="nRMSE",
            )
        ],
    )
