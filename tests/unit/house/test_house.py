"""The house is in order: names say one thing each, files and folders stay of a size that can be read."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PRODUCT = ("procwm", "adapters/procwm_adapters", "scenarios/procwm_scenarios")
LONGEST_FILE = 300
"""Lines of a file of the package itself."""
FULL_FOLDER = 16
"""Modules of a folder; one with more says why in `procwm/README.md`."""


def modules() -> Iterator[Path]:
    for folder in PRODUCT:
        yield from sorted((ROOT / folder).rglob("*.py"))


def twice(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: where for name, where in places.items() if len(where) > 1}


def test_no_two_modules_of_the_product_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in modules():
        if not path.name.startswith("__"):
            places[path.stem].append(str(path.relative_to(ROOT)))
    assert not twice(places)


def test_no_two_classes_of_the_product_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not twice(places)


def test_every_file_of_the_package_is_short_enough_to_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "procwm").rglob("*.py")
    }
    assert {path: lines for path, lines in lengths.items() if lines >= LONGEST_FILE} == {}


def test_every_folder_of_the_package_has_its_line_and_a_full_one_says_why() -> None:
    lines = {
        line.split("|")[1].strip().strip("`"): line
        for line in (ROOT / "procwm" / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    }
    folders = {
        str(path.parent.relative_to(ROOT / "procwm")): len(
            [one for one in path.parent.glob("*.py") if one.name != "__init__.py"]
        )
        for path in (ROOT / "procwm").rglob("__init__.py")
        if path.parent != ROOT / "procwm"
    }
    assert set(lines) == set(folders)
    full = {name for name, count in folders.items() if count > FULL_FOLDER}
    assert {name for name, line in lines.items() if "Flat:" in line} == full
