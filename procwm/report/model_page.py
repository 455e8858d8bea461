"""The page of a model: what MVs do in it, how well it foresees, where its log was, and what it is fit for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from procwm.learning.evaluation.operating_points import OperatingPoints, kept_points
from procwm.learning.evaluation.traces import TRACES
from procwm.plant.tags import Role, Tag
from procwm.report import words
from procwm.report.effects_section import effects_section
from procwm.report.figures import GREY, score_figure
from procwm.report.matrix_figure import Cell, Curve, matrix_figure, shortened
from procwm.report.page import Page, PageTable, Section, render
from procwm.world.conformal import BAND_COVERAGE
from procwm.world.fitness import Verdict, kept_verdict
from procwm.world.model import WorldModel

_MAPS, _MAP_COLUMNS = 6, 2
_MODELS = {"model": "procwm", "linear": "linear model", "persistence": "persistence"}


def model_page(model: WorldModel) -> str:
    """One self-contained HTML document about `model`, from what was found out when it was learned."""
    plant, verdict = model.plant, kept_verdict(model.metrics)
    scores: Mapping[str, Any] = model.metrics.get("validation", {})
    gains: Sequence[Mapping[str, Any]] = scores.get("gains", ())
    return render(
        Page(
            title=f"procwm model of {plant.name}",
            kicker=f"{plant.name} · {_learned_from(model)}",
            headline=_headline(plant.name, verdict),
            lead="" if verdict is None else f"{_sentence(verdict.reason)} Next: {_sentence(verdict.next)}",
            tiles=[
                (f"{len(plant.mvs)} × {len(model.output_names)}", "MVs, and the outputs that they move"),
                (words.duration(model.horizon * plant.interval_s / 3600.0), "foreseen: "
                 f"{model.horizon} intervals of {plant.interval_s:g} s"),
                (str(len(model.rule.tags)), f"of {len(plant.tags)} tags are looked at"),
                (str(len(model.guard_names)), "guardrails learned"),
            ],
            sections=list(_sections(model, scores, gains)),
        )
    )  # fmt: skip


def _sections(
    model: WorldModel, scores: Mapping[str, Any], gains: Sequence[Mapping[str, Any]]
) -> Iterator[Section]:
    yield effects_section(model, gains)
    if scores:
        yield _errors(model, scores)
    if (points := kept_points(model.metrics)) is not None:
        yield _operated(model, points, gains)
    yield _left_out(model)
    if model.guard_heads or model.sensor_heads:
        yield _heads(model)


def _headline(plant: str, verdict: Verdict | None) -> str:
    if verdict is None:
        return f"This model of the {plant} was never judged."
    return f"This model of the {plant} is {verdict.fitness}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _learned_from(model: WorldModel) -> str:
    stretches = model.metrics.get(TRACES, {}).get("stretches")
    if not stretches:
        return "from a log of which nothing is kept"
    many = f" in {len(stretches)} stretches" if len(stretches) > 1 else ""
    return f"learned from {stretches[0][0][:16]}Z to {stretches[-1][1][:16]}Z{many}"


def _errors(model: WorldModel, scores: Mapping[str, Any]) -> Section:
    """Overall as curves, by CV as a table."""
    curves = {
        "nrmse": scores.get("corrected", scores["nrmse"]),
        "linear": scores.get("linear_corrected", scores["linear"]),
        "persistence": scores["persistence"],
    }
    where = f"on the end of the log, which the model that was judged had not seen, {words.CORRECTED}"
    overall, figure = score_figure(curves, where)
    return Section(
        heading="How well it foresees",
        tables=[overall, *_by_cv(model, scores)],
        figures=[figure],
    )


def _by_cv(model: WorldModel, scores: Mapping[str, Any]) -> Iterator[PageTable]:
    """Errors of every CV by lead, with the band that holds most of them."""
    by_model = scores.get("corrected_by_output")
    if not by_model:
        return
    leads = sorted(by_model["model"], key=int)
    rows = [
        [f"{tag.name}, {name}", *(words.figure(by_model[key][lead][tag.name]) for lead in leads)]
        for tag in model.plant.cvs
        for key, name in _MODELS.items()
        if key in by_model
    ]
    yield PageTable(columns=["nRMSE of each CV", *(f"{lead} ahead" for lead in leads)], rows=rows)
    if model.band is not None:
        within = [lead for lead in leads if int(lead) <= model.horizon]
        widths = [
            [f"{name}, {model.plant.tag(name).unit}".rstrip(", "),
             *(f"± {words.figure(model.half_width[int(lead) - 1, column])}" for lead in within)]
            for column, name in enumerate(model.output_names)
        ]  # fmt: skip
        yield PageTable(
            columns=[f"band of {BAND_COVERAGE:.0%} of readings", *(f"{lead} ahead" for lead in within)],
            rows=widths,
        )


def _operated(model: WorldModel, points: OperatingPoints, gains: Sequence[Mapping[str, Any]]) -> Section:
    """Where the log was, as ranges by tag and as maps of the strongest pairs."""
    tags = [tag for tag in model.plant.of(Role.CV, Role.MV, Role.DV) if tag.name in points.tags]
    pairs = _strongest(gains)[:_MAPS]
    cells = [_map(model.plant.tag(mv), model.plant.tag(output), points) for mv, output in pairs]
    figure = matrix_figure(
        cells,
        min(_MAP_COLUMNS, max(len(cells), 1)),
        "Moments of the log. Broken red lines are limits. What lies far from the dots is a guess.",
    )
    return Section(
        heading="Where the log was",
        paragraphs=["A model knows what its log shows: between these values, and not beyond them."],
        tables=[
            PageTable(
                columns=["tag", "role", "unit", "1 % below", "half below", "99 % below", "of its limits"],
                rows=[row for tag in tags if (row := _range(tag, points)) is not None],
                text_columns=(1, 2),
            )
        ],
        figures=[figure] if cells else [],
    )


def _range(tag: Tag, points: OperatingPoints) -> list[str] | None:
    """Quantiles of one tag; `None` where it was never measured."""
    values = points.of(tag.name)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, middle, high = np.quantile(values, (0.01, 0.5, 0.99)).tolist()
    bounds = tag.bounds
    share = f"{(high - low) / (bounds[1] - bounds[0]):.0%}"
    return [tag.name, str(tag.role), tag.unit, *(words.figure(value) for value in (low, middle, high)), share]


def _strongest(gains: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """For every output the MV that moves it most in the log."""
    best: dict[str, Mapping[str, Any]] = {}
    for gain in gains:
        kept = best.get(gain["output"])
        if kept is None or (gain["share"] or 0.0) > (kept["share"] or 0.0):
            best[gain["output"]] = gain
    return [(gain["mv"], output) for output, gain in best.items()]


def _map(mv: Tag, output: Tag, points: OperatingPoints) -> Cell:
    return Cell(
        title=shortened(output.name),
        note=output.unit,
        x_title=f"{shortened(mv.name)}{', ' if mv.unit else ''}{mv.unit}",
        curves=[
            Curve(name="a moment of the log", x=points.of(mv.name), y=points.of(output.name), colour=GREY,
                  dots=True)
        ],
        x_marks=mv.limits,
        y_marks=output.limits,
    )  # fmt: skip


def _left_out(model: WorldModel) -> Section:
    """Tags that the model does not look at, and what training had to say."""
    left = [name for name in model.plant.names if name not in model.rule.tags]
    notes = [_sentence(note) for note in model.metrics.get("notes", ()) if not note.startswith("left out")]
    told = "Nothing: every tag of the plant file is looked at."
    if left:
        told = f"Not looked at: {', '.join(left)}. They tell nothing of the CVs that other tags do not."
    return Section(heading="What was left out", paragraphs=[told], bullets=notes)


def _heads(model: WorldModel) -> Section:
    rows = [
        [head.name, "guardrail", "safe at 0 or below", f"{head.coverage:.0%}"] for head in model.guard_heads
    ]
    rows += [
        [head.name, "soft sensor", f"± {words.figure(head.half_width)}", f"{head.coverage:.0%}"]
        for head in model.sensor_heads
    ]
    return Section(
        heading="Learned from labels",
        tables=[
            PageTable(columns=["name", "kind", "how it reads", "coverage"], rows=rows, text_columns=(1, 2))
        ],
    )
