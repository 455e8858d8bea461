"""What a controller is made of: whether the model fits the plant file, and hashes of both.

A state or a log of decisions belongs to exactly one controller.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from procwm.errors import ArtifactError, SpecError
from procwm.plant.log_settings import LogSettings
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.tags import PlantSpec, Tag
from procwm.plant.units import canonical_unit
from procwm.world.model import WorldModel
from procwm.world.storage.approval import check_approved


@dataclass(frozen=True)
class Identity:
    """Of a controller.

    Attributes:
        model: SHA-256 of the model's weights, scaling, windowing rule and guardrails.
        plant: SHA-256 of the plant file, without how plant, controller and logs are reached.
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
    guards = tuple(head.spec for head in model.guard_heads)
    digest = hashlib.sha256(repr((model.rule, model.horizon, guards, model.scaler.tags)).encode())
    for array in (model.scaler.center, model.scaler.width):
        digest.update(array.tobytes())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    text = dump_plant(replace(plant, opcua=None, log=LogSettings(), control=plant.control.without_front_ends))
    return Identity(digest.hexdigest(), hashlib.sha256(text.encode()).hexdigest())


def _check_measure(mine: Tag, other: Tag) -> None:
    """Raise `SpecError` where a tag is measured in another unit, or range, than the model learned from."""
    if canonical_unit(mine.unit) != canonical_unit(other.unit):
        raise SpecError(
            f"{mine.name}: the plant file has it in {mine.unit or 'no unit'}, the model was made for "
            f"{other.unit or 'no unit'}; mend the plant file, or train a model of it"
        )
    if mine.range != other.range:
        raise SpecError(
            f"{mine.name}: range is [{mine.range[0]:g}, {mine.range[1]:g}], the model was made for "
            f"[{other.range[0]:g}, {other.range[1]:g}]; mend the plant file, or train a model of it"
        )


def check_made_for(plant: PlantSpec, model: WorldModel) -> None:
    """Raise `SpecError` where `model` was made for another plant; it names the first difference.

    Where the plant file approves another model it is an `ArtifactError`.
    """
    check_approved(model.metrics, plant, "the model")
    made_for = model.plant
    if plant.names != made_for.names:
        raise SpecError(f"plant {plant.name}: the model was made for other tags: {', '.join(made_for.names)}")
    for mine, other in zip(plant.tags, made_for.tags, strict=True):
        if mine.role is not other.role:
            raise SpecError(
                f"{mine.name}: the plant file says {mine.role}, the model was made for {other.role}"
            )
        _check_measure(mine, other)
    if plant.output_names != model.output_names:
        raise SpecError(
            f"plant {plant.name}: the model predicts {', '.join(model.output_names)}, the plant file asks "
            f"for {', '.join(plant.output_names)}; PV limits were added or removed after training"
        )
    if plant.control.tightening > 0.0 and not np.isfinite(model.half_width).all():
        raise SpecError(
            f"plant {plant.name}: tightening is {plant.control.tightening:g}, and the model's log was too "
            "short to show how far it errs; train it from more hours, or leave tightening out"
        )
    if plant.interval_s != model.rule.interval_s:
        raise SpecError(
            f"plant {plant.name}: interval_s is {plant.interval_s:g}, "
            f"the model was made for {model.rule.interval_s:g}"
        )
