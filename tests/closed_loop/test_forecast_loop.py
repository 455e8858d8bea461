"""A loop that knows what is coming acts before it comes, and is led along its reference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from linear_loop import INTERVAL_S, Loop, loop, model_of, plant_spec

from procwm.control.measurement import utc
from procwm.plant.tags import PlantSpec


def with_reference(**options: float) -> PlantSpec:
    spec = plant_spec()
    tags = tuple(replace(tag, **options) if tag.name == "L1" else tag for tag in spec.tags)  # type: ignore[arg-type]
    return replace(spec, tags=tags)


def told(run: Loop, forecast: Mapping[str, Sequence[float]]) -> None:
    """One more cycle, with a forecast."""
    decision, run.state = run.controller.step(
        run.plant.drain(), run.state, time=utc(run.plant.time_ns), forecast=forecast
    )
    assert decision.setpoints is not None
    run.plant.enter(decision.setpoints)
    run.plant.advance()


def test_a_disturbance_that_is_known_ahead_is_met_before_it_comes() -> None:
    def worst(ahead: int) -> float:
        run = loop().run(6)
        for tick in range(20):
            if tick == 6:
                run.plant.dv = np.array([90.0])
            values = np.where(np.arange(1, 11) + tick > 6, 90.0, 50.0)
            told(run, {"F1": values[:ahead].tolist()} if ahead and tick <= 6 else {})
        return float(np.abs(run.levels - 50.0).max())

    assert worst(10) < 0.6 * worst(0)


def test_a_setpoint_that_is_known_ahead_is_anticipated_and_stays_for_that_step_only() -> None:
    run = loop().run(6)
    resting = run.moves[-1].copy()
    told(run, {"L1": [50.0, 50.0, 60.0]})
    assert run.moves[-1, 0] > resting[0] + 1.0
    assert run.controller.plant.tag("L1").setpoint == 50.0
    assert run.state.targets.in_force(run.controller.plant)["L1"] == 50.0


def test_a_level_is_led_along_its_reference_and_ends_without_offset_under_a_load() -> None:
    spec = with_reference(reference_s=8 * INTERVAL_S)
    run = loop(spec, model=model_of(spec), load=lambda tick: (0.4, 0.0)).run(40)
    assert run.levels[-1] == pytest.approx([50.0, 50.0], abs=0.05)
    run.run(60, setpoints={"L1": 60.0})
    left = 60.0 - run.levels[41:61, 0]
    expected = 10.0 * np.exp(-np.arange(1, 21) / 8.0)
    assert left == pytest.approx(expected, abs=1.5)
    assert run.levels[-1, 0] == pytest.approx(60.0, abs=0.05)
