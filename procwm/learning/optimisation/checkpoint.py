"""An interrupted training on disk: one safetensors file, replaced whole."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from procwm.data.files import replacing
from procwm.errors import TrainingError

_IDENTITY = "identity"


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], identity: str) -> None:
    """Write `tensors` to `path`; a kill leaves the old file or the new one.

    Args:
        identity: of log, plant, seed and configuration: what the tensors may be continued with.
    """
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    try:
        with replacing(path) as temporary:
            save_file(whole, temporary, {_IDENTITY: identity})
    except OSError as error:
        raise TrainingError(f"{path}: the checkpoint cannot be written: {error.strerror or error}") from None


def read_checkpoint(path: Path, identity: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint written for the same `identity`.

    Raises:
        TrainingError: the file is damaged, or belongs to another training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get(_IDENTITY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        raise TrainingError(f"{path} is no checkpoint, or is cut short: remove it to start again") from None
    if found != identity:
        raise TrainingError(
            f"{path} belongs to a training with another log, plant, seed or configuration: "
            "remove it to start again"
        )
    return tensors
