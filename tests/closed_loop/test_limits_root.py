"""The limits of the plant file hold, whatever a state, a request, an argument or a planner says."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.control.gate import Gate
from procwm.control.measurement import utc
from procwm.control.stepping import StepTest
from procwm.control.targets import Targets
from procwm.errors import ArtifactError
from procwm.planning.problem import Plan

WIDE = Targets(limits={"V1": (-1000.0, 1000.0), "L1": (-1000.0, 1000.0), "V2": (95.0, 99.0)})


@pytest.fixture(scope="module")
def run() -> Loop:
    return loop(planner=StubPlanner(stepping(-50.0, 50.0))).run(HISTORY)


def stepped(run: Loop, state: Any) -> Any:
    return run.controller.step(run.plant._queue, state, time=utc(run.plant.time_ns))


def test_forged_limits_in_a_state_widen_nothing(run: Loop) -> None:
    decision, _ = stepped(run, replace(run.state, targets=WIDE))
    problem = run.controller.planner.problems[-1]
    assert (problem.mv_low.tolist(), problem.mv_high.tolist()) == ([10.0, 10.0], [90.0, 90.0])
    assert (problem.low[0], problem.high[0]) == (5.0, 95.0)
    assert decision.limits["V1"] == decision.limits["V2"] == (10.0, 90.0)


def test_the_gate_looks_at_the_plant_file_and_not_only_at_the_problem(run: Loop) -> None:
    stepped(run, run.state)
    forged = replace(
        run.controller.planner.problems[-1],
        mv_low=np.full(2, -1000.0),
        mv_high=np.full(2, 1000.0),
        max_move=np.full(2, np.inf),
    )
    gate = Gate(plant=run.controller.plant, guard_names=())
    outside: Plan = stepping(-57.0, 0.0)(forged)
    assert gate.refusal(outside, forged) == "V1: the plan asks for -7 %, outside [10, 90]"
    assert gate.setpoints(outside.mv[0], forged, ()) == {"V1": 10.0, "V2": 50.0}
    inside = stepping(-20.0, 20.0)(forged)
    assert gate.refusal(inside, forged) is None


def test_an_mv_beyond_its_limits_that_is_held_keeps_no_other_from_moving(run: Loop) -> None:
    stepped(run, run.state)
    where = np.array([3.0, 50.0])
    posed = run.controller.planner.problems[-1]
    held = replace(posed, last_mv=where, mv_low=np.array([3.0, 10.0]), mv_high=np.array([3.0, 90.0]))
    gate = Gate(plant=run.controller.plant, guard_names=())
    assert gate.refusal(stepping(0.0, 5.0)(held), held) is None
    assert gate.setpoints(where, held, ("V1",)) == {"V2": 50.0}


def test_a_step_refuses_the_state_of_another_controller(run: Loop) -> None:
    other = Controller(plant_spec(mv_limits=(0.0, 90.0)), model_of(plant_spec()))
    foreign = other.start({"V1": 0.0, "V2": 0.0})
    for call in (run.controller.step, run.controller.observe):
        with pytest.raises(ArtifactError, match="the state was made with another"):
            call([], foreign, time=utc(run.plant.time_ns))
    unlike = Controller(plant_spec(), model_of(plant_spec(), guard_above=70.0))
    with pytest.raises(ArtifactError, match="the state was made with another model"):
        stepped(run, unlike.start({"V1": 50.0, "V2": 50.0}))


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"targets": WIDE}, r"V1: limits \[-1000\.0, 1000\.0\] are not inside \[10\.0, 90\.0\]"),
        ({"targets": Targets(setpoints={"L1": 500.0})}, "L1: setpoint 500"),
        ({"targets": Targets(zones={"L1": (40.0, 400.0)})}, r"L1: zone \[40\.0, 400\.0\]"),
        ({"targets": Targets(off=("F1",))}, "F1: only CVs and MVs can be switched"),
        ({"targets": Targets(setpoints={"L9": 50.0})}, "L9"),
        ({"in_force": (float("nan"), 50.0)}, "V1: its value in force"),
        ({"in_force": (50.0,)}, "shorter"),
    ],
)
def test_a_restored_state_that_holds_what_the_plant_file_forbids_is_refused(
    run: Loop, forged: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArtifactError, match=f"the state is none of this plant .*{said}.*start without it"):
        run.controller.restore(replace(run.state, **forged).to_bytes())


def test_a_restored_state_with_the_samples_of_another_window_is_refused(run: Loop) -> None:
    rule = replace(run.state.buffer.rule, hold_s=(1e9,) * 5)
    state = replace(run.state, buffer=replace(run.state.buffer, rule=rule))
    with pytest.raises(ArtifactError, match="samples for another window"):
        run.controller.restore(state.to_bytes())


def test_a_state_is_restored_with_all_that_was_asked_for(run: Loop) -> None:
    asked = Targets(
        setpoints={"L1": 55.0}, zones={"L2": (40.0, 60.0)}, limits={"V1": (20.0, 80.0)}, off=("V2",)
    )
    state = replace(run.state, targets=asked, test=StepTest(base=(50.0, 50.0), begun_ns=1))
    assert run.controller.restore(state.to_bytes()).targets == asked


def test_a_state_that_is_nested_deeper_than_can_be_read_is_refused(run: Loop) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    head = run.state.to_bytes().partition(b" ")[0] + b" 3 " + hashlib.sha256(body).hexdigest().encode()
    with pytest.raises(ArtifactError, match="the state cannot be read"):
        run.controller.restore(head + b"\n" + body)
