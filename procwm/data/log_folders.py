"""Folders of files as logs: partitions by time or tag, as data lakes keep them."""

from collections.abc import Sequence
from pathlib import Path

from procwm.errors import LogError

_ENDINGS = (".parquet", ".pq", ".csv")


def files_of(paths: Sequence[Path]) -> list[Path]:
    """`paths` with every folder replaced by the logs in it, at any depth; `LogError` where it has none.

    What begins with a dot or an underline is no log: notes of the programs that write such folders.
    """
    return [file for path in paths for file in (_within(path) if path.is_dir() else [path])]


def _within(folder: Path) -> list[Path]:
    found = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in _ENDINGS
        and file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    if not found:
        raise LogError(f"{folder}: the folder holds no file that ends in {', '.join(_ENDINGS)}")
    return found
