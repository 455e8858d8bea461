"""Case 08: sources whose times stand still, or are hours off, are told of once, and lose no value."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from strangers import at, case, here, served

from procwm.cli import run

pytestmark = here


@pytest.mark.parametrize(
    ("habit", "said"),
    [
        ("stuck", "TI1: its value changes and its SourceTimestamp does not"),
        ("ahead", "TI1: it is stamped 7.2e+03 s ahead of the server's time"),
        ("behind", "TI1: it is stamped 1.8e+04 s behind the server's time"),
        ("late", None),
        ("same", None),
        ("jump", None),
    ],
)
def test_a_recording_holds_what_came_and_tells_of_times_that_cannot_be_right_once(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    habit: str,
    said: str | None,
) -> None:
    folder = case("08-source-times", tmp_path)
    recorded = folder / "rec.parquet"
    with served(folder / "srv.py", habit) as server:
        plant_file = at(folder / "two.toml", server)
        assert run(["record", str(plant_file), "--out", str(recorded), "--hours", "0.0025"]) == 0
    table = pq.read_table(recorded)
    assert f"rec.parquet: {table.num_rows} samples" in capsys.readouterr().err
    assert table["tag"].to_pylist().count("TI1") >= 6
    about = [record.getMessage() for record in caplog.records if "TI1: i" in record.getMessage()]
    assert len(about) == (said is not None), about
    assert said is None or said in about[0]
