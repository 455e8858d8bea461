"""Secrets from the environment or from files that nobody else can read; never from a plant file."""

import os
import stat
from pathlib import Path

from procwm.errors import SpecError

PASSWORD = "PROCWM_OPCUA_PASSWORD"
"""Variable that holds the password of the user who logs in."""

USER_KEY = "PROCWM_OPCUA_USER_KEY"
"""Variable that holds the private key, PEM, of the certificate to log in with."""

PASSPHRASE = "PROCWM_OPCUA_KEY_PASSPHRASE"
"""Variable that holds the passphrase of private keys that have one."""


def read_private(path: Path) -> bytes:
    """Content of a file that only its owner may read; `SpecError` where it is missing or others may."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise SpecError(
                    f"{path}: other users can read or change it (mode {mode:o}); run: chmod 600 {path}"
                )
            return file.read()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None


def secret(variable: str, path: Path | None, what: str) -> bytes:
    """The secret in the environment's `variable`, else in the file at `path`.

    Raises:
        SpecError: neither is given, or the file may be read by others. The secret is never in the sentence.
    """
    value = os.environ.get(variable)
    if value:
        return value.encode()
    if path is None:
        raise SpecError(f"{what} is missing; set the variable {variable}, or name a file in the plant file")
    return read_private(path)


def write_private(path: Path, content: bytes) -> None:
    """A file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.unlink(missing_ok=True)
        # Neither a file nor a link that somebody else has put there is written to.
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
