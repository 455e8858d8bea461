"""What a model makes of every MV: step responses with their doubt, beside what the log shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.report import words
from procwm.report.figures import BLUE, GREY
from procwm.report.matrix_figure import Cell, Curve, matrix_figure, shortened
from procwm.report.page import PageTable, Section
from procwm.world.effects import SURE, shown_effects
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

_MOST_MVS, _MOST_OUTPUTS = 8, 16
_LONG_S, _LONGER_S = 600.0, 36_000.0
"""Of a horizon that is told in minutes, and in hours."""


def effects_section(model: WorldModel, gains: Sequence[Mapping[str, Any]]) -> Section:
    """The matrix of step responses, and a row for every effect.

    Args:
        gains: of the evaluation that the model was judged by, as JSON has them.
    """
    mvs, outputs = model.plant.mv_names[:_MOST_MVS], model.output_names[:_MOST_OUTPUTS]
    response = model.per_unit(step_responses(model))
    left = len(model.plant.mvs) * len(model.output_names) - len(mvs) * len(outputs)
    paragraphs = [
        "Each MV is raised by one unit and held, from where the log mostly was, and everything else stays. "
        f"The band is {SURE:g} standard errors of what the log tells of the linear part of the answer: "
        "where it holds zero throughout, the log does not show the effect, and the controller hardly counts "
        "on it. An MV that is moved back acts less than one that is held: model and log are compared by the "
        "moves of the log.",
    ]
    if left:
        paragraphs.append(f"{left} more effects are in the table alone.")
    figure = matrix_figure(
        _cells(model, response, gains, len(mvs), len(outputs)),
        len(mvs),
        "Rows are outputs, columns are MVs; the second line is the change at the end, and the dead time.",
    )
    return Section(
        heading="What every MV does",
        paragraphs=paragraphs,
        tables=[_table(model, response, gains)] if gains else [],
        figures=[figure],
    )


def _cells(
    model: WorldModel,
    response: Float[np.ndarray, "horizon mv output"],
    gains: Sequence[Mapping[str, Any]],
    mvs: int,
    outputs: int,
) -> list[Cell]:
    error = model.response_error
    shown, told = shown_effects(model), {(gain["mv"], gain["output"]): gain for gain in gains}
    unit, per = _time_unit(model.horizon * model.plant.interval_s)
    time = np.arange(1, model.horizon + 1) * model.plant.interval_s / per
    cells = []
    for row, output in enumerate(model.output_names[:outputs]):
        for column, mv in enumerate(model.plant.mv_names[:mvs]):
            answer, doubt = response[:, column, row], SURE * error[:, column, row]
            known = told.get((mv, output))
            dead = f", dead {known['dead_s']:g} s" if known else ""
            cells.append(
                Cell(
                    title=f"{shortened(output)} per {shortened(mv)}",
                    note=f"{words.signed(float(answer[-1]))}{dead}",
                    x_title=f"after, {unit}",
                    curves=_curves(time, answer, doubt, told=bool(shown[column, row])),
                    zero=True,
                )
            )
    return cells


def _curves(
    time: Float[np.ndarray, " row"],
    answer: Float[np.ndarray, " row"],
    doubt: Float[np.ndarray, " row"],
    *,
    told: bool,
) -> list[Curve]:
    name = "the model's answer" if told else "an answer that the log does not show"
    line = Curve(name=name, x=time, y=answer, colour=BLUE if told else GREY, dash="solid" if told else "dot")
    if not doubt.any():
        return [line]
    band = Curve(name="confidence band", x=time, y=answer - doubt, until=answer + doubt, colour=GREY)
    return [band, line]


def _time_unit(horizon_s: float) -> tuple[str, float]:
    if horizon_s < _LONG_S:
        return "s", 1.0
    return ("min", 60.0) if horizon_s < _LONGER_S else ("h", 3600.0)


def _table(
    model: WorldModel,
    response: Float[np.ndarray, "horizon mv output"],
    gains: Sequence[Mapping[str, Any]],
) -> PageTable:
    mvs, outputs = model.plant.mv_names, model.output_names
    return PageTable(
        columns=["effect", "unit", "held", "dead time, s", "by the plant file", "model, as moved",
                 "log, as moved", "of the CV's moves"],
        rows=[
            _row(model, float(response[-1, mvs.index(gain["mv"]), outputs.index(gain["output"])]), gain)
            for gain in gains
        ],
    )  # fmt: skip


def _row(model: WorldModel, held: float, gain: Mapping[str, Any]) -> list[str]:
    mv, output = model.plant.tag(gain["mv"]), model.plant.tag(gain["output"])
    logged, error = gain["logged"], gain["error"]
    return [
        f"{output.name} per {mv.name}",
        f"{output.unit or '1'}/{mv.unit or '1'}",
        words.signed(held),
        f"{gain['dead_s']:g}",
        {"+": "raises", "-": "lowers"}.get(gain["known"] or "", "–"),
        words.signed(gain["foreseen"]),
        "unknown" if logged is None or error is None else f"{words.signed(logged)} ± {error:.2g}",
        f"{gain['share']:.0%}" if gain["share"] is not None else "–",
    ]
