"""An interrupted training on disk: one safetensors file, replaced whole."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

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


def optimizer_tensors(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """AdamW's memory, by the name of the parameter it belongs to."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{key}/{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimizer(
    optimizer: torch.optim.Optimizer, module: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_tensors` returned."""
    for name, parameter in module.named_parameters():
        memory = {
            key.split("/", 2)[1]: value.clone()
            for key, value in tensors.items()
            if key.startswith("optimizer/") and key.split("/", 2)[2] == name
        }
        if memory:
            optimizer.state[parameter] = memory
