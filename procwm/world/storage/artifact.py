"""A directory of files with a manifest of their hashes: it appears whole, and is refused when altered."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from procwm.errors import ArtifactError
from procwm.plant.regular_files import check_regular

MANIFEST = "manifest.json"
_FORMAT = 1


def write_artifact(path: Path, files: Mapping[str, bytes], facts: Mapping[str, str]) -> None:
    """Write `files` and their manifest to the directory `path`, replacing an artifact that is there.

    Everything is written beside `path` first and then renamed. A kill leaves the old directory or
    the new one; between the two renames, which take microseconds, both lie beside `path` under names
    that begin with a dot.

    Args:
        path: directory to write.
        files: content by file name.
        facts: versions and identities for the manifest.

    Raises:
        ArtifactError: `path` exists and is no artifact, or cannot be written.
    """
    check_writable(path)
    manifest = {
        "format": _FORMAT,
        "facts": dict(facts),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
    try:
        path = path.absolute()
        unique = secrets.token_hex(4)
        new, old = (path.with_name(f".{path.name}.{unique}.{age}") for age in ("new", "old"))
        new.mkdir(parents=True)
        try:
            for name, content in files.items():
                _write(new / name, content)
            _write(new / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
            _replace(path, new, old)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise ArtifactError(f"{path}: the model cannot be written: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """Raise `ArtifactError` where `path` is taken by something else than an artifact, or is a link."""
    if path.is_symlink():
        raise ArtifactError(f"{path} is a link to another place; name that place")
    if path.exists() and not (path / MANIFEST).is_file() and not _is_empty_directory(path):
        raise ArtifactError(f"{path} exists and is not a model directory; it is left as it is")


def read_artifact(path: Path) -> dict[str, bytes]:
    """Every file of the artifact at `path`, by name, its hash verified.

    Raises:
        ArtifactError: a file is missing, cut short or altered, or the format is not known.
    """
    return {name: _verified(_inside(path, name), expected) for name, expected in listed_hashes(path).items()}


def listed_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of every file of the artifact at `path`, by name, as its manifest lists them.

    Raises:
        ArtifactError: there is no manifest, it is cut short, or its format is not known.
    """
    try:
        check_regular(path / MANIFEST, ArtifactError)
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise ArtifactError(
                f"{path / MANIFEST}: format {manifest['format']} is not known; this version reads {_FORMAT}"
            )
        return {str(name): str(value) for name, value in manifest["sha256"].items()}
    except OSError:
        raise ArtifactError(f"{path} is not a model directory: it has no readable {MANIFEST}") from None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise ArtifactError(f"{path / MANIFEST} is cut short or altered; save the model again") from None


def _inside(path: Path, name: str) -> Path:
    """The file `name` of the artifact at `path`; `ArtifactError` where it would be one outside."""
    file = path / name
    if name in ("", ".", "..") or file.name != name or "\0" in name or file.is_symlink():
        raise ArtifactError(f"{path / MANIFEST}: {name!r} is no file of the model directory; save it again")
    return file


def _replace(path: Path, new: Path, old: Path) -> None:
    """Put `new` where `path` is, by way of `old`."""
    if not path.exists():
        new.rename(path)
        return
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _verified(path: Path, expected: str) -> bytes:
    try:
        check_regular(path, ArtifactError)
        content = path.read_bytes()
    except OSError:
        raise ArtifactError(f"{path} is missing from the model directory; save the model again") from None
    if hashlib.sha256(content).hexdigest() != expected:
        raise ArtifactError(
            f"{path} is cut short or altered: its hash is not the one in {MANIFEST}; copy the model again "
            "from where it was made, or train it again"
        )
    return content


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
