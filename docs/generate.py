"""Writes the reference pages that come from the code: `python docs/generate.py`."""

import ast
import contextlib
import inspect
import io
import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import typer.main

import procwm
from procwm.cli import app, run
from procwm.plant.plantfile.plant_tables import PlantFile

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """Content of every generated page, by file name."""
    return {"commands.md": commands(), "plant-file.md": plant_file(), "api.md": api()}


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
        ("[log]", "LogTable"),
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


def api() -> str:
    """Every public name, as its source declares and explains it."""
    found = {name: _declaration(name) for name in procwm.__all__}
    parts = [
        "# Public names",
        "What `import procwm` gives. Everything else may change without notice. Of the types in signatures, "
        "`Setpoints` is a mapping from tag to number, `Interval` a low and a high number, and "
        '`Float[Tensor, "horizon mv"]` a tensor with these axes.',
        "| name | is |\n|---|---|\n"
        + "\n".join(f"| [`{name}`](#{name.lower()}) | {_first_line(node)} |" for name, node in found.items()),
    ]
    parts += [part for name, node in found.items() for part in _described(name, node)]
    return "\n\n".join(parts) + "\n"


_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Declared = ast.ClassDef | _Function
_LINE = 100


def _declaration(name: str) -> _Declared:
    """Where `name` is defined, as text: what wraps it when it is imported is no part of its signature."""
    tree = ast.parse(inspect.getsource(import_module(getattr(procwm, name).__module__)))
    return next(node for node in tree.body if isinstance(node, _Declared) and node.name == name)


def _described(name: str, node: _Declared) -> Iterator[str]:
    """Heading, signature and docstring, and of a class what it has besides."""
    yield f"## {name}"
    if isinstance(node, _Function):
        yield from (_call(name, node), _prose(node))
        return
    members = [item for item in node.body if isinstance(item, _Function)]
    values = list(_values(name, node))
    if not values:
        yield _construction(node, members)
    yield _prose(node)
    if values:
        yield "\n".join(values)
    public = [item for item in members if not item.name.startswith("_")]
    readable = [item for item in public if _has(item, "property", "cached_property")]
    if readable:
        yield "Properties:\n\n" + "\n".join(f"- `{item.name}`: {_first_line(item)}" for item in readable)
    for item in public:
        if item not in readable:
            yield from (f"### {name}.{item.name}", _call(f"{name}.{item.name}", item), _prose(item))


def _values(name: str, node: ast.ClassDef) -> Iterator[str]:
    """The values of an enumeration, each with the sentence below it."""
    if "Enum" not in "".join(ast.unparse(base) for base in node.bases):
        return
    for item, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(item, ast.Assign) and isinstance(after, ast.Expr):
            yield f"- `{name}.{ast.unparse(item.targets[0])}`: {ast.literal_eval(after.value)}"


def _construction(node: ast.ClassDef, members: list[_Function]) -> str:
    """How an object is made; of an error, what it is a kind of."""
    for member in members:
        if member.name == "__init__":
            return _call(node.name, member, returns=False)
    fields = [_field(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    if not fields:
        return _text(f"{node.name}({', '.join(map(ast.unparse, node.bases))})")
    keywords = any("kw_only=True" in ast.unparse(decorator) for decorator in node.decorator_list)
    return _signature(node.name, ["*", *fields] if keywords else fields, "")


def _field(item: ast.AnnAssign) -> str:
    given = "" if item.value is None else " = " + re.sub(r"field.*", "...", ast.unparse(item.value))
    return f"{ast.unparse(item.target)}: {ast.unparse(item.annotation)}{given}"


def _call(name: str, node: _Function, returns: bool = True) -> str:
    taken = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0]
    assert isinstance(taken, ast.FunctionDef)
    first = taken.args.args[:1]
    if first and first[0].arg in ("self", "cls"):
        del taken.args.args[0]
    entered = _has(node, "asynccontextmanager") and isinstance(node.returns, ast.Subscript)
    given = node.returns.slice if entered and isinstance(node.returns, ast.Subscript) else node.returns
    answer = f" -> {_type(given)}" if returns and given else ""
    waits = "async with " if entered else "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return _signature(waits + name, _arguments(taken.args), answer)


def _type(annotation: ast.expr) -> str:
    """As text; a class that names itself does so without quotes."""
    return str(annotation.value) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)


def _arguments(taken: ast.arguments) -> list[str]:
    """Each argument as text."""
    missing: list[ast.expr | None] = [None] * (len(taken.args) - len(taken.defaults))
    placed = [_argument(*pair) for pair in zip(taken.args, [*missing, *taken.defaults], strict=True)]
    named = [_argument(*pair) for pair in zip(taken.kwonlyargs, taken.kw_defaults, strict=True)]
    star = [f"*{ast.unparse(taken.vararg)}"] if taken.vararg else ["*"] if named else []
    return [*placed, *star, *named]


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + ("" if default is None else f" = {ast.unparse(default)}")


def _signature(name: str, arguments: list[str], answer: str) -> str:
    """On one line where it fits, else an argument a line."""
    line = f"{name}({', '.join(arguments)}){answer}"
    if len(line) <= _LINE:
        return _text(line)
    return _text("\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){answer}"]))


def _text(content: str) -> str:
    return f"```text\n{content}\n```".replace("'", '"')


def _has(node: _Function, *decorators: str) -> bool:
    return any(ast.unparse(item) in decorators for item in node.decorator_list)


def _first_line(node: _Declared) -> str:
    return (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _prose(node: _Declared) -> str:
    """The docstring, its arguments, attributes and errors as lists."""
    lines: list[str] = []
    listing = False
    for line in (ast.get_docstring(node) or "").splitlines():
        if line in _LISTS:
            listing = True
            lines += [_LISTS[line], ""]
        elif listing and (item := re.match(r" {4}(\w[^:]*): (.*)", line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif listing and line.startswith("     "):
            lines[-1] += f" {line.strip()}"
        else:
            listing = listing and not line
            lines.append(line)
    return "\n".join(lines)


_LISTS = {"Args:": "Arguments:", "Attributes:": "Attributes:", "Raises:": "Raises:"}


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
