"""Writes the reference pages that come from the code: `python docs/generate.py`."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main

from procwm.cli import app, run
from procwm.plant.plantfile.plant_tables import PlantFile

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Content of every generated page, by file name."""
    return {"commands.md": commands(), "plant-file.md": plant_file()}


def commands() -> str:
    """Every command's own help."""
    names = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    parts = [
        "# Commands",
        "Exit code 0 is success, 1 a failure while running, 2 wrong usage or a wrong file. An error is one "
        "sentence on stderr. With `--json` a command prints one JSON object and nothing else.",
    ]
    parts += [f"## procwm {name}\n\n```text\n{_help(name)}\n```" for name in names]
    return "\n\n".join(parts) + "\n"


def plant_file() -> str:
    """Every key of a plant file."""
    schema = PlantFile.model_json_schema()
    tables = (
        ("[plant]", "PlantTable"),
        ("[[tag]], one for every tag", "TagTable"),
        ("[opcua]", "OpcUaTable"),
        ("[control]", "ControlTable"),
    )
    parts = [
        "# Plant file",
        "TOML. An unknown key, a missing one or a wrong value is refused with one sentence that names the "
        "file, the tag and the key. The [how-to](../how-to/plant-file.md) explains how to choose the values.",
    ]
    for title, name in tables:
        table = schema["$defs"][name]
        rows = [
            _row(key, value, key in table.get("required", ())) for key, value in table["properties"].items()
        ]
        parts.append(
            f"## {title}\n\n| key | needed | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)
        )
    return "\n\n".join(parts) + "\n"


def _row(key: str, value: dict[str, Any], required: bool) -> str:
    default = "" if required or value.get("default") is None else f"`{value['default']}`"
    return f"| `{key}` | {'yes' if required else ''} | {default} | {value.get('description', '')} |"


def _help(name: str) -> str:
    said = io.StringIO()
    # Not as wide as the terminal that this happens to run in.
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}), contextlib.redirect_stdout(said):
        run([name, "--help"])
    return "\n".join(line.rstrip() for line in said.getvalue().strip().splitlines())


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for file_name, content in pages().items():
        (REFERENCE / file_name).write_text(content, encoding="utf-8")
