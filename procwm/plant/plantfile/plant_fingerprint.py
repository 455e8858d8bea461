"""What of a plant file a trained model depends on, and where two plant files differ in it."""

import hashlib
import json
from typing import Any

from procwm.plant.tags import PlantSpec, Role


def plant_fingerprint(plant: PlantSpec) -> str:
    """SHA-256 of what a trained model depends on.

    That is the control interval and every tag's name, role, unit, range and whether it is an output.
    Setpoints, zones, weights and the values of limits may change at run time and are left out.
    """
    return hashlib.sha256(json.dumps([float(plant.interval_s), _learned(plant)]).encode()).hexdigest()


def first_difference(trained: PlantSpec, given: PlantSpec) -> str | None:
    """The first difference in what `plant_fingerprint` covers, a sentence naming the tag; `None` if equal."""
    if trained.interval_s != given.interval_s:
        return f"interval_s is {given.interval_s}; the model was trained with {trained.interval_s}"
    for name in trained.names:
        if name not in given.names:
            return f"{name}: the model was trained with this tag; the plant has {', '.join(given.names)}"
    for name in given.names:
        if name not in trained.names:
            return f"{name}: the model was trained without this tag; it knows {', '.join(trained.names)}"
    for number, (old, new) in enumerate(zip(_learned(trained), _learned(given), strict=True), start=1):
        if old["name"] != new["name"]:
            return f"{new['name']}: tag number {number}, where the model was trained with {old['name']}"
        for key, value in old.items():
            if new[key] != value:
                return (
                    f"{old['name']}: {key} is {_shown(new[key])}; the model was trained with {_shown(value)}"
                )
    return None


def _learned(plant: PlantSpec) -> list[dict[str, Any]]:
    outputs = {tag.name for tag in plant.outputs}
    return [
        {
            "name": tag.name,
            "role": tag.role.value,
            "unit": tag.unit,
            "range": [float(bound) for bound in tag.range],
            "limits": "given" if tag.name in outputs and tag.role is Role.PV else "any",
        }
        for tag in plant.tags
    ]


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
