"""Every experiment is told whole, and found from the index."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "experiments"
PARTS = ["Question", "What was tried", "What was kept", "Revision"]


def test_an_experiment_says_what_was_asked_tried_and_kept() -> None:
    headings = {
        page.name: re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.M) for page in _pages()
    }
    assert {name: found for name, found in headings.items() if found != PARTS} == {}


def test_the_index_has_one_line_for_every_experiment() -> None:
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^- \[.*\]\((.*\.md)\): .*$", index, re.M)
    assert sorted(listed) == [page.name for page in _pages()]


def _pages() -> list[Path]:
    return [page for page in sorted(FOLDER.glob("*.md")) if page.name != "index.md"]
