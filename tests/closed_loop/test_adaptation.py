"""A plant whose gains are no longer those of its model: told, taken up, undone, and never with a jump."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from linear_loop import Dynamics, Loop, loop, plant_spec

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.control.state import ControllerState
from procwm.plant.contract import Adapt
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec

MAX_MOVE = 8.0
HOLD = 40


def spec(adapt: Adapt) -> PlantSpec:
    plant = plant_spec()
    return replace(plant, control=replace(plant.control, adapt=adapt))


def operated(controlled: Loop, holds: int, *, seed: int = 0) -> Loop:
    """`controlled` after as many setpoint changes, which are the same for every loop."""
    rng = np.random.default_rng(seed)
    for _ in range(holds):
        wished = rng.uniform(35.0, 65.0, 2)
        controlled.run(HOLD, setpoints={"L1": float(wished[0]), "L2": float(wished[1])})
    return controlled


def made(adapt: Adapt, *, gain: float, holds: int, **plant: Any) -> Loop:
    return operated(loop(spec(adapt), dynamics=Dynamics(gain=gain), noise=0.1, **plant), holds)


def corrupted(until: int) -> Callable[[int, list[Sample]], list[Sample]]:
    """Samples of a first level that reads twice as far from the middle, until tick `until`."""

    def change(tick: int, samples: list[Sample]) -> list[Sample]:
        if tick >= until:
            return samples
        return [replace(s, value=2.0 * s.value - 50.0) if s.tag == "L1" else s for s in samples]

    return change


def told(controlled: Loop) -> list[str]:
    return [decision.adapted for decision in controlled.decisions or [] if decision.adapted]


@pytest.fixture(scope="module")
def advised() -> Loop:
    return made(Adapt.ADVISE, gain=2.0, holds=20)


@pytest.fixture(scope="module")
def adapted() -> Loop:
    return made(Adapt.ON, gain=2.0, holds=20)


def test_advise_tells_what_changed_with_its_evidence_and_changes_nothing(advised: Loop) -> None:
    said = [text for text in told(advised) if text.startswith("advised: ")]
    assert said, told(advised)
    assert "squared errors are" in said[0]
    assert advised.state.adaptation.version == 0
    assert any("advised" in note for note in advised.decisions[-1].notes)  # type: ignore[index]
    nobody_looks = made(Adapt.OFF, gain=2.0, holds=20)
    np.testing.assert_array_equal(advised.moves, nobody_looks.moves)


def test_on_takes_up_a_version_that_foresees_better_and_no_move_jumps(adapted: Loop) -> None:
    assert adapted.state.adaptation.version >= 1
    assert any(text.startswith("version 1: ") for text in told(adapted))
    assert np.abs(np.diff(adapted.moves, axis=0)).max() <= MAX_MOVE + 1e-9
    decisions = adapted.decisions or []
    switch = next(k for k, decision in enumerate(decisions) if decision.version == 1)
    around = np.abs(np.diff(adapted.moves, axis=0))
    usual = np.quantile(around.max(axis=1), 0.99)
    assert around[switch : switch + 3].max() <= usual + 1e-9, "the switch itself moves nothing"
    assert all(0.4 <= factor <= 2.5 for factor in adapted.state.adaptation.scales.factor)


def test_a_model_that_is_right_stays_as_it_was_trained_whatever_loads_come() -> None:
    rng = np.random.default_rng(5)
    loads = [np.zeros(2)]
    for _ in range(1000):
        loads.append(0.97 * loads[-1] + 0.15 * rng.standard_normal(2))
    right = made(Adapt.ON, gain=1.0, holds=20, load=lambda tick: loads[min(tick, 1000)])
    assert told(right) == []
    assert right.state.adaptation.version == 0


def test_a_controller_that_was_killed_goes_on_with_the_same_version_and_without_a_jump(adapted: Loop) -> None:
    data = adapted.state.to_bytes()
    again = ControllerState.from_bytes(data)
    assert again.to_bytes() == data
    controller = Controller(adapted.plant.spec, adapted.controller.model, clock=lambda: 0.0)
    restored = controller.restore(data)
    assert restored.adaptation.scales == adapted.state.adaptation.scales
    samples, time = adapted.plant.drain(), adapted.plant.time_ns
    here, _ = adapted.controller.step(samples, adapted.state, time=utc(time))
    there, _ = controller.step(samples, restored, time=utc(time))
    assert here.setpoints == there.setpoints
    assert here.version == there.version >= 1


def test_the_model_as_trained_is_back_soon_after_the_plant_is(adapted: Loop) -> None:
    state, plant = adapted.state, adapted.plant
    returned = Loop(type(plant)(plant.spec, Dynamics(), noise=0.1), adapted.controller)
    returned.run(1)
    returned.state = replace(
        returned.state,
        adaptation=replace(state.adaptation, candidate=None),
    )
    operated(returned, 4)
    assert any(text.startswith("back to the model as trained: ") for text in told(returned)), told(returned)
    assert returned.state.adaptation.scales.trained


def test_what_a_corrupted_sensor_taught_is_undone_once_the_loop_moves_with_the_sensor_mended() -> None:
    """Within five horizons; one has too few errors to tell by."""
    ends = 480
    mended = loop(spec(Adapt.ON), noise=0.1, seed=2, change=corrupted(ends))
    rng = np.random.default_rng(2)
    for _ in range(ends // HOLD + 2):
        mended.run(HOLD, setpoints={"L1": float(rng.uniform(35, 65)), "L2": float(rng.uniform(35, 65))})
    decisions = mended.decisions or []
    assert decisions[ends - 1].version == 1, told(mended)
    assert mended.state.adaptation.scales.trained, told(mended)
    back = [tick for tick, each in enumerate(decisions) if each.adapted.startswith("back to")]
    assert ends <= back[0] <= ends + 5 * mended.controller.model.horizon
    assert np.abs(np.diff(mended.moves, axis=0)).max() <= MAX_MOVE + 1e-9


def test_an_engineer_can_ask_for_the_model_as_trained_at_any_time(adapted: Loop) -> None:
    state = adapted.controller.as_trained(adapted.state, "the pump was repaired")
    assert state.adaptation.scales.trained
    assert state.adaptation.version == adapted.state.adaptation.version + 1
    assert state.adaptation.told == "back to the model as trained: the pump was repaired"
    assert state.in_force == adapted.state.in_force


def test_a_cycle_whose_foresight_is_not_finite_teaches_nothing() -> None:
    run = loop(spec(Adapt.ADVISE), noise=0.1).run(40, setpoints={"L1": 60.0})
    before = run.state.adaptation
    assert before.past.full
    spoiled = replace(before.past, latent=np.full_like(before.past.latent, np.nan))
    run.state = replace(run.state, adaptation=replace(before, past=spoiled))
    run.run(1)
    after = run.state.adaptation.estimate
    for name in ("error", "response", "instrument"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before.estimate, name))
