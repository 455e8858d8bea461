"""`procwm bench habits`."""

import json
from pathlib import Path

from procwm_studies import study


def test_moves_are_counted_for_every_mv_and_habits(tmp_path: Path) -> None:
    written = study("habits")(tmp_path, scenarios=["cstr"], hours=12.0)
    rows = {row["habits"]: row for row in json.loads(written.read_text("utf-8"))}
    assert list(rows) == ["lively", "ordinary", "quiet", "cascade"]
    assert rows["lively"]["moves_per_day"] > 4 * rows["ordinary"]["moves_per_day"] > 0
    assert rows["lively"]["span"] > 2 * rows["quiet"]["span"] > 0
    assert "| cstr | cascade | TC1.SP |" in (tmp_path / "habits.md").read_text("utf-8")
