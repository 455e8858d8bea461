"""The page of a model: effects, errors, where its log was, and the verdict."""

import json
import re
from typing import Any

import numpy as np
import pytest
from linear_loop import LinearPlant, model_of, plant_spec

import procwm
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.operating_points import OPERATED, kept_points, operating_points
from procwm.plant.samples import Sample
from procwm.world.fitness import VERDICT
from procwm.world.model import WorldModel


def operated() -> Log:
    """A log of operators moving both valves now and then."""
    rng, plant, samples = np.random.default_rng(3), LinearPlant(plant_spec(), noise=0.1), list[Sample]()
    for tick in range(400):
        samples += plant.drain()
        if tick % 8 == 0:
            plant.enter({"V1": 50.0 + rng.uniform(-8, 8), "V2": 50.0 + rng.uniform(-8, 8)})
        plant.advance()
    return Log.from_samples(samples, plant_spec())


@pytest.fixture(scope="module")
def model() -> WorldModel:
    bare, log = model_of(plant_spec()), operated()
    scores = evaluate(bare, log)
    return bare.with_metrics(
        **{
            "validation": scores.as_dict(),
            OPERATED: operating_points(grid(log, bare.rule)),
            VERDICT: scores.verdict.as_dict(),
            "notes": ["the trial was short"],
        }
    )


def figures(document: str) -> list[dict[str, Any]]:
    found = re.findall(r"<script type=application/json[^>]*>(.*?)</script>", document)
    return [json.loads(text) for text in found]


def test_every_effect_has_its_panel_and_its_row(model: WorldModel) -> None:
    document = procwm.model_page(model)
    titles = [note["text"].split("<br>")[0] for note in figures(document)[0]["layout"]["annotations"]]
    assert titles == [f"<b>{output} per {mv}</b>" for output in ("L1", "L2") for mv in ("V1", "V2")]
    for output in ("L1", "L2"):
        for mv in ("V1", "V2"):
            assert f"<td>{output} per {mv}</td>" in document


def test_a_panel_ends_at_the_gain_in_the_table(model: WorldModel) -> None:
    document = procwm.model_page(model)
    note = figures(document)[0]["layout"]["annotations"][0]["text"].split("<br>")[1].split(",")[0]
    assert f"<td>L1 per V1</td><td>%/%</td><td>{note}</td>" in document
    answer = figures(document)[0]["data"][0]["y"]
    assert float(note) == pytest.approx(answer[-1], rel=0.01)


def test_the_verdict_and_its_next_step_come_first(model: WorldModel) -> None:
    document = procwm.model_page(model)
    kept = model.metrics[VERDICT]
    head = document.split("</header>")[0].split("<body>")[1]
    assert kept["verdict"] in head
    assert kept["next"][1:] in head
    assert "The trial was short." in document


def test_the_map_shows_where_the_log_was(model: WorldModel) -> None:
    points = kept_points(model.metrics)
    assert points is not None
    maps = figures(procwm.model_page(model))[-1]
    assert {trace["name"] for trace in maps["data"]} == {"a moment of the log"}
    drawn = [value for value in maps["data"][0]["y"] if value is not None]
    assert max(drawn) == pytest.approx(np.nanmax(points.of("L1")), rel=1e-4)


def test_a_model_that_was_never_judged_has_a_page_too() -> None:
    document = procwm.model_page(model_of(plant_spec()))
    assert "never judged" in document
    assert "What every MV does" in document
    assert "Where the log was" not in document
