"""The page of a recorded run: trends, modes, events, surprise, and what was kept."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from procwm.data.series import iso_utc
from procwm.plant.tags import PlantSpec
from procwm.report import words
from procwm.report.content import Event
from procwm.report.figures import BLUE, GREY, INK, Line, Panel, tag_panel, time_figure
from procwm.report.page import Figure, Page, PageTable, Section, render
from procwm.report.surprise_section import lasting, stretch_table
from procwm.runtime.run_figures import breaches, equal_setpoints, mode_stretches
from procwm.runtime.run_record import RunRecord, read_run
from procwm.runtime.surprised import surprised_stretches

_MOST_EVENTS, _MOST_STRETCHES, _MOST_MARKS, _MOST_SETPOINTS = 200, 40, 8, 20
_APART = 30
"""Intervals between surprises that are told as two."""


def run_page(directory: str | Path, plant: PlantSpec | None = None) -> str:
    """One self-contained HTML document about a run.

    Args:
        directory: as `procwm run --out` writes it.
        plant: as the run had it; from the folder where `None`.

    Raises:
        LogError: there is no recording, or neither the folder nor the caller knows the plant.
    """
    run = read_run(directory, plant)
    auto = sum(mode == "auto" for mode in run.mode) / max(len(run.mode), 1)
    broken = [found for found in breaches(run) if found.times]
    return render(
        Page(
            title=f"procwm run on {run.plant.name}",
            kicker=f"{run.plant.name} · {iso_utc(int(run.time_ns[0]))[:16]}Z to "
            f"{iso_utc(int(run.time_ns[-1]))[:16]}Z · {len(run.time_ns)} control cycles",
            headline=_headline(run, auto, len(broken)),
            lead=" ".join(
                f"{found.name} was broken {words.times(found.times)}, by up to {found.deepest:.3g} "
                f"{found.unit}".rstrip() + "." for found in broken
            ),
            tiles=list(_tiles(run, auto)),
            sections=list(_sections(run)),
        )
    )  # fmt: skip


def _headline(run: RunRecord, auto: float, broken: int) -> str:
    length = words.duration(len(run.time_ns) * run.plant.interval_s / 3600.0)
    kept = "no limit and no guardrail was broken" if not broken else f"{broken} limits or guardrails were"
    share = f"in auto for {auto:.0%} of the time" if auto else "it wrote nothing"
    return f"A run of {length} on the {run.plant.name}: {share}, {kept}."


def _tiles(run: RunRecord, auto: float) -> Iterator[tuple[str, str]]:
    yield f"{auto:.0%}", "of the cycles in auto"
    yield f"{run.wrote.mean():.0%}", "of the cycles wrote moves"
    known = np.isfinite(run.surprise)
    yield (
        f"{(run.surprise[known] > 1.0).mean():.1%}" if known.any() else "–",
        "of the cycles surprised the model",
    )
    yield f"{np.median(run.step_s) * 1e3:.0f} ms", f"median step, of {run.plant.interval_s:g} s"
    if (quality := run.kpis.get("model_quality")) is not None:
        yield f"{quality:.2f}", "quality of the model: 1 is perfect, 0 no better than assuming no change"


def _sections(run: RunRecord) -> Iterator[Section]:
    marks = _marks(run)
    yield Section(heading="Controlled variables", figures=[_outputs(run, marks)])
    yield Section(heading="Manipulated variables", figures=[_moves(run)])
    yield _kept(run)
    yield _at_equal_setpoints(run)
    yield _modes(run)
    yield _surprise(run)
    yield _events(run)


def _marks(run: RunRecord) -> list[Event]:
    """Changes of mode, where there are few enough to read."""
    changes = mode_stretches(run)[1:]
    return (
        [Event(time_ns=one.start_ns, text=one.mode) for one in changes] if len(changes) <= _MOST_MARKS else []
    )


def _outputs(run: RunRecord, marks: list[Event]) -> Figure:
    panels = []
    for column, tag in enumerate(run.plant.outputs):
        lines = [
            Line(name="measured", time_ns=run.time_ns, value=run.measured[:, column], colour=BLUE, width=1.8)
        ]
        if np.isfinite(run.target[:, column]).any():
            lines.append(
                Line(name="setpoint", time_ns=run.time_ns, value=run.target[:, column], colour=INK, width=1.3,
                     dash="dot")
            )  # fmt: skip
        panels.append(tag_panel(tag, lines))
    caption = (
        "Measured values and the setpoints in force. Broken red lines are limits, drawn where they come "
        "near; dotted uprights are changes of mode."
    )
    return time_figure(panels, caption, marks)


def _moves(run: RunRecord) -> Figure:
    panels = []
    for column, tag in enumerate(run.plant.mvs):
        asked = np.where(run.wrote, np.nan, run.proposed[:, column])
        lines = [
            Line(
                name="in force",
                time_ns=run.time_ns,
                value=run.mv[:, column],
                colour=INK,
                width=1.6,
                held=True,
            )
        ]
        if np.isfinite(asked).any():
            lines.append(
                Line(name="proposed, not written", time_ns=run.time_ns, value=asked, colour=BLUE, dots=True)
            )
        panels.append(tag_panel(tag, lines))
    return time_figure(panels, "As the plant reported them.")


def _kept(run: RunRecord) -> Section:
    """Limits and guardrails: how often, how long and how deep they were broken."""
    rows = [
        [
            found.name,
            "kept" if not found.times else f"broken {words.times(found.times)}",
            str(found.cycles),
            f"{found.deepest:.3g} {found.unit}".strip() if found.times else "–",
            str(found.known),
        ]
        for found in breaches(run)
    ]
    panels = [
        Panel(
            title=name.replace("_", " "),
            unit="safe at 0 or below",
            lines=[Line(name="foreseen, with margin", time_ns=run.time_ns, value=run.guard[:, column])],
            unsafe_above=0.0,
            at_least=(0.0,),
        )
        for column, name in enumerate(run.guard_names)
    ]
    caption = "What the plan foresaw one interval ahead. In the shaded part the plant is unsafe."
    columns = ["limit or guardrail", "kept?", "cycles beyond", "deepest", "cycles known"]
    told = [] if rows else ["No output has limits, and the model has no guardrail."]
    if panels:
        told.append("No instrument measures a guardrail: it is known as far as the model knows it.")
    return Section(
        heading="Limits and guardrails",
        paragraphs=told,
        tables=[PageTable(columns=columns, rows=rows, text_columns=(1,))] if rows else [],
        figures=[time_figure(panels, caption)] if panels else [],
    )


def _at_equal_setpoints(run: RunRecord) -> Section:
    """The same setpoints with the controller's moves and without."""
    rows = [
        [
            f"{one.tag} at {one.setpoint:g} {one.unit}".rstrip(),
            *(words.figure(error) for error in one.error),
            *(str(count) for count in one.cycles),
        ]
        for one in list(equal_setpoints(run))[:_MOST_SETPOINTS]
    ]
    columns = ["CV and setpoint", "with moves", "without", "cycles with", "cycles without"]
    return Section(
        heading="At equal setpoints",
        paragraphs=[
            "Root mean square distance of each CV from its setpoint, with moves of the controller and "
            "without. Only what stands in one line is comparable: another setpoint is another task."
            if rows
            else "No CV had a setpoint for long enough."
        ],
        tables=[PageTable(columns=columns, rows=rows)] if rows else [],
    )


def _modes(run: RunRecord) -> Section:
    found = mode_stretches(run)
    rows = [
        [one.mode, _clock(one.start_ns), lasting((one.end_ns - one.start_ns) / 1e9), str(one.cycles),
         str(one.wrote)]
        for one in found[:_MOST_STRETCHES]
    ]  # fmt: skip
    more = [f"{len(found) - len(rows)} more are not listed."] if len(found) > len(rows) else []
    return Section(
        heading="Modes",
        paragraphs=more,
        tables=[
            PageTable(columns=["mode", "from (UTC)", "for", "cycles", "wrote moves"], rows=rows,
                      text_columns=(1,))
        ],
    )  # fmt: skip


def _surprise(run: RunRecord) -> Section:
    apart_ns = round(_APART * run.plant.interval_s * 1e9)
    found = surprised_stretches(run.time_ns, run.surprise, run.surprised_by, apart_ns=apart_ns)
    if not np.isfinite(run.surprise).any():
        return Section(heading="Surprise", paragraphs=["Nothing is known of it: too little was held out."])
    ends = run.time_ns[[0, -1]]
    lines = [
        Line(name="surprise", time_ns=run.time_ns, value=run.surprise),
        Line(name="reached once a day in ordinary operation", time_ns=ends, value=np.ones(2), colour=GREY,
             dash="dash"),
    ]  # fmt: skip
    panel = Panel(title="surprise", unit="of a day's largest", lines=lines, at_least=(0.0,))
    return Section(
        heading="Surprise",
        paragraphs=["How far the plant went from what the model expected."],
        tables=[stretch_table(found)] if found else [],
        figures=[time_figure([panel], "1 is what ordinary operation reaches once a day.")],
    )


def _events(run: RunRecord) -> Section:
    shown = run.events[:_MOST_EVENTS]
    more = len(run.events) - len(shown)
    return Section(
        heading="Events",
        paragraphs=[
            f"The first {len(shown)} of {len(run.events)} lines of audit.jsonl."
            if more
            else "All lines of audit.jsonl."
            if shown
            else "There is no audit.jsonl in the folder."
        ],
        tables=[
            PageTable(
                columns=["time (UTC)", "what", "who", "text"],
                rows=[[_clock(event.time_ns), event.kind, event.who, event.text] for event in shown],
                text_columns=(1, 2, 3),
            )
        ]
        if shown
        else [],
    )


def _clock(time_ns: int) -> str:
    return iso_utc(time_ns)[:19].replace("T", " ")
