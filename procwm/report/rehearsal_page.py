"""The page of a rehearsal: a controller in closed loop with its own model, before a plant is touched."""

from collections.abc import Iterator

import numpy as np

from procwm.comparison.rehearsal import Rehearsal, RehearsedRun
from procwm.report import words
from procwm.report.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    Line,
    Panel,
    tag_panel,
    time_figure,
)
from procwm.report.page import Figure, Page, PageTable, Section, render
from procwm.world.fitness import Fitness, kept_verdict

_FAR = 0.1
"""Share of the instants outside the log at which the rehearsal warns: a log itself has a few."""
_COLOURS = (BLUE, GREY, SKY, GREEN, PURPLE, ORANGE)
_DASHES = ("solid", "dash", "dot", "dashdot", "dash", "dot")


def rehearsal_page(rehearsal: Rehearsal) -> str:
    """One self-contained HTML document."""
    own, plant = rehearsal.runs[0], rehearsal.plant
    length = words.duration(len(own.step_s) * plant.interval_s / 3600.0)
    return render(
        Page(
            title=f"procwm rehearsal of {plant.name}",
            kicker=f"{plant.name} · {length} rehearsed on the learned model ({len(own.step_s)} control "
            f"intervals, {len(rehearsal.runs)} runs) · seed {rehearsal.seed}",
            headline=_headline(rehearsal),
            lead="No plant was touched: what answers here is the learned model, with the noise and the "
            "disturbances that its own errors in the log show. What the model has wrong, this cannot show; "
            "what other plants of the same log would do, the other lines show.",
            warning=_warning(rehearsal),
            tiles=[
                (words.figure(sum(own.costs)), "cost: errors, moves and broken limits"),
                (str(sum(own.violations)), "limits and guardrails broken on the model's own plant"),
                (str(max(sum(run.violations) for run in rehearsal.runs)), "at most on any of the plants"),
                (f"{rehearsal.outside:.0%}", "of the time where the log never was"),
                (f"{np.median(own.step_s) * 1e3:.0f} ms", f"median step, of {plant.interval_s:g} s"),
            ],
            sections=list(_sections(rehearsal)),
        )
    )


def _headline(rehearsal: Rehearsal) -> str:
    broken = max(sum(run.violations) for run in rehearsal.runs)
    own = sum(rehearsal.runs[0].violations)
    if not broken:
        kept = "kept every limit and guardrail on every plant that was tried"
    elif not own:
        kept = "kept every limit and guardrail on the model's own plant, but not on all that were tried"
    else:
        kept = f"broke a limit or a guardrail {words.times(own)}"
    return f"Rehearsed on its own model, the controller of the {rehearsal.plant.name} {kept}."


def _warning(rehearsal: Rehearsal) -> str:
    """What takes worth from the rehearsal; empty where nothing does."""
    told = []
    verdict = kept_verdict(rehearsal.model.metrics)
    if verdict is None or verdict.fitness is not Fitness.CONTROL:
        told.append("The model was never judged." if verdict is None else words.unfit(verdict))
    if rehearsal.outside > _FAR:
        told.append(
            f"For {rehearsal.outside:.0%} of the time the rehearsal is where the log never was: what the "
            "model says there is a guess. Ask for setpoints nearer to the log, or bring a log from there."
        )
    return " ".join(told)


def _sections(rehearsal: Rehearsal) -> Iterator[Section]:
    yield _beside(rehearsal)
    yield Section(heading="Controlled variables", figures=[_outputs(rehearsal)])
    yield Section(heading="Manipulated variables", figures=[_moves(rehearsal)])
    if rehearsal.model.guard_names:
        yield Section(heading="Guardrails", figures=[_guards(rehearsal)])


def _beside(rehearsal: Rehearsal) -> Section:
    columns = ["run", "cost", "of errors", "of moves", "limits broken", "guardrails broken", "no move",
               "outside the log"]  # fmt: skip
    rows = [
        [
            _title(run),
            words.figure(sum(run.costs)),
            *(words.figure(cost) for cost in run.costs),
            *(str(count) for count in run.violations),
            str(run.held),
            f"{run.outside.mean():.0%}",
        ]
        for run in rehearsal.runs
    ]
    return Section(
        heading="Side by side",
        paragraphs=[
            "Every run has the same setpoints, noise and disturbances. Other plants are what another log of "
            "the same length might have taught; other weights are tried on the model's own plant, and scored "
            "by those of the plant file.",
        ],
        tables=[PageTable(columns=columns, rows=rows, own_row=0)],
    )


def _title(run: RehearsedRun) -> str:
    return run.name if run.name.startswith(("as ", "with ")) else f"weights {run.name}"


def _outputs(rehearsal: Rehearsal) -> Figure:
    own = rehearsal.runs[0]
    target = np.concatenate([own.target[:1], own.target])
    panels = []
    for column, tag in enumerate(rehearsal.plant.outputs):
        lines = [_line(rehearsal, run, run.outputs[:, column]) for run in reversed(rehearsal.runs)]
        if np.isfinite(target[:, column]).any():
            lines.append(
                Line(name="setpoint", time_ns=own.time_ns, value=target[:, column], colour=INK, width=1.3,
                     dash="dot", held=True)
            )  # fmt: skip
        panels.append(tag_panel(tag, lines))
    return time_figure(
        panels,
        "True values, without the noise of instruments. Broken red lines are limits, drawn where they come "
        "near. Click a name in the legend to hide or show a run.",
    )


def _moves(rehearsal: Rehearsal) -> Figure:
    panels = [
        tag_panel(
            tag, [_line(rehearsal, run, run.mv[:, column], held=True) for run in reversed(rehearsal.runs)]
        )
        for column, tag in enumerate(rehearsal.plant.mvs)
    ]
    return time_figure(panels, "What the controller asked of each plant.")


def _guards(rehearsal: Rehearsal) -> Figure:
    panels = [
        Panel(
            title=name.replace("_", " "),
            unit="safe at 0 or below",
            lines=[_line(rehearsal, run, run.guard[:, column]) for run in reversed(rehearsal.runs)],
            unsafe_above=0.0,
            at_least=(0.0,),
        )
        for column, name in enumerate(rehearsal.model.guard_names)
    ]
    return time_figure(
        panels, "As the model has them, their margins included. In the shaded part the plant is unsafe."
    )


def _line(rehearsal: Rehearsal, run: RehearsedRun, value: np.ndarray, *, held: bool = False) -> Line:
    place = rehearsal.runs.index(run)
    return Line(
        name=_title(run),
        time_ns=run.time_ns,
        value=value,
        colour=_COLOURS[place % len(_COLOURS)],
        width=2.4 if place == 0 else 1.3,
        rank=place,
        dash=_DASHES[place % len(_DASHES)],
        held=held,
    )
