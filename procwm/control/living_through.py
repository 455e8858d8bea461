"""Ticks of the past at once: what a controller knows that has lived through them one after the other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from procwm.control.disturbance import DisturbanceEstimator
from procwm.control.first_heard import at_rest_before, first_heard
from procwm.control.measurement import rows_wanted
from procwm.control.modes import Mode
from procwm.control.pace import Pace
from procwm.control.state import ControllerState
from procwm.data.buffer import SampleBuffer
from procwm.data.series import series_of
from procwm.data.window import Window, WindowRule, held
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel


def columns_of(plant: PlantSpec, rule: WindowRule) -> dict[str, list[int]]:
    """Columns of a window that hold the MVs, the DVs and the outputs, by axis."""
    axes = {"mv": plant.mvs, "dv": plant.dvs, "cv": plant.outputs}
    return {axis: [rule.tags.index(tag.name) for tag in tags] for axis, tags in axes.items()}


class LivingThrough:
    """Ticks of a past that holds nothing out of the ordinary, for which no tick needs the one before.

    Args:
        plant: whose past it is.
        model: that encodes it.
        estimator: of the disturbance.
    """

    def __init__(self, plant: PlantSpec, model: WorldModel, estimator: DisturbanceEstimator) -> None:
        self._plant, self._model, self._estimator = plant, model, estimator
        self._columns = columns_of(plant, model.rule)

    def after(
        self, state: ControllerState, samples: Sequence[Sample], times: Sequence[int]
    ) -> ControllerState | None:
        """`state`, which has had no tick yet, after those at `times`.

        `None` where that takes more than the window of each tick: a tag is heard for the first time or is
        overdue, too little was measured, or the controller is off.

        Args:
            state: has no tick behind it.
            samples: in order of time; those after the last tick are not looked at.
            times: of the ticks, an interval apart.
        """
        if not times or state.mode.actual is Mode.OFF:
            return None
        end_ns, rule = times[-1], self._model.rule
        samples = [sample for sample in samples if sample.source_ns <= end_ns]
        believed = self._in_force(state, samples, times)
        rows = SampleBuffer(replace(rule, history=rule.history - 1 + len(times)))
        rows = rows.push([*samples, *believed], now_ns=end_ns)
        whole, overdue = rows.window(end_ns), rows.overdue(end_ns)
        windows = _windows(whole, times, rule.history)
        if overdue[:, self._columns["cv"]].any() or not self._ordinary(windows):
            return None
        mv, dv, output = (whole.values[-len(times) :, self._columns[axis]] for axis in ("mv", "dv", "cv"))
        dv = _held(dv, np.array(state.dv))
        measured = whole.measured[-len(times) :, self._columns["cv"]]
        disturbance, foreseen = self._estimator.lived_through(
            latent=self._encoded(windows), mv=mv, dv=dv, output=np.where(measured, output, np.nan)
        )
        pace = Pace(times[0], (times[0],))
        for now_ns in times[1:]:
            pace = pace.after(now_ns, rule)
        state = state.observed(self._plant.mvs, samples, end_ns)
        return replace(
            state,
            buffer=state.buffer.push(believed, now_ns=end_ns),
            dv=tuple(dv[-1].tolist()),
            disturbance=disturbance,
            foreseen=foreseen[-rule.history :],
            time_ns=end_ns,
            pace=pace,
        )

    def _in_force(
        self, state: ControllerState, samples: Sequence[Sample], times: Sequence[int]
    ) -> list[Sample]:
        """What each MV was at each tick, as `ControllerState.observed` has it."""
        ticks, found = np.array(times, dtype=np.int64), []
        for tag, known in zip(self._plant.mvs, state.in_force, strict=True):
            reports = series_of([sample for sample in samples if sample.tag == tag.name]).usable
            values = held(reports, ticks, np.inf)
            for value, now_ns in zip(np.where(np.isfinite(values), values, known), times, strict=True):
                found.append(Sample(tag.name, float(value), Quality.GOOD, now_ns))
        return found

    def _ordinary(self, windows: Sequence[Window]) -> bool:
        """Whether every one of `windows` has enough in it, and none the first value of a tag."""
        wanted = rows_wanted(self._model.rule.history)
        return all(
            window.valid[:, self._columns["cv"]].any(axis=1).sum() >= wanted
            and not (len(window.values) > 1 and first_heard(window).any())
            for window in windows
        )

    def _encoded(self, windows: Sequence[Window]) -> Float[np.ndarray, "tick latent"]:
        with torch.inference_mode():
            latent = self._model.encode(self._model.model_input([at_rest_before(one) for one in windows]))
        return latent.cpu().numpy().astype(np.float64)


def _windows(rows: Window, times: Sequence[int], history: int) -> list[Window]:
    """The windows of so much `history` that end at `times`, the last rows of `rows`, as views."""
    return [
        Window(end_ns, rows.values[part], rows.valid[part], rows.measured[part])
        for first, end_ns in enumerate(times)
        for part in [slice(first, first + history)]
    ]


def _held(
    values: Float[np.ndarray, "tick dv"], known: Float[np.ndarray, " dv"]
) -> Float[np.ndarray, "tick dv"]:
    """`values` with the last one before in place of each that is missing, or what is `known`."""
    rows = np.concatenate((known[None], values))
    place = np.where(np.isfinite(rows), np.arange(len(rows))[:, None], 0)
    return np.take_along_axis(rows, np.maximum.accumulate(place, axis=0), axis=0)[1:]
