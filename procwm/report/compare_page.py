"""Pages that put models, or runs, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from procwm.errors import SpecError
from procwm.report import words
from procwm.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE
from procwm.report.matrix_figure import Cell, Curve, matrix_figure, shortened
from procwm.report.page import Figure, Page, PageTable, Section, render
from procwm.runtime.run_figures import breaches, equal_setpoints
from procwm.runtime.run_record import RunRecord
from procwm.world.fitness import kept_verdict
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

_COLOURS, _DASHES = (BLUE, ORANGE, GREEN, PURPLE, GREY), ("solid", "dash", "dot", "dashdot", "dash")
_MOST_MVS, _MOST_OUTPUTS = 6, 12


def models_page(models: Mapping[str, WorldModel], scores: Mapping[str, Mapping[str, Any]], where: str) -> str:
    """One self-contained HTML document.

    Args:
        models: by name, of plants with MVs and outputs in common.
        scores: by name, `Evaluation.as_dict()`; none of a model that was never judged.
        where: what they were scored on, as part of a sentence.

    Raises:
        SpecError: there is no MV or no output that all of them have.
    """
    mvs = _common([model.plant.mv_names for model in models.values()], "MV")[:_MOST_MVS]
    outputs = _common([model.output_names for model in models.values()], "output")[:_MOST_OUTPUTS]
    rows = []
    for name, model in models.items():
        kept = kept_verdict(model.metrics)
        errors = scores.get(name, {}).get("corrected", {})
        length = words.duration(model.horizon * model.plant.interval_s / 3600.0)
        cells = (words.figure(errors.get(lead)) for lead in ("1", "5", "20"))
        rows.append([name, "never judged" if kept is None else str(kept.fitness), length, *cells])
    columns = ["model", "verdict", "foresees", "nRMSE 1 ahead", "5 ahead", "20 ahead"]
    return render(
        Page(
            title="procwm models side by side",
            kicker=" · ".join(models),
            headline=f"{len(models)} models side by side.",
            lead=f"Errors are {where}, {words.CORRECTED}.",
            tiles=[],
            sections=[
                Section(
                    heading="Verdicts and errors",
                    tables=[PageTable(columns=columns, rows=rows, text_columns=(1,))],
                ),
                Section(heading="What every MV does", figures=[_responses(models, mvs, outputs)]),
            ],
        )
    )


def _common(names: Sequence[Sequence[str]], what: str) -> list[str]:
    found = [name for name in names[0] if all(name in others for others in names)]
    if not found:
        raise SpecError(f"there is no {what} that all of these models have: they are of different plants")
    return found


def _responses(models: Mapping[str, WorldModel], mvs: Sequence[str], outputs: Sequence[str]) -> Figure:
    """Every common effect, with a curve for each model."""
    answers = {name: model.per_unit(step_responses(model)) for name, model in models.items()}
    cells = []
    for output in outputs:
        for mv in mvs:
            curves = [
                Curve(
                    name=name,
                    x=np.arange(1, model.horizon + 1) * model.plant.interval_s,
                    y=answers[name][:, model.plant.mv_names.index(mv), model.output_names.index(output)],
                    colour=_COLOURS[place % len(_COLOURS)],
                    dash=_DASHES[place % len(_DASHES)],
                )
                for place, (name, model) in enumerate(models.items())
            ]
            note = " · ".join(words.signed(float(curve.y[-1])) for curve in curves)
            title = f"{shortened(output)} per {shortened(mv)}"
            cells.append(Cell(title=title, note=note, x_title="after, s", curves=curves, zero=True))
    caption = "Rows are outputs, columns are MVs; each MV is raised by one unit and held."
    return matrix_figure(cells, len(mvs), caption)


def runs_page(runs: Mapping[str, RunRecord]) -> str:
    """One self-contained HTML document about `runs` by name: what was kept, and errors at equal setpoints."""
    kept = [
        [
            name,
            str(len(run.time_ns)),
            f"{np.mean([mode == 'auto' for mode in run.mode]):.0%}",
            str(sum(found.times for found in breaches(run))),
            str(sum(found.cycles for found in breaches(run))),
        ]
        for name, run in runs.items()
    ]
    errors: dict[str, dict[str, float]] = {}
    for name, run in runs.items():
        for one in equal_setpoints(run):
            written, without = one.error
            known = written if np.isfinite(written) else without
            errors.setdefault(f"{one.tag} at {one.setpoint:g} {one.unit}".rstrip(), {})[name] = known
    shared = {task: of for task, of in errors.items() if len(of) > 1}
    rows = [[task, *(words.figure(of.get(name)) for name in runs)] for task, of in shared.items()]
    told = (
        "Root mean square distance from the setpoint, in cycles with moves where there are any."
        if rows
        else "These runs have no setpoint in common: another setpoint is another task."
    )
    return render(
        Page(
            title="procwm runs side by side",
            kicker=" · ".join(runs),
            headline=f"{len(runs)} runs side by side.",
            lead="Another day has other disturbances: small differences mean nothing.",
            tiles=[],
            sections=[
                Section(
                    heading="What was kept",
                    tables=[PageTable(columns=["run", "cycles", "in auto", "times broken", "cycles beyond"],
                                      rows=kept)],
                ),
                Section(
                    heading="At equal setpoints",
                    paragraphs=[told],
                    tables=[PageTable(columns=["CV and setpoint", *runs], rows=rows)] if rows else [],
                ),
            ],
        )
    )  # fmt: skip
