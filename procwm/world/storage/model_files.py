"""A world model as files: weights in safetensors, everything else in JSON and TOML; no pickle."""

import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from procwm.data.window import WindowRule
from procwm.errors import ArtifactError, SpecError
from procwm.plant.plantfile.plant_fingerprint import first_difference
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.tags import PlantSpec
from procwm.world.cloud import Cloud
from procwm.world.encoders.encoder import WindowEncoder
from procwm.world.heads import GuardHead, SensorHead
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel
from procwm.world.perceptron import smooth_network
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.scaler import Scaler
from procwm.world.storage.artifact import read_artifact, write_artifact
from procwm.world.surprise import Surprise
from procwm.world.uncertainty import Uncertainty


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Guard(_Strict):
    name: str
    widths: tuple[int, ...]
    margin: float
    coverage: float


class _Sensor(_Strict):
    name: str
    widths: tuple[int, ...]
    half_width: float
    coverage: float


class _Surprise(_Strict):
    tags: tuple[str, ...]
    leads: tuple[int, ...]


class _Sizes(_Strict):
    """Everything that decides the shapes of the weights, and the windowing rule.

    Attributes:
        hold_s, due_s: `None` is for ever, which JSON has no number for.
    """

    interval_s: float
    history: int
    hold_s: tuple[float | None, ...]
    cyclic: tuple[str, ...] = ()
    due_s: tuple[float | None, ...] = ()
    tags: tuple[str, ...] | None = None
    horizon: int
    latent: int
    encoder: str = "mlp"
    encoder_hidden: tuple[int, ...]
    predictor: str = "mlp"
    predictor_hidden: tuple[int, ...]
    guards: tuple[_Guard, ...]
    sensors: tuple[_Sensor, ...] = ()
    reference_latent: int | None
    band: bool = False
    doubt: bool = False
    surprise: _Surprise | None = None
    uncertainty: bool = False
    cloud: bool = False
    members: int = 0


class _ScalerRow(_Strict):
    tag: str
    center: float
    width: float


def save_model(model: WorldModel, path: str | Path) -> None:
    """Write `model` to the directory `path`, which appears whole or not at all.

    Raises:
        ArtifactError: the directory cannot be written, or holds something else.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    scaler = model.scaler
    rows = [
        {"tag": tag, "center": float(center), "width": float(width)}
        for tag, center, width in zip(scaler.tags, scaler.center, scaler.width, strict=True)
    ]
    files = {
        "weights.safetensors": save(weights),
        "config.json": _sizes_of(model).model_dump_json(indent=1).encode(),
        "plant.toml": dump_plant(model.plant).encode(),
        "scaler.json": _json(rows),
        "metrics.json": _json(model.metrics),
    }
    write_artifact(Path(path), files, {name: version(name) for name in ("procwm", "torch")})


def load_model(path: str | Path, plant: PlantSpec | None = None) -> WorldModel:
    """Read a model from the directory `path`.

    Args:
        path: directory that `WorldModel.save` wrote.
        plant: the plant to use it for; its targets, limits and weights replace those it was trained
            with. `None` takes the plant file kept beside the weights.

    Raises:
        ArtifactError: the directory is incomplete or altered, or the model is for another plant.
    """
    path = Path(path)
    files = read_artifact(path)
    try:
        sizes = _Sizes.model_validate_json(files["config.json"])
        rows = [_ScalerRow.model_validate(row) for row in json.loads(files["scaler.json"])]
        metrics: dict[str, Any] = json.loads(files["metrics.json"])
        weights = load(files["weights.safetensors"])
    except (KeyError, ValueError, ValidationError, SafetensorError) as error:
        raise ArtifactError(f"{path} is no model that this version can read: {error}") from None
    trained_for = parse_plant(files["plant.toml"].decode(), source=str(path / "plant.toml"))
    if plant is not None and (difference := first_difference(trained_for, plant)) is not None:
        raise ArtifactError(f"{path} was trained for another plant: {difference}")
    scaler = Scaler(
        tuple(row.tag for row in rows),
        np.array([row.center for row in rows]),
        np.array([row.width for row in rows]),
    )
    try:
        model = _build(plant or trained_for, sizes, scaler, metrics).double()
        model.load_state_dict(weights)
    except SpecError as error:
        raise ArtifactError(f"{path / 'config.json'}: {error}") from None
    except RuntimeError as error:
        raise ArtifactError(f"{path}: the weights do not fit config.json: {error}") from None
    return model.finished()


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()


def _sizes_of(model: WorldModel) -> _Sizes:
    reference = model.reference
    return _Sizes(
        interval_s=model.rule.interval_s,
        history=model.rule.history,
        hold_s=tuple(hold_s if math.isfinite(hold_s) else None for hold_s in model.rule.hold_s),
        cyclic=model.rule.cyclic,
        due_s=tuple(due_s if math.isfinite(due_s) else None for due_s in model.rule.due_s),
        tags=model.rule.tags,
        horizon=model.horizon,
        latent=model.predictor.latent,
        encoder=model.encoder.kind,
        encoder_hidden=model.encoder.hidden,
        predictor=model.predictor.kind,
        predictor_hidden=model.predictor.hidden,
        guards=tuple(
            _Guard(name=head.name, widths=_widths(head.network), margin=head.margin, coverage=head.coverage)
            for head in model.guard_heads
        ),
        sensors=tuple(
            _Sensor(
                name=head.name,
                widths=_widths(head.network),
                half_width=head.half_width,
                coverage=head.coverage,
            )
            for head in model.sensor_heads
        ),
        reference_latent=None if reference is None else reference.readout.in_features,
        band=model.band is not None,
        doubt=model.doubt is not None,
        surprise=None
        if model.surprise is None
        else _Surprise(tags=model.surprise.tags, leads=model.surprise.leads),
        uncertainty=model.uncertainty is not None,
        cloud=model.cloud is not None,
        members=len(model.ensemble),
    )


def _widths(network: nn.Sequential) -> tuple[int, ...]:
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    return (linear[0].in_features, *(layer.out_features for layer in linear))


def _network(widths: tuple[int, ...]) -> nn.Sequential:
    return smooth_network(widths[0], widths[1:-1], widths[-1])


def _predictor(sizes: _Sizes, mv: int, dv: int, outputs: int) -> ResidualPredictor:
    return ResidualPredictor(
        latent=sizes.latent,
        mv=mv,
        dv=dv,
        hidden=sizes.predictor_hidden,
        kind=sizes.predictor,
        scheduling=outputs,
    )


def _build(plant: PlantSpec, sizes: _Sizes, scaler: Scaler, metrics: dict[str, Any]) -> WorldModel:
    outputs, mv, dv = len(plant.outputs), len(plant.mvs), len(plant.dvs)
    seen = plant.names if sizes.tags is None else sizes.tags
    tags = len(seen)
    reference = sizes.reference_latent
    # Layers draw their first weights when built; loading must not move the caller's random state.
    with torch.random.fork_rng(devices=[]):
        return WorldModel(
            plant=plant,
            rule=WindowRule(
                tags=seen,
                interval_s=sizes.interval_s,
                history=sizes.history,
                hold_s=tuple(math.inf if hold_s is None else hold_s for hold_s in sizes.hold_s),
                cyclic=sizes.cyclic,
                due_s=tuple(math.inf if due_s is None else due_s for due_s in sizes.due_s),
            ),
            scaler=scaler,
            horizon=sizes.horizon,
            encoder=WindowEncoder(
                history=sizes.history,
                tags=tags,
                latent=sizes.latent,
                hidden=sizes.encoder_hidden,
                kind=sizes.encoder,
            ),
            predictor=_predictor(sizes, mv, dv, outputs),
            readout=nn.Linear(sizes.latent, outputs),
            guards=[
                GuardHead(
                    name=guard.name,
                    network=_network(guard.widths),
                    margin=guard.margin,
                    coverage=guard.coverage,
                )
                for guard in sizes.guards
            ],
            sensors=[
                SensorHead(
                    name=sensor.name,
                    network=_network(sensor.widths),
                    half_width=sensor.half_width,
                    coverage=sensor.coverage,
                )
                for sensor in sizes.sensors
            ],
            band=torch.zeros((sizes.horizon, outputs)) if sizes.band else None,
            doubt=torch.zeros((sizes.horizon, mv, outputs)) if sizes.doubt else None,
            surprise=None
            if sizes.surprise is None
            else Surprise(
                tags=sizes.surprise.tags, leads=sizes.surprise.leads, inputs=sizes.latent + mv + dv + 1
            ),
            reference=None
            if reference is None
            else LinearDynamics(
                features=2 * sizes.history * tags, latent=reference, mv=mv, dv=dv, outputs=outputs
            ),
            uncertainty=Uncertainty(horizon=sizes.horizon, outputs=outputs) if sizes.uncertainty else None,
            cloud=Cloud(sizes.latent) if sizes.cloud else None,
            ensemble=[_predictor(sizes, mv, dv, outputs) for _ in range(sizes.members)],
            metrics=metrics,
        )
