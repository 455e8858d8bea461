"""Case 12: where no MV moves any CV within the horizon, a model is not fit, and its MVs are held."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from heater import SHORT
from strangers import CASES, here

from procwm.control.controller import Controller
from procwm.data.log import read_log
from procwm.learning.train import train
from procwm.plant.plantfile.specfile import load_plant
from procwm.world.fitness import VERDICT
from procwm.world.model import WorldModel

pytestmark = [here, pytest.mark.usefixtures("unchecked")]

KILN = CASES / "12-dead-time"
WRONG_MV = KILN / "no_effect"
BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)


@cache
def learned(folder: Path) -> WorldModel:
    plant = load_plant(folder / "plant.toml")
    return train(plant, read_log(folder / "log.parquet", plant), config=SHORT)


def test_a_dead_time_beyond_the_horizon_is_named_with_a_longer_interval_and_the_mv_is_held() -> None:
    model = learned(KILN)
    verdict = model.metrics[VERDICT]
    assert verdict["verdict"] == "not fit"
    assert "AI1 takes about 1100 s to answer CL.SP" in verdict["reason"]
    assert "no MV moves any CV within the horizon of 60 intervals of 10 s" in verdict["reason"]
    assert verdict["next"] == "set interval_s = 30 in the plant file and train again"
    controller, valve, level = Controller(model.plant, model), 50.0, 35.0
    waiting = deque([valve] * 80)
    state, noise, keeps = controller.start(last_mv={"CL.SP": valve}), np.random.default_rng(0), np.exp(-0.1)
    for number in range(100):
        decision, state = controller.step(
            {"AI1": level + 0.1 * noise.standard_normal(), "CL.SP": valve},
            state,
            time=BEGIN + timedelta(seconds=10 * number),
            setpoints={"AI1": 35.0 if number < 70 else 45.0},
        )
        assert decision.setpoints is None or decision.setpoints["CL.SP"] == valve
        level = keeps * level + (1 - keeps) * (10.0 + 0.5 * waiting.popleft())
        waiting.append(valve)
    assert "CL.SP" in decision.held


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_an_mv_that_moves_nothing_is_held_whatever_its_moves_cost(weight: float) -> None:
    model = learned(WRONG_MV)
    verdict = model.metrics[VERDICT]
    assert verdict["verdict"] == "not fit"
    assert "no MV moves any CV" in verdict["reason"]
    tags = (replace(tag, move_weight=weight) if tag.name == "PC1.SP" else tag for tag in model.plant.tags)
    controller = Controller(replace(model.plant, tags=tuple(tags)), model)
    state, noise, keeps = controller.start({"PC1.SP": 105000.0}), np.random.default_rng(0), np.exp(-0.05)
    air, temperature = 20.0, 60.0
    for number in range(80):
        air += (20.0 - air) / 100.0 + 5.0 * np.sqrt(0.02) * noise.standard_normal()
        samples = {"TI1": temperature + 0.1 * noise.standard_normal(), "PC1.SP": 105000.0, "TA1": air}
        decision, state = controller.step(samples, state, time=BEGIN + timedelta(seconds=10 * number))
        assert decision.setpoints is None or decision.setpoints["PC1.SP"] == 105000.0
        temperature = keeps * temperature + (1 - keeps) * (20.0 + 2.0 * air)
    assert "PC1.SP" in decision.held
