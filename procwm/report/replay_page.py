"""The report of a replay: what the controller would have done over a log, and how well it foresaw it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from procwm.learning.evaluation.error_differences import ErrorDifference
from procwm.plant.tags import PlantSpec
from procwm.report import words
from procwm.report.figures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    SKY,
    Line,
    Panel,
    score_figure,
    tag_panel,
    time_figure,
)
from procwm.report.page import Figure, Page, PageTable, Section, render
from procwm.report.surprise_section import instrument_section, surprise_section
from procwm.runtime.replay import ReplayResult
from procwm.world.conformal import BAND_COVERAGE
from procwm.world.fitness import Fitness, Verdict

Scores = Mapping[str, Mapping[str, float]]
"""nRMSE by model and horizon, as in `summary.json`."""

_LEAD_COLOURS = (SKY, GREY, ORANGE, BLUE)


def build_replay_report(
    plant: PlantSpec,
    result: ReplayResult,
    *,
    scores: Scores,
    beside: Mapping[str, ErrorDifference],
    verdict: Verdict,
    seen: float | None = None,
    how: Sequence[str] = (),
    instruments: Sequence[str] = (),
) -> str:
    """One self-contained HTML document.

    Args:
        plant: whose targets the controller had.
        result: of `procwm.runtime.replay.replay`.
        scores: of the model on this log, with the correction that the controller applies.
        beside: how they differ at the longest lead, and by how much they may by chance.
        verdict: what the model is fit for.
        seen: share of this log that the model was learned from; `None` where that is not known.
        how: sentences on how the figures came about.
        instruments: sentences on readings that instruments should not have sent.
    """
    time_ns = result.grid.time_ns
    hours = (time_ns[-1] - time_ns[0]) / 3.6e12
    step_s = [decision.step_s for decision in result.decisions]
    return render(
        Page(
            title=f"procwm replay of {plant.name}",
            kicker=f"{plant.name} · replay of {words.duration(hours)} of log ({len(time_ns)} intervals)",
            headline=words.foresaw(scores, beside),
            lead=_lead(seen),
            warning=words.unfit(verdict),
            tiles=[
                (f"{len(time_ns)}", f"control intervals of {plant.interval_s:g} s"),
                (f"{len(result.decisions)}", "decisions made, evenly spread"),
                (f"{sum(result.reasons.values())}", "of them without a move"),
                (
                    f"{result.surprised:.1%}" if np.isfinite(result.surprised) else "–",
                    "of intervals surprised the model",
                ),
                (f"{np.median(step_s) * 1e3:.0f} ms" if step_s else "–", "median time of a decision"),
            ],
            sections=list(_sections(plant, result, scores, verdict, how, instruments)),
        )
    )


def _lead(seen: float | None) -> str:
    sentences = (
        words.seen_before(seen),
        "Nothing was written to a plant: the controller saw the log as if it were live, and what it would "
        "have written is shown beside what was in force.",
        "What the plant would then have done, a log cannot tell.",
    )
    return " ".join(filter(None, sentences))


def _sections(
    plant: PlantSpec,
    result: ReplayResult,
    scores: Scores,
    verdict: Verdict,
    how: Sequence[str],
    instruments: Sequence[str],
) -> Iterator[Section]:
    yield Section(heading="Controlled variables", figures=[_outputs(plant, result)])
    yield Section(heading="Moves made, and moves suggested", figures=[_moves(plant, result, verdict)])
    yield surprise_section(plant, result)
    yield instrument_section(instruments)
    if result.guard_names:
        yield Section(heading="Guardrails", figures=[_guards(result)])
    yield _scores(scores)
    rows = [[reason, str(count)] for reason, count in result.reasons.most_common()]
    yield Section(
        heading="Where it would have made no move",
        paragraphs=[] if rows else ["There was a move to suggest in every decision."],
        bullets=how,
        tables=[PageTable(columns=["reason", "decisions"], rows=rows)] if rows else [],
    )


def _outputs(plant: PlantSpec, result: ReplayResult) -> Figure:
    time_ns = result.grid.time_ns
    panels = []
    for column, tag in enumerate(plant.outputs):
        lines = [
            Line(name="measured", time_ns=time_ns, value=result.output[:, column], colour=INK, width=1.8)
        ]
        leads = sorted(result.predicted)
        lines += [
            Line(
                name=f"foreseen {lead} before",
                time_ns=time_ns,
                value=result.predicted[lead][:, column],
                colour=_LEAD_COLOURS[index % len(_LEAD_COLOURS)],
                width=1.3,
                hidden=index not in (1, len(leads) - 1),
            )
            for index, lead in enumerate(leads)
        ]
        lines += _band(result, leads[-1], column)
        if np.isfinite(result.target[:, column]).any():
            target = result.target[:, column]
            lines.append(
                Line(name="setpoint", time_ns=time_ns, value=target, colour=INK, width=1.2, dash="dot")
            )
        panels.append(tag_panel(tag, lines))
    return time_figure(
        panels,
        "What was foreseen so many intervals before, with the moves that were really made, and the band "
        f"that was to hold {BAND_COVERAGE:.0%} of the measurements, wider where the model is less sure. "
        "Click a name in the legend to hide or show it.",
        span_ns=_span(result),
    )


def _band(result: ReplayResult, lead: int, column: int) -> list[Line]:
    """Both edges of the band about what was foreseen `lead` intervals before, where it is known."""
    half = result.half_width[:, column]
    at = np.isfinite(half)
    return [
        Line(
            name=f"{BAND_COVERAGE:.0%} band, {lead} before",
            time_ns=result.grid.time_ns[at],
            value=result.predicted[lead][at, column] + edge[at],
            colour=GREY,
            width=0.8,
            dash="dot",
        )
        for edge in (-half, half)
        if at.any()
    ]


def _moves(plant: PlantSpec, result: ReplayResult, verdict: Verdict) -> Figure:
    fit = verdict.fitness is Fitness.CONTROL
    name = "suggested" if fit else f"suggested by a model that is {verdict.fitness}"
    time_ns = result.grid.time_ns
    panels = []
    for column, tag in enumerate(plant.mvs):
        made, suggested = result.mv[:, column], result.suggested_mv[:, column]
        at = np.isfinite(suggested)
        lines = [
            Line(name="in force", time_ns=time_ns, value=made, colour=INK, width=1.6, held=True),
            Line(
                name=name,
                time_ns=time_ns[at],
                value=suggested[at],
                colour=BLUE if fit else ORANGE,
                dots=True,
            ),
        ]
        panels.append(tag_panel(tag, lines))
    return time_figure(
        panels,
        "Each suggestion starts from the value in force, so it shows one move, not a course of its own.",
        span_ns=_span(result),
    )


def _guards(result: ReplayResult) -> Figure:
    panels = [
        Panel(
            title=name.replace("_", " "),
            unit="safe at 0 or below",
            lines=[
                Line(
                    name="the model's estimate, with margin",
                    time_ns=result.grid.time_ns,
                    value=result.guard[:, column],
                )
            ],
            unsafe_above=0.0,
            at_least=(0.0,),
        )
        for column, name in enumerate(result.guard_names)
    ]
    return time_figure(panels, "In the shaded part the plant is unsafe.")


def _scores(scores: Scores) -> Section:
    table, figure = score_figure(scores, f"in this log, {words.CORRECTED}")
    return Section(heading="How well the model predicts this log", tables=[table], figures=[figure])


def _span(result: ReplayResult) -> tuple[int, int]:
    return int(result.grid.time_ns[0]), int(result.grid.time_ns[-1])
