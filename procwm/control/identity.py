"""What a controller is made of, as hashes: a state or a log of decisions belongs to exactly one."""

import hashlib
from dataclasses import dataclass, replace

from procwm.errors import ArtifactError
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel


@dataclass(frozen=True)
class Identity:
    """Of a controller.

    Attributes:
        model: SHA-256 of the model's weights, scaling, windowing rule and guardrails.
        plant: SHA-256 of the plant file, without how the plant and the controller are reached.
    """

    model: str
    plant: str

    def check(self, other: "Identity", what: str) -> None:
        """Raise `ArtifactError` where `what`, which is of `other`, does not belong to this controller."""
        for name, mine, its in (("model", self.model, other.model), ("plant file", self.plant, other.plant)):
            if mine != its:
                raise ArtifactError(
                    f"{what} was made with another {name} (hash {its[:12]}, here {mine[:12]}); "
                    "start without it"
                )


def identity(plant: PlantSpec, model: WorldModel) -> Identity:
    """The identity of a controller of `plant` with `model`."""
    margins = tuple((head.name, head.margin) for head in model.guard_heads)
    digest = hashlib.sha256(repr((model.rule, model.horizon, margins, model.scaler.tags)).encode())
    for array in (model.scaler.center, model.scaler.width):
        digest.update(array.tobytes())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    text = dump_plant(replace(plant, opcua=None, control=plant.control.without_front_ends))
    return Identity(digest.hexdigest(), hashlib.sha256(text.encode()).hexdigest())
