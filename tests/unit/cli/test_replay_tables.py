"""Tables of a replay are no commands to a spreadsheet."""

from pathlib import Path

import pandas as pd

from procwm.cli.replaying import write_tables


def test_no_text_in_a_table_of_a_replay_is_a_formula(tmp_path: Path) -> None:
    index = pd.to_datetime([0, 1_000_000_000], utc=True).rename("time")
    table = pd.DataFrame({"=A1": [1.0, 2.0], "surprised by": ["=A1", None]}, index=index)
    write_tables(tmp_path, table)
    lines = (tmp_path / "intervals.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,'=A1,surprised by"
    assert lines[1].endswith("1.0,'=A1")
    assert lines[2].startswith("1970-01-01T00:00:01.000000Z,2.0")
    assert list(pd.read_parquet(tmp_path / "intervals.parquet").columns) == ["=A1", "surprised by"]
