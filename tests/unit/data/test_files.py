"""Files that appear whole or not at all."""

import json
import math
from pathlib import Path

import pytest

from procwm.data.files import write_json, write_text


def test_a_file_appears_whole_with_its_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "report.html", "<p>all of it")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "kept.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "kept.txt", "a surrogate \ud800 is no text")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


def test_what_is_not_finite_becomes_null_because_json_has_no_number_for_it(tmp_path: Path) -> None:
    write_json(tmp_path / "rows.json", [{"gap": math.nan, "deep": {1: (math.inf, 1.0)}, "text": "kept"}])
    read = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert read == [{"gap": None, "deep": {"1": [None, 1.0]}, "text": "kept"}]
