"""What a report is made from: values in engineering units, no HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from procwm.plant.tags import PlantSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What a plant did under one controller.

    Attributes:
        name: of the controller, as in `summary.json`.
        time_ns: UTC time of every row.
        outputs: over `PlantSpec.outputs`; NaN where there was no valid measurement.
        mv: in force during the interval that ended at the row's time.
        guard: guardrails, safe where `<= 0`; no columns where nobody knows them.
    """

    name: str
    time_ns: Int[np.ndarray, " present"]
    outputs: Float[np.ndarray, "present output"]
    mv: Float[np.ndarray, "present mv"]
    guard: Float[np.ndarray, "present guard"]


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanTrace:
    """A plan as it was made, to be compared with what came.

    Attributes:
        time_ns: when it was made; row `k` of the horizon axis lies `k + 1` intervals later.
        mv, cv, guard: as in `procwm.planning.problem.Plan`.
        status: how it came out, in words.
    """

    time_ns: int
    mv: Float[np.ndarray, "horizon mv"]
    cv: Float[np.ndarray, "horizon output"]
    guard: Float[np.ndarray, "horizon guard"]
    status: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the plant, in a few words."""

    time_ns: int
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlReport:
    """A closed-loop run of procwm beside other controllers on the same seed.

    Attributes:
        plant: the plant file.
        summary: the content of `summary.json`.
        trajectories: procwm's own first; true values.
        measured: procwm's outputs as the instruments reported them, rows of its trajectory.
        target: setpoints in force; NaN where an output has none.
        guard_names: of the axis `guard` of trajectories.
        plan_guard_names: of the axis `guard` of plans.
        plans: every plan made, oldest first.
        events: setpoint and load changes worth a mark on the time axis.
        how: sentences on how the figures came about, for the last section.
    """

    plant: PlantSpec
    summary: Mapping[str, Any]
    trajectories: Sequence[Trajectory]
    measured: Float[np.ndarray, "present output"]
    target: Float[np.ndarray, "present output"]
    guard_names: Sequence[str]
    plan_guard_names: Sequence[str]
    plans: Sequence[PlanTrace]
    events: Sequence[Event] = ()
    how: Sequence[str] = ()
