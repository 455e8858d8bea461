"""A CV that is measured in cycles: what is held between two answers is not taken for an answer."""

from dataclasses import replace

import numpy as np
from hand_clock import HandClock
from linear_loop import INTERVAL_NS, START_NS, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.plant.samples import Quality, Sample
from procwm.world.model import WorldModel


def test_a_held_value_teaches_the_disturbance_estimate_nothing() -> None:
    model = model_of(plant_spec())
    rule = replace(model.rule, hold_s=(1000.0,) * 5, cyclic=("L1",))
    model = WorldModel(replace(model.parts, rule=rule)).finished()
    controller = Controller(model.plant, model, clock=HandClock())
    state = controller.start({"V1": 50.0, "V2": 50.0})
    counts = []
    for tick in range(12):
        now_ns = START_NS + tick * INTERVAL_NS
        tags = ("L2", "V1", "V2", "F1", *(["L1"] if tick in (0, 6) else []))
        samples = [Sample(tag, 50.0, Quality.GOOD, now_ns) for tag in tags]
        state = controller.observe(samples, state, time=utc(now_ns))
        counts.append(state.disturbance.count[0])
    learned = np.diff([count[0] for count in counts])
    assert np.flatnonzero(learned).tolist() == [5]
    assert np.diff([count[1] for count in counts]).sum() > 5
