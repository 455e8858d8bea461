"""A loop with a valve that knows three positions only."""

from dataclasses import replace

import numpy as np
import pytest
from linear_loop import loop, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.plant.tags import PlantSpec


def stepped() -> PlantSpec:
    spec = plant_spec()
    tags = tuple(
        replace(tag, levels=(30.0, 50.0, 70.0), max_move=20.0) if tag.name == "V2" else tag
        for tag in spec.tags
    )
    return replace(spec, tags=tags)


def test_only_levels_are_written_and_the_other_valve_makes_up_for_it() -> None:
    run = loop(stepped(), load=lambda tick: (0.3, -0.2)).run(5)
    run.run(20, setpoints={"L1": 54.0})
    assert np.isin(run.moves[:, 1], [30.0, 50.0, 70.0]).all()
    assert len(np.unique(run.moves[:, 0])) > 5
    assert run.levels[-5:, 0].mean() == pytest.approx(54.0, abs=1.0)


@pytest.mark.parametrize("move", [5.0, 19.9])
def test_a_planner_that_asks_for_any_other_level_is_refused(move: float) -> None:
    spec = stepped()
    run = loop(spec, model=model_of(spec), planner=StubPlanner(stepping(0.0, move))).run(8)
    assert run.decisions is not None
    assert "which is none of 30, 50, 70" in run.decisions[-1].reason
    assert (run.moves[:, 1] == 50.0).all()
