"""Files that appear whole or not at all."""

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`: takes its place when the block ends well, and goes when it does not."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Made anew and not opened where it lies: whoever may write here could have laid a link there.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def without_links(path: str, flags: int) -> int:
    """An opener for `open`: refuses a path that is a link to another place."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def write_text(path: str | Path, text: str) -> None:
    """Write the whole of a text file, UTF-8, or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as the whole of a JSON file, or nothing; numbers that are not finite become null."""
    write_text(path, json.dumps(finite(value), indent=1) + "\n")


def finite(value: Any) -> Any:
    """`value` with `None` for every number that is not finite: JSON has none for it."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
