"""A world model from files, built as they say and filled with the weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from procwm.errors import ArtifactError, SpecError
from procwm.plant.plantfile.plant_fingerprint import first_difference
from procwm.plant.plantfile.specfile import parse_plant
from procwm.plant.tags import PlantSpec
from procwm.world.cloud import Cloud
from procwm.world.composition import OF_FILES, Calibration, Dynamics, Heads, ModelParts
from procwm.world.fitness import kept_verdict
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel
from procwm.world.parts.specs import StepShape, WindowShape
from procwm.world.scaler import Scaler
from procwm.world.storage.approval import check_approved, known_of_files, read_approval
from procwm.world.storage.artifact import read_artifact
from procwm.world.storage.catalogue import ENCODERS, HEADS, PREDICTORS
from procwm.world.storage.model_config import ModelConfig, ScalerRow, scaler_of
from procwm.world.storage.older_models import current_config, current_weights
from procwm.world.surprise import Surprise
from procwm.world.uncertainty import Uncertainty


def load_model(path: str | Path, plant: PlantSpec | None = None) -> WorldModel:
    """Read a model from the directory `path`.

    Args:
        path: directory that `WorldModel.save` wrote.
        plant: the plant to use it for; its targets, limits and weights replace those it was trained
            with. `None` takes the plant file kept beside the weights. Where it names an approved model, or
            somebody who must have signed it, no other is read.

    Raises:
        ArtifactError: the directory is incomplete or altered, the model is for another plant, it is not the
            approved one, or it has a part of a kind that nobody offers here.
    """
    path = Path(path)
    files = read_artifact(path)
    known = known_of_files(path)
    if plant is not None:
        if plant.control.approved_by is not None:
            read_approval(path)
        check_approved(known, plant, path)
    try:
        config = ModelConfig.model_validate(current_config(json.loads(files["config.json"])))
        rows = [ScalerRow.model_validate(row) for row in json.loads(files["scaler.json"])]
        metrics = _metrics(json.loads(files["metrics.json"])) | known
        weights = current_weights(load(files["weights.safetensors"]))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise ArtifactError(f"{path} is no model that this version can read: {error}") from None
    trained_for = parse_plant(files["plant.toml"].decode(), source=str(path / "plant.toml"))
    if plant is not None and (difference := first_difference(trained_for, plant)) is not None:
        raise ArtifactError(f"{path} was trained for another plant: {difference}")
    try:
        model = WorldModel(_parts(plant or trained_for, config, scaler_of(rows), metrics)).double()
        model.load_state_dict(weights)
    except SpecError as error:
        raise ArtifactError(f"{path / 'config.json'}: {error}") from None
    except RuntimeError as error:
        raise ArtifactError(f"{path}: the weights do not fit config.json: {error}") from None
    return model.finished()


def _metrics(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a file tells of a model; `TypeError`, `KeyError` or `ValueError` where its verdict is none."""
    kept_verdict(found)
    return {name: fact for name, fact in found.items() if name not in OF_FILES}


def _parts(plant: PlantSpec, config: ModelConfig, scaler: Scaler, metrics: dict[str, Any]) -> ModelParts:
    """Parts of the right shapes, weights apart."""
    # Layers draw their first weights when built; loading must not move the caller's random state.
    with torch.random.fork_rng(devices=[]):
        return ModelParts(
            plant=plant,
            rule=config.rule(plant.names),
            scaler=scaler,
            horizon=config.horizon,
            dynamics=_dynamics(plant, config),
            heads=Heads(
                guards=_heads(config.guards, config.latent),
                sensors=_heads(config.sensors, config.latent),
            ),
            calibration=_calibration(plant, config),
            metrics=metrics,
        )


def _heads(configs: Sequence[dict[str, Any]], latent: int) -> tuple[Any, ...]:
    return tuple(HEADS.read(config).build(latent) for config in configs)


def _dynamics(plant: PlantSpec, config: ModelConfig) -> Dynamics:
    outputs, mv, dv = len(plant.outputs), len(plant.mvs), len(plant.dvs)
    tags = len(config.rule(plant.names).tags)
    seen = WindowShape(history=config.history, tags=tags, latent=config.latent)
    step = StepShape(latent=config.latent, mv=mv, dv=dv, outputs=outputs)
    predictor, reference = PREDICTORS.read(config.predictor), config.reference_latent
    return Dynamics(
        encoder=ENCODERS.read(config.encoder).build(seen),
        predictor=predictor.build(step),
        readout=nn.Linear(config.latent, outputs),
        reference=None
        if reference is None
        else LinearDynamics(features=seen.features, latent=reference, mv=mv, dv=dv, outputs=outputs),
        ensemble=tuple(predictor.build(step) for _ in range(config.members)),
    )


def _calibration(plant: PlantSpec, config: ModelConfig) -> Calibration:
    horizon, outputs, mv, dv = config.horizon, len(plant.outputs), len(plant.mvs), len(plant.dvs)
    surprise = config.surprise
    return Calibration(
        band=torch.zeros((horizon, outputs)) if config.band else None,
        response_standard_error=torch.zeros((horizon, mv, outputs))
        if config.response_standard_error
        else None,
        surprise=None
        if surprise is None
        else Surprise(tags=surprise.tags, leads=surprise.leads, inputs=config.latent + mv + dv + 1),
        uncertainty=Uncertainty(horizon=horizon, outputs=outputs) if config.uncertainty else None,
        cloud=Cloud(config.latent) if config.cloud else None,
    )
