"""A log as tensors: what an analyser shows is learned from where it was measured."""

import math

import numpy as np
import torch

from procwm.data.series import Log
from procwm.data.window import WindowRule, grid
from procwm.learning.dataset.tensors import log_tensors, scattered
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.world.scaler import Scaler

PLANT = PlantSpec(
    name="column",
    interval_s=10.0,
    tags=(
        Tag(name="purity", role=Role.CV, range=(0.0, 100.0)),
        Tag(name="tray", role=Role.PV, range=(0.0, 100.0)),
        Tag(name="reflux", role=Role.MV, range=(0.0, 100.0)),
    ),
)


def test_a_held_value_is_no_measurement_to_be_learned_from() -> None:
    rule = WindowRule(
        tags=PLANT.names, interval_s=10.0, history=2, hold_s=(100.0, 10.0, math.inf), cyclic=("purity",)
    )
    answers = [("purity", 10.0, 0), ("purity", 40.0, 30), ("reflux", 1.0, 0)]
    answers += [("tray", 5.0, second) for second in range(0, 51, 10)]
    log = Log.from_samples([Sample(tag, value, Quality.GOOD, s * 10**9) for tag, value, s in answers], PLANT)
    tensors = log_tensors(grid(log, rule), PLANT, Scaler(PLANT.names, np.zeros(3), np.ones(3)))
    assert tensors.values[:, 0].tolist() == [10.0, 10.0, 10.0, 40.0, 40.0, 40.0]
    assert tensors.outputs[:, 0].tolist() == [10.0, 20.0, 30.0, 40.0, 40.0, 40.0]
    assert tensors.outputs_valid[:, 0].tolist() == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_moments_are_drawn_from_every_part_and_keep_step_with_no_cycle() -> None:
    moments = torch.arange(1000, 5000)
    few = scattered(moments, 1000)
    assert torch.equal((few - 1000) // 4, torch.arange(1000))
    assert torch.bincount(few % 4).min() > 200
    assert torch.equal(scattered(moments[:900], 1000), moments[:900])
