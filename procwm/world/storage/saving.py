"""A world model to files: weights in safetensors, everything else in JSON and TOML; no pickle."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from procwm.plant.plantfile.specfile import dump_plant
from procwm.world.composition import OF_FILES, ModelParts
from procwm.world.storage.artifact import write_artifact
from procwm.world.storage.model_config import config_of, rows_of


def save_parts(parts: ModelParts, weights: Mapping[str, Tensor], path: Path) -> None:
    """Write the model of `parts` to the directory `path`, which appears whole or not at all.

    Args:
        weights: of all of its modules, by name.

    Raises:
        ArtifactError: the directory cannot be written, or holds something else.
    """
    files = {
        "weights.safetensors": save(
            {name: value.detach().cpu().contiguous() for name, value in weights.items()}
        ),
        "config.json": _json(config_of(parts).model_dump(mode="json")),
        "plant.toml": dump_plant(parts.plant).encode(),
        "scaler.json": _json([row.model_dump() for row in rows_of(parts.scaler)]),
        "metrics.json": _json({name: fact for name, fact in parts.metrics.items() if name not in OF_FILES}),
    }
    write_artifact(path, files, {name: version(name) for name in ("procwm", "torch")})


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()
