"""What a replay says of surprise: the curve, the stretches with their tags, and what was not watched."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from procwm.data.series import iso_utc
from procwm.plant.tags import PlantSpec, Role
from procwm.report import words
from procwm.report.figures import BLUE, GREY, Line, Panel, time_figure
from procwm.report.page import Figure, PageTable, Section
from procwm.runtime.replay import ReplayResult
from procwm.runtime.surprised import SurprisedStretch

_MOST_STRETCHES = 20
_SHORT_S = 120.0
"""Of a stretch that is told in seconds."""


def surprise_section(plant: PlantSpec, result: ReplayResult) -> Section:
    """The curve, the stretches above 1 with the tag that told most of each, and which tags are not in it."""
    found = result.surprised_stretches
    paragraphs = [
        "How far the plant went from what the model expected. Long stretches above the broken line say that "
        "something went on that the training log did not hold.",
        _watched(plant, result),
    ]
    if len(found) > _MOST_STRETCHES:
        paragraphs.append(
            f"The {_MOST_STRETCHES} furthest of {len(found)} stretches are listed; replay.json has them all."
        )
    return Section(
        heading="Surprise",
        paragraphs=[text for text in paragraphs if text],
        figures=[_figure(result)],
        tables=[stretch_table(found)] if found else [],
    )


def instrument_section(sentences: Sequence[str]) -> Section:
    """What instruments sent that they should not have, of every tag of the plant file."""
    return Section(
        heading="Instruments",
        paragraphs=[
            "Of every tag of the plant file, whether the model looks at it or not: readings that are not "
            "Good, out of range, stuck at one value or spikes."
            if sentences
            else "No tag of the plant file has a reading that is not Good, out of range, stuck or a spike."
        ],
        bullets=sentences,
    )


def _watched(plant: PlantSpec, result: ReplayResult) -> str:
    moved = {tag.name for tag in plant.of(Role.MV, Role.DV)}
    left = [name for name in plant.names if name not in moved and name not in result.watched]
    if not result.watched:
        return "Too little was held out in training to know what is ordinary: nothing is watched."
    if not left:
        return ""
    return (
        f"Watched are {', '.join(result.watched)}. Training left {', '.join(left)} out, since the CVs do not "
        "depend on them: what becomes of them surprises nobody here; see Instruments."
    )


def stretch_table(found: Sequence[SurprisedStretch]) -> PageTable:
    """The furthest of the stretches that surprised a model, with the tag that told most of each."""
    return PageTable(
        columns=["from (UTC)", "for", "largest", "most of it in"],
        rows=[
            [
                iso_utc(stretch.start_ns)[:19].replace("T", " "),
                lasting((stretch.end_ns - stretch.start_ns) / 1e9),
                f"{stretch.peak:.3g}",
                stretch.tag,
            ]
            for stretch in found[:_MOST_STRETCHES]
        ],
    )


def lasting(seconds: float) -> str:
    """How long a stretch is, in the unit that suits it."""
    if not seconds:
        return "one interval"
    return f"{seconds:g} s" if seconds < _SHORT_S else words.duration(seconds / 3600.0)


def _figure(result: ReplayResult) -> Figure:
    rows = _connected(result)
    line = Line(name="surprise", time_ns=result.grid.time_ns[rows], value=result.surprise[rows], colour=BLUE)
    ends = result.grid.time_ns[[0, -1]]
    usual = Line(
        name="reached once a day in ordinary operation",
        time_ns=ends,
        value=np.ones(2),
        colour=GREY,
        dash="dash",
    )
    count = len(result.watched)
    return time_figure(
        [Panel(title="surprise", unit="of a day's largest", lines=[line, usual], at_least=(0.0,))],
        f"Errors of {count} measured {'tag' if count == 1 else 'tags'}, several intervals ahead; 1 is what "
        "ordinary operation reaches once a day.",
    )


def _connected(result: ReplayResult) -> Int[np.ndarray, " drawn"]:
    """Rows to draw so that a line joins those with a surprise that are less than a window apart.

    Where an analyser answers every few rows there is none between, and a point by itself is not seen.
    """
    known = np.flatnonzero(np.isfinite(result.surprise))
    apart = np.diff(result.grid.time_ns[known]) >= result.grid.rule.span_ns
    return np.union1d(known, known[1:][apart] - 1)
