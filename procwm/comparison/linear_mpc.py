"""Linear MPC identified from the same routine log: what good practice without learning reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from jaxtyping import Float

from procwm.comparison.linear_model import LinearModel
from procwm.comparison.linear_program import LinearProgram
from procwm.comparison.linear_soft_sensor import SoftSensor
from procwm.control.decision import Decision
from procwm.control.measurement import nanoseconds
from procwm.data.buffer import SampleBuffer
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import Interval, names_of

_FREE: Interval = (-np.inf, np.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMpcState:
    """What a `LinearMpc` remembers.

    Attributes:
        last_mv: what it wrote last.
        setpoints: in force, by CV.
        buffer: recent samples.
        ahead: the state one row after `seen_ns`, as far as it is known before the inputs between.
        dv: DVs of the last row, scaled.
        seen_ns: time of the last filtered row; `None` before the first.
    """

    last_mv: Mapping[str, float]
    setpoints: Mapping[str, float]
    buffer: SampleBuffer
    ahead: Float[np.ndarray, " state"]
    dv: Float[np.ndarray, " dv"]
    seen_ns: int | None = None


class LinearMpc:
    """A quadratic program on an identified linear model with a disturbance estimate.

    It minimises `metrics.interval_costs` over its horizon, with the same hard limits, largest moves and
    softened limits as every controller. It knows those guardrails that it is given a soft sensor for.
    """

    def __init__(self, model: LinearModel, *, sensors: Sequence[SoftSensor] = (), horizon: int = 40) -> None:
        """A controller of `model.plant`.

        Args:
            model: whose plant ends with the tags of `sensors`.
            sensors: guardrails as soft sensors, in the order of their tags.
            horizon: in intervals.
        """
        self._model, self._plant, self._sensors = model, model.plant, tuple(sensors)
        tags = model.rule.tags
        groups = (self._plant.outputs, self._plant.mvs, self._plant.dvs)
        self._columns = [[tags.index(name) for name in names_of(group)] for group in groups]
        mvs = len(self._plant.mvs)
        self._A, self._C, self._L = model.A, model.C, model.L
        self._B_mv, self._B_dv = model.B[:, :mvs], model.B[:, mvs:]
        guards = tuple(sensor.name for sensor in self._sensors)
        self._program = LinearProgram(model, horizon, guards=guards)

    def start(self, last_mv: Mapping[str, float]) -> LinearMpcState:
        """The state before the first step."""
        return LinearMpcState(
            last_mv=dict(last_mv),
            setpoints={tag.name: tag.setpoint for tag in self._plant.cvs if tag.setpoint is not None},
            buffer=SampleBuffer(self._model.rule),
            ahead=np.zeros(len(self._A)),
            dv=np.zeros(len(self._plant.dvs)),
        )

    def step(
        self,
        samples: Sequence[Sample],
        state: LinearMpcState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, LinearMpcState]:
        """One control cycle."""
        now_ns = nanoseconds(time)
        targets = {**state.setpoints, **(setpoints or {})}
        buffer = state.buffer.push(samples, now_ns=now_ns)
        state = self._filtered(replace(state, buffer=buffer, setpoints=targets), now_ns)
        wanted = []
        for tag in self._plant.outputs:
            setpoint = targets.get(tag.name)
            wanted.append((tag.zone or _FREE) if setpoint is None else (setpoint, setpoint))
        last_mv = np.array([state.last_mv[tag.name] for tag in self._plant.mvs])
        mv = self._program.solve(state.ahead, state.dv, last_mv, wanted)
        written = dict(zip(names_of(self._plant.mvs), mv.tolist(), strict=True))
        return Decision(setpoints=written, reason="linear MPC"), replace(state, last_mv=written)

    def _filtered(self, state: LinearMpcState, now_ns: int) -> LinearMpcState:
        """The state after the rows since the last one seen; all rows of the window at first."""
        rule, model = self._model.rule, self._model
        values = self._with_sensors(state.buffer.window(now_ns).values)
        new = rule.history if state.seen_ns is None else (now_ns - state.seen_ns) // rule.interval_ns
        outputs, mvs, dvs = (values[-new:, columns] for columns in self._columns)
        split = len(self._plant.mvs)
        mv_center, dv_center = np.split(model.input_center, [split])
        mv_scale, dv_scale = np.split(model.input_scale, [split])
        ahead, last_dv = state.ahead, state.dv
        known_mv = np.array([state.last_mv[tag.name] for tag in self._plant.mvs])
        for y, mv, dv in zip(outputs, mvs, dvs, strict=True):
            u = (np.where(np.isfinite(mv), mv, known_mv) - mv_center) / mv_scale
            x = ahead + self._B_mv @ u + self._B_dv @ last_dv
            surprise = (y - model.output_center) / model.output_scale - self._C @ x
            ahead = self._A @ x + self._L @ np.where(np.isfinite(surprise), surprise, 0.0)
            fresh = (dv - dv_center) / dv_scale
            last_dv = np.where(np.isfinite(fresh), fresh, last_dv)
        return replace(state, ahead=ahead, dv=last_dv, seen_ns=now_ns)

    def _with_sensors(self, values: Float[np.ndarray, "row tag"]) -> Float[np.ndarray, "row tag"]:
        """The rows with what the soft sensors make of them in the columns of their tags."""
        measured = values.shape[1] - len(self._sensors)
        sensed = [sensor.read(values[:, :measured])[:, None] for sensor in self._sensors]
        return np.hstack([values[:, :measured], *sensed])
