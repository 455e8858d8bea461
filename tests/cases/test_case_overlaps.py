"""Case 19: files whose stretches of one tag overlap with other values are refused."""

import pytest
from strangers import CASES, here

from procwm.cli import run

FOLDER = CASES / "19-overlapping-files"
pytestmark = here


@pytest.mark.parametrize(
    "files", [("a.csv", "b.csv"), tuple(f"hour_{hour}.csv" for hour in range(6))], ids=["smallest", "autumn"]
)
def test_two_histories_of_one_tag_are_refused_with_their_files(
    capsys: pytest.CaptureFixture[str], files: tuple[str, ...]
) -> None:
    assert run(["check", str(FOLDER / "plant.toml"), *(str(FOLDER / file) for file in files)]) == 2
    said = capsys.readouterr().err
    assert sum(file in said for file in files) >= 2
    assert "TI1" in said
    assert said.strip().count("\n") == 0
