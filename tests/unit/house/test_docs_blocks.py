"""Every block of code in the documents is what it says: Python runs, TOML is read, commands exist."""

import functools
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from procwm.cli import run
from procwm.learning import config as training_config
from procwm.learning import train as trainer
from procwm.learning.config import TrainingConfig
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.registry import scenario
from procwm.testing import exact_model

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Document and text of every block in `language`."""
    for document in DOCUMENTS:
        for text in re.findall(
            rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.S | re.M
        ):
            yield str(document.relative_to(ROOT)), text


def commands() -> list[str]:
    """Every line that calls procwm in a block of shell."""
    lines = (line for _, text in blocks("shell") for line in text.splitlines())
    return sorted({line.split("#")[0].strip() for line in lines if line.startswith("procwm ")})


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the documents speak of."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "plant.toml").write_text(dump_plant(scenario("quadruple_tank").plant), encoding="utf-8")
    for name, seed in (("history.parquet", "0"), ("later.parquet", "1")):
        made = ["simulate", "quadruple_tank", "--hours", "4", "--seed", seed, "--out", str(folder / name)]
        assert run(made) == 0
    plant = scenario("quadruple_tank").plant
    exact_model(plant, state_matrix=0.9 * np.eye(2), input_matrix=0.4 * np.eye(2)).save(folder / "model")
    return folder


@pytest.mark.parametrize("document", sorted({document for document, _ in blocks("python")}))
def test_the_python_in_a_document_runs(
    document: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    # As many steps as it takes to run through; how well a model learns is another test's matter.
    quick = functools.partial(TrainingConfig, steps=3, check_every=3)
    for module in (trainer, training_config):
        monkeypatch.setattr(module, "TrainingConfig", quick)
    names: dict[str, object] = {}
    for other, text in blocks("python"):
        if other == document:
            exec(compile(text, document, "exec"), names)


@pytest.mark.parametrize("text", [text for _, text in blocks("toml") if "[plant]" in text])
def test_a_plant_file_in_a_document_is_valid(text: str) -> None:
    assert parse_plant(text).cvs


@pytest.mark.parametrize("command", commands())
def test_a_command_in_a_document_exists_with_its_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, name, *arguments = shlex.split(command.split(">")[0])
    assert run([name, "--help"]) == 0
    options = capsys.readouterr().out
    unknown = [word for word in arguments if word.startswith("--") and f"{word} " not in options]
    assert not unknown


def test_links_between_documents_lead_somewhere() -> None:
    missing = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert not missing


def test_links_to_a_part_of_a_document_lead_to_a_heading() -> None:
    missing = [
        f"{document.relative_to(ROOT)}: {page}#{part}"
        for document in DOCUMENTS
        for page, part in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text(encoding="utf-8"))
        if part not in anchors(document.parent / page if page else document)
    ]
    assert not missing


def anchors(document: Path) -> set[str]:
    """What the headings of a document are called in links, and nothing where there is no such document."""
    text = document.read_text(encoding="utf-8") if document.exists() else ""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }


def test_files_and_folders_that_documents_name_are_there() -> None:
    missing = [
        f"{document.relative_to(ROOT)}: {named}"
        for document in DOCUMENTS
        for named in re.findall(
            r"`((?:procwm|adapters|scenarios|docs)/[\w/.]+)`", document.read_text(encoding="utf-8")
        )
        if not (ROOT / named).exists()
    ]
    assert not missing


def test_the_picture_of_layers_is_the_one_that_is_checked() -> None:
    picture = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.search(r"^```text\n cli(?s:.*?)^ errors", picture, re.M)
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = checked["contracts"][0]["layers"]
    assert drawn is not None
    rooms = [re.findall(r"procwm\.(\w+)", layer) for layer in layers]
    lines = drawn[0].splitlines()[1:]
    assert len(lines) == len(rooms)
    assert all(line.split()[: len(room)] == room for line, room in zip(lines, rooms, strict=True))


def test_the_glossary_is_in_order() -> None:
    sections = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").split("## ")
    words = [re.findall(r"^\| (?!word )(.*?) \|", section, re.M) for section in sections]
    assert all(words[1:])
    assert words == [sorted(section, key=str.casefold) for section in words]


def test_documents_import_public_names_alone() -> None:
    deep = [
        f"{document}: {found}"
        for document, text in blocks("python")
        for found in re.findall(r"(?:from|import) (procwm\w*\.[\w.]+)", text)
        if found != "procwm.testing"
    ]
    assert not deep


def test_the_generated_pages_are_up_to_date() -> None:
    generated = _module(ROOT / "docs" / "generate.py").pages()
    stale = [
        name
        for name, content in generated.items()
        if (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") != content
    ]
    assert not stale, "run: python docs/generate.py"


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
