"""What training looks at of a log."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from learning_cases import PLANT, QUICK, record

from procwm.data.series import Log, TagSeries
from procwm.learning.identification.preparation import prepare
from procwm.learning.train import train
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.world.storage.model_files import load_model


def _with_noise(count: int) -> tuple[PlantSpec, Log]:
    known = record(1500).log
    rng = np.random.default_rng(0)
    time_ns = known.series["LT.PV"].time_ns
    good = np.zeros(len(time_ns), dtype=np.int8)
    names = [f"X{number}" for number in range(count)]
    noise = {name: TagSeries(time_ns, rng.uniform(0.0, 9.0, len(time_ns)), good) for name in names}
    plant = replace(
        PLANT, tags=(*PLANT.tags, *(Tag(name=name, role=Role.PV, range=(0.0, 10.0)) for name in names))
    )
    return plant, replace(known, series={**known.series, **noise})


def test_pvs_that_tell_nothing_are_left_out_of_the_windows_and_named() -> None:
    plant, log = _with_noise(30)
    prepared = prepare(plant, log, QUICK)
    assert prepared.whole.rule.tags == PLANT.names
    assert "X0, X1," in prepared.notes[-1]
    assert prepared.training.reference.encoder.in_features == 2 * QUICK.history * len(PLANT.tags)


def test_a_model_that_leaves_tags_out_is_saved_and_read_back(tmp_path: Path) -> None:
    plant, log = _with_noise(3)
    model = train(plant, log, config=replace(QUICK, steps=2))
    model.save(tmp_path / "model")
    again = load_model(tmp_path / "model", plant)
    assert again.rule == model.rule
    assert again.rule.tags == PLANT.names
