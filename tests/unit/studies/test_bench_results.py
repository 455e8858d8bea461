"""Benchmark rows on disk, and finding a study by name."""

import json
import math
from pathlib import Path

import pytest

from procwm.errors import SpecError
from procwm_studies import STUDIES, Study, study
from procwm_studies.results import command_line, spread, table, write_results


def test_rows_and_text_are_written_together_and_leave_no_partial_file(tmp_path: Path) -> None:
    written = write_results(tmp_path / "new", "control", [{"seed": 1, "cost": 0.5}], "# Control\n")
    assert written == tmp_path / "new" / "control.json"
    assert json.loads(written.read_text(encoding="utf-8")) == [{"seed": 1, "cost": 0.5}]
    assert sorted(path.name for path in written.parent.iterdir()) == ["control.json", "control.md"]


def test_a_spread_is_mean_and_standard_deviation_of_what_is_known() -> None:
    assert spread([1.0, 3.0], 1) == "2.0 ± 1.4"
    assert spread([2.0, math.nan], 1) == "2.0"
    assert spread([math.nan]) == "–"


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_the_command_that_measures_again_names_what_was_chosen() -> None:
    assert command_line("control", ["cstr"], [0, 2], 20.0) == (
        "procwm bench control --out DIR --scenario cstr --seed 0 --seed 2 --hours 20"
    )
    assert command_line("model", (), (), None) == "procwm bench model --out DIR"


@pytest.mark.parametrize("name", STUDIES)
def test_every_listed_study_can_be_found(name: str) -> None:
    assert isinstance(study(name), Study)


def test_an_unknown_study_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=f"no benchmark speed; there are {', '.join(sorted(STUDIES))}"):
        study("speed")
