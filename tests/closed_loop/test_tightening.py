"""Plans that keep a share of the model's error band away from limits."""

from dataclasses import replace

import numpy as np
import pytest
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec

from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel

HALF_WIDTH = 4.0


def spec(tightening: float) -> PlantSpec:
    return replace(plant_spec(limits=(40.0, 60.0)), control=ControlSettings(tightening=tightening))


def model(half_width: float = HALF_WIDTH) -> WorldModel:
    made = model_of(plant_spec())
    return made.with_band(np.full((made.horizon, 2), half_width))


def asked_for_too_much(tightening: float) -> Loop:
    """A loop whose setpoint lies on the upper limit."""
    return loop(spec(tightening), model=model()).run(HISTORY + 60, setpoints={"L1": 60.0})


def test_limits_are_where_the_plant_file_has_them_without_tightening() -> None:
    assert asked_for_too_much(0.0).levels[-1, 0] == pytest.approx(60.0, abs=0.3)


def test_plans_keep_a_share_of_the_band_away_from_a_limit() -> None:
    # Goals weigh 1 and limits 100, so that a target beyond a limit pulls a hundredth of the way.
    assert asked_for_too_much(0.5).levels[-1, 0] == pytest.approx(60.0 - 0.5 * HALF_WIDTH, abs=0.3)


def test_a_band_as_wide_as_the_limits_leaves_room_between_them() -> None:
    run = loop(spec(1.0), model=model(1000.0)).run(HISTORY + 10)
    assert run.levels[-1, 0] == pytest.approx(50.0, abs=0.5)


def test_tightening_by_a_band_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SpecError, match=r"tightening is 0\.5, and the model's log was too short"):
        loop(spec(0.5))


@pytest.mark.parametrize("share", [-0.1, float("nan"), float("inf")])
def test_a_tightening_that_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(SpecError, match="tightening"):
        ControlSettings(tightening=share)
