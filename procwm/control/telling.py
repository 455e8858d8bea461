"""What one cycle came to, as the decision that is told and recorded."""

from types import MappingProxyType

import numpy as np

from procwm.control import modes
from procwm.control.deciding import CycleOutcome
from procwm.control.decision import Decision
from procwm.control.seen import Seen
from procwm.control.state import ControllerState
from procwm.plant.tags import PlantSpec


def decision(
    plant: PlantSpec, outcome: CycleOutcome, state: ControllerState, seen: Seen, step_s: float
) -> Decision:
    """The decision of a cycle that came to `outcome`, in `state` after it."""
    output = zip(plant.output_names, seen.measured.output.tolist(), strict=True)
    return Decision(
        # With every MV held there is a plan and nothing to write.
        setpoints=(outcome.proposed or None) if state.mode.actual in modes.WRITING else None,
        reason=outcome.reason,
        plan=outcome.plan,
        mode=state.mode.actual,
        requested=state.mode.requested,
        mode_reason=state.mode.reason,
        rung=outcome.rung,
        proposed=outcome.proposed,
        held=outcome.held,
        target=state.targets.in_force(plant),
        zone=state.targets.zones_in_force(plant),
        limits=state.targets.limits_in_force(plant),
        off=state.targets.off,
        measured=MappingProxyType({name: value for name, value in output if np.isfinite(value)}),
        bias=state.disturbance.bias,
        notes=(*seen.notes, *state.swings.notes(plant), *state.adaptation.notes),
        version=state.adaptation.version,
        adapted=state.adaptation.told,
        surprise=seen.surprise,
        sensed=seen.sensed,
        step_s=step_s,
        time_ns=seen.time_ns,
    )
