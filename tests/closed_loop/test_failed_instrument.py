"""An instrument that fails while the plant moves: the controller goes by what it foresaw."""

import math
from dataclasses import replace

import numpy as np
import pytest
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.plant.samples import Quality, Sample
from procwm.world.model import WorldModel

FAILS, LASTS = 12, 6


def _model(*, due: bool = True) -> WorldModel:
    model = model_of(plant_spec())
    due_s = (10.0, 10.0, math.inf, math.inf, 10.0) if due else ()
    rule = replace(model.rule, hold_s=(200.0,) * 5, due_s=due_s)
    return WorldModel(replace(model.parts, rule=rule)).finished()


def _missing(tick: int, samples: list[Sample]) -> list[Sample]:
    failed = FAILS <= tick < FAILS + LASTS
    return [sample for sample in samples if not (failed and sample.tag == "L1")]


def _bad(tick: int, samples: list[Sample]) -> list[Sample]:
    failed = FAILS <= tick < FAILS + LASTS
    return [
        replace(sample, value=0.0, quality=Quality.BAD) if failed and sample.tag == "L1" else sample
        for sample in samples
    ]


def _believed(model: WorldModel, change: object) -> tuple[np.ndarray, np.ndarray, Loop]:
    """L1 as the planner was told it is, and as it was, while a valve opens further and further."""
    planner = StubPlanner(stepping(2.0, 0.0))
    run = loop(model=model, planner=planner, change=change).run(FAILS + LASTS + HISTORY)
    latents = np.stack([problem.latent for problem in planner.problems])
    center, width = model.scaler.part(("L1",))
    believed = latents[:, 0] * width[0] + center[0]
    return believed, run.levels[-len(believed) - 1 : -1, 0], run


@pytest.mark.parametrize("change", [_missing, _bad])
def test_a_level_that_is_not_measured_is_believed_where_it_was_foreseen(change: object) -> None:
    believed, true, _ = _believed(_model(), change)
    assert np.ptp(true) > 5.0
    np.testing.assert_allclose(believed, true, atol=1e-6)


def test_without_knowing_when_samples_are_due_a_held_value_is_believed() -> None:
    believed, true, _ = _believed(_model(due=False), _missing)
    assert np.abs(believed - true).max() > 2.0


def test_what_was_foreseen_teaches_the_disturbance_estimate_nothing() -> None:
    counts = [
        _believed(_model(), change)[2].state.disturbance.count[0]
        for change in (_missing, lambda tick, samples: samples)
    ]
    assert counts[1][0] - counts[0][0] == LASTS
    assert counts[1][1] == counts[0][1]


def test_the_bytes_of_a_state_hold_what_was_foreseen() -> None:
    state = _believed(_model(), _missing)[2].state
    again = type(state).from_bytes(state.to_bytes())
    np.testing.assert_array_equal(again.foreseen, state.foreseen)
    assert len(state.foreseen) == HISTORY
