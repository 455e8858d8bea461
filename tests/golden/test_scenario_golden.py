"""Simulated plants still do what they did when their reference trajectories were written."""

import json

import pytest
import regenerate

from procwm.plant.registry import scenarios

HINT = "; if the change is meant, run python tests/golden/regenerate.py"


def test_there_is_one_reference_file_for_every_scenario() -> None:
    files = {file.stem for file in regenerate.FOLDER.glob("*.json")}
    assert files == set(scenarios()), "stale or missing reference files" + HINT


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_repeats_its_reference_trajectory(name: str) -> None:
    expected = json.loads(regenerate.path(name).read_text(encoding="utf-8"))
    assert expected["recipe"] == regenerate.RECIPE, "stale reference file" + HINT
    actual = regenerate.record(scenarios()[name])
    assert actual["tags"] == expected["tags"], "tags have changed" + HINT
    assert actual["programme"] == expected["programme"], "the programme has changed" + HINT
    for part in ("external", "routine"):
        assert len(actual[part]) == len(expected[part]), "stale reference file" + HINT
        for index, (seen, meant) in enumerate(zip(actual[part], expected[part], strict=True)):
            for group in ("outputs", "guards"):
                # Integrators of different builds differ within their tolerance.
                assert seen[group] == pytest.approx(meant[group], rel=1e-5, abs=1e-5), (
                    f"{name}: {part} row {index} has changed" + HINT
                )
            assert seen["mv"] == pytest.approx(meant["mv"]), f"{name}: {part} MVs have changed" + HINT
