"""Files that end: whoever opened a pipe or a device would wait for it."""

from pathlib import Path

from procwm.errors import ProcwmError


def check_regular(path: str | Path, refused: type[ProcwmError]) -> None:
    """Raise `refused` where `path` is a pipe, a socket or a device; that it is missing, its reader tells.

    Raises:
        OSError: `path` cannot be looked at.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise refused(f"{path}: a pipe, a socket or a device, not a file; save what it brings as one")
