"""The first-order heater of several strangers' cases: its plant, and a model of the case's own log."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from strangers import CASES

from procwm.data.log import read_log
from procwm.learning.config import TrainingConfig
from procwm.learning.train import train
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel

SHORT = TrainingConfig(steps=50, check_every=25, members=0)
"""What is right for a case does not hang on how long the network was trained."""
_FOLDER = CASES / "20-step-time-jitter"
_KEEPS = float(np.exp(-10.0 / 200.0))


@cache
def learned() -> WorldModel:
    """The model; not to be changed."""
    plant = load_plant(_FOLDER / "plant.toml")
    return train(plant, read_log(_FOLDER / "log.parquet", plant), config=SHORT)


def heater(case: str = _FOLDER.name, **changes: Mapping[str, Any]) -> PlantSpec:
    """The plant file of `case`, with keys of its tags changed."""
    plant = load_plant(CASES / case / "plant.toml")
    return replace(plant, tags=tuple(replace(tag, **changes.get(tag.name, {})) for tag in plant.tags))


def later(temperature: float, valve: float) -> float:
    """The temperature ten seconds later."""
    return _KEEPS * temperature + (1.0 - _KEEPS) * (20.0 + 0.8 * valve)
