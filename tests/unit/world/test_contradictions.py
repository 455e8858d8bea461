"""A model beside what the plant file knows of its effects: one sentence for every effect that is another."""

from dataclasses import replace

import numpy as np
import pytest

from procwm.control.clearance import unfit
from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.learning.evaluation.effect_objections import effect_objections
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.contradictions import contradictions
from procwm.world.fitness import VERDICT, Fitness, Verdict
from procwm.world.model import WorldModel

INTERVAL_S = 10.0
LINE = ("inlet", "pipe", "bend")
"""What goes in comes to the oven three intervals later."""


def plant(**sure: object) -> PlantSpec:
    """An oven and a dryer; `sure` is what is known of the MV `steam`."""
    cvs = [Tag(name=name, role=Role.CV, unit="degC", range=(0.0, 100.0)) for name in ("oven", "dryer")]
    line = [Tag(name=name, role=Role.PV, range=(0.0, 100.0)) for name in LINE]
    mvs = [Tag(name=name, role=Role.MV, unit="degC", range=(0.0, 100.0)) for name in ("steam", "air")]
    return PlantSpec(
        name="bakery", interval_s=INTERVAL_S, tags=(*cvs, *line, replace(mvs[0], **sure), mvs[1])
    )


def model(*, oven: float = 1.0, dryer: float = 0.0, pole: float = 0.6, late: bool = False) -> WorldModel:
    """Gains of the steam, which comes through the line where it is `late`; the air moves the dryer alone."""
    state, drive = np.zeros((5, 5)), np.zeros((5, 2))
    state[0, 0] = state[1, 1] = pole
    state[3, 2] = state[4, 3] = 1.0
    if late:
        state[0, 4], drive[2, 0] = (1.0 - pole) * oven, 1.0
    else:
        drive[0, 0] = (1.0 - pole) * oven
    drive[1] = (1.0 - pole) * dryer, 1.0 - pole
    return exact_model(
        plant(), state_matrix=state, input_matrix=drive, states=("oven", "dryer", *LINE), horizon=20
    )


@pytest.mark.parametrize(
    ("right", "sure"),
    [
        (model(), {"setpoint_of": "oven", "no_effect": ("dryer",)}),
        (model(oven=-2.0), {"gains": {"oven": (-2.5, -1.5)}, "dead_times_s": {"oven": 0.0}}),
        (model(late=True), {"setpoint_of": "oven", "dead_times_s": {"oven": 30.0}}),
        (model(dryer=0.05), {"no_effect": ("dryer",)}),
        (model(oven=1.5), {"setpoint_of": "oven", "gains": {"oven": (0.5, 2.0)}}),
        (model(pole=0.95), {"dead_times_s": {"oven": 0.0}}),
        (model(oven=7.0), {"raises": ("oven",)}),
    ],
)
def test_nothing_is_said_of_effects_that_are_as_the_plant_file_knows_them(
    right: WorldModel, sure: dict[str, object]
) -> None:
    assert contradictions(right, plant(**sure)) == ()


@pytest.mark.parametrize(
    ("wrong", "sure", "sentence", "opposite"),
    [
        (
            model(dryer=0.4),
            {"no_effect": ("dryer",)},
            "by the plant file's no_effect steam does not move dryer; in the model it does, by +0.4 per unit",
            False,
        ),
        (
            model(oven=0.5),
            {"setpoint_of": "oven"},
            "by the plant file's setpoint_of oven comes to rest at steam, a gain of 1; in the model by +0.5",
            False,
        ),
        (
            model(oven=-0.5),
            {"setpoint_of": "oven"},
            "by the plant file's setpoint_of oven comes to rest at steam, a gain of 1; in the model by -0.5",
            True,
        ),
        (
            model(oven=3.0),
            {"gains": {"oven": (0.5, 2.0)}},
            "by the plant file's gains steam moves oven by 0.5 to 2 per unit at rest; in the model by +3",
            False,
        ),
        (
            model(oven=0.25),
            {"gains": {"oven": (0.5, 2.0)}},
            "by the plant file's gains steam moves oven by 0.5 to 2 per unit at rest; in the model by +0.25",
            False,
        ),
        (
            model(oven=0.25),
            {"gains": {"oven": (-2.0, -1.0)}},
            "by the plant file's gains steam moves oven by -2 to -1 per unit at rest; in the model by +0.25",
            True,
        ),
        (
            model(late=True),
            {"dead_times_s": {"oven": 0.0}},
            "by the plant file's dead_times_s oven begins to answer steam after 0 s; in the model after 30 s",
            False,
        ),
        (
            model(),
            {"dead_times_s": {"oven": 60.0}},
            "by the plant file's dead_times_s oven begins to answer steam after 60 s; in the model after 0 s",
            False,
        ),
    ],
)
def test_an_effect_that_is_another_is_one_sentence_and_keeps_the_model_from_control(
    wrong: WorldModel, sure: dict[str, object], sentence: str, opposite: bool
) -> None:
    (found,) = contradictions(wrong, plant(**sure))
    assert (found.sentence, found.opposite) == (sentence, opposite)
    wrong.plant = plant(**sure)
    (against,) = effect_objections(wrong)
    assert against.reason == sentence
    assert against.fitness is (Fitness.NOTHING if opposite else Fitness.ADVICE)


def test_an_answer_that_goes_on_beyond_the_horizon_is_judged_where_it_has_left_the_range_already() -> None:
    slow = model(oven=2.0, pole=0.97)
    assert contradictions(slow, plant(gains={"oven": (1.8, 2.2)})) == ()
    (found,) = contradictions(slow, plant(gains={"oven": (0.2, 0.4)}))
    assert "by 0.2 to 0.4 per unit at rest; in the model by +0.9" in found.sentence


def test_what_the_plant_file_knows_since_the_training_keeps_a_model_out_of_auto() -> None:
    trained = model(oven=3.0)
    good = Verdict(fitness=Fitness.CONTROL, reason="it foresees well", next="run it")
    trained.metrics[VERDICT] = good.as_dict()
    assert unfit(trained, plant()) == ""
    assert Controller(plant(gains={"oven": (2.0, 4.0)}), trained).mode is Mode.AUTO
    since = plant(gains={"oven": (0.5, 2.0)})
    assert unfit(trained, since).endswith("in the model by +3; mend the plant file, or train again")
    assert Controller(since, trained).mode is Mode.ADVISORY
