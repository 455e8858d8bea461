"""A plant that is taken over at rest at its setpoint is left alone, wherever that is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, START_NS, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role
from procwm.world.model import WorldModel

PLACES = (
    {"L1": 30.0, "L2": 70.0, "V1": 20.0, "V2": 80.0, "F1": 60.0},
    {"L1": 90.0, "L2": 10.0, "V1": 88.0, "V2": 12.0, "F1": 5.0},
)
LOST = {
    "nothing": lambda tick: (),
    "a level at first": lambda tick: ("L2",) if tick < 2 else (),
    "a DV at first": lambda tick: ("F1",) if tick < 3 else (),
    "a DV": lambda tick: ("F1",),
    "a level until long after the first plan": lambda tick: ("L2",) if tick < 4 * HISTORY + 4 else (),
    "a DV until long after the first plan": lambda tick: ("F1",) if tick < 4 * HISTORY + 4 else (),
    "both until just after the first plan": lambda tick: ("L2", "F1") if tick < HISTORY + 1 else (),
    "now and then": lambda tick: ("L1",) if tick % 4 == 3 else (),
}
CYCLES = HISTORY + 12


def free(place: dict[str, float]) -> PlantSpec:
    """Nothing damps the moves, and every level is where it is to be."""
    tags = {
        Role.MV: {"move_weight": 0.0, "max_move": None},
        Role.CV: {},
        Role.DV: {},
    }
    return replace(
        plant_spec(),
        tags=tuple(
            replace(tag, **tags[tag.role], **({"setpoint": place[tag.name]} if tag.role is Role.CV else {}))
            for tag in plant_spec().tags
        ),
    )


def looking_back(spec: PlantSpec) -> WorldModel:
    """A model whose state is the mean of the first and the last row; it rests elsewhere than the plant."""
    model = model_of(spec)
    weight, tags = model.encoder.identified.weight, len(spec.names)
    with torch.no_grad():
        for row, name in enumerate(model.output_names):
            column = spec.names.index(name)
            weight[row, [column, (HISTORY - 1) * tags + column]] = 0.5
    return model


def samples(place: dict[str, float], tick: int, lost: frozenset[str] = frozenset()) -> list[Sample]:
    time_ns = START_NS + tick * INTERVAL_NS
    return [Sample(tag, value, Quality.GOOD, time_ns) for tag, value in place.items() if tag not in lost]


@pytest.mark.parametrize("place", PLACES, ids=["inside", "at an edge"])
@pytest.mark.parametrize("history", [0, 2, 3 * HISTORY])
@pytest.mark.parametrize("lost", LOST)
def test_a_plant_at_rest_stays_there_from_the_first_plan_on(place, history, lost) -> None:
    spec = free(place)
    controller = Controller(spec, looking_back(spec), clock=HandClock())
    mv = {name: place[name] for name in ("V1", "V2")}
    past = [
        sample
        for tick in range(-history, 0)
        for sample in samples(place, tick, frozenset(LOST[lost](tick + history)))
    ]
    state = controller.start(mv, history=past)
    written = []
    for tick in range(CYCLES):
        now = samples(place, tick, frozenset(LOST[lost](tick + history)))
        decision, state = controller.step(now, state, time=utc(START_NS + tick * INTERVAL_NS))
        if decision.setpoints is not None:
            written.append([decision.setpoints["V1"], decision.setpoints["V2"]])
    assert len(written) >= 12
    np.testing.assert_allclose(written, [list(mv.values())] * len(written), atol=1e-3)


def test_what_comes_after_the_start_soon_counts_more_than_that_the_plant_was_at_rest() -> None:
    place = PLACES[0]
    spec = free(place)
    controller = Controller(spec, looking_back(spec), clock=HandClock())
    state = controller.start({"V1": 20.0, "V2": 80.0})
    for tick in range(4):
        moved = place | {"L1": place["L1"] + 5.0 * tick}
        state = controller.observe(samples(moved, tick), state, time=utc(START_NS + tick * INTERVAL_NS))
    begun = controller.start({"V1": 20.0, "V2": 80.0})
    rested = controller.observe(samples(place, 0), begun, time=utc(START_NS))
    assert state.disturbance.bias[0, 0] - rested.disturbance.bias[0, 0] > 2.0
    assert rested.disturbance.count.max() == 1.0


def test_a_tag_that_is_first_heard_on_the_way_to_a_setpoint_does_not_move_the_mvs_at_once() -> None:
    place, heard = PLACES[0], HISTORY + 9
    spec = free(place)
    moves = []
    for first in (heard, 99):
        controller = Controller(spec, looking_back(spec), clock=HandClock())
        state = controller.start({"V1": 20.0, "V2": 80.0})
        for tick in range(heard + 1):
            now = samples(place, tick, frozenset(("F1",) if tick < first else ()))
            setpoints = {"L1": 36.0} if tick >= HISTORY + 6 else None
            decision, state = controller.step(
                now, state, time=utc(START_NS + tick * INTERVAL_NS), setpoints=setpoints
            )
        assert decision.setpoints is not None
        moves.append([decision.setpoints["V1"], decision.setpoints["V2"]])
    assert abs(moves[1][0] - 20.0) > 1.0, "a setpoint is on its way"
    np.testing.assert_allclose(moves[0], moves[1], atol=1e-3)
