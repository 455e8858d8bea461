"""What `config.json` and `scaler.json` of a saved model hold: all that decides the shapes of its weights."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from procwm.data.window import WindowRule
from procwm.world.composition import ModelParts
from procwm.world.scaler import Scaler


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SurpriseConfig(_Strict):
    """Tags that a model expects something of, and how far ahead."""

    tags: tuple[str, ...]
    leads: tuple[int, ...]


class ModelConfig(_Strict):
    """Sizes, the windowing rule, and what is there at all.

    Attributes:
        hold_s, due_s: `None` is for ever, which JSON has no number for.
        encoder, predictor, guards, sensors: kind and fields of each part, as its own spec writes them.
        members: of the ensemble, each built as the predictor is.
    """

    interval_s: float
    history: int
    hold_s: tuple[float | None, ...]
    cyclic: tuple[str, ...] = ()
    due_s: tuple[float | None, ...] = ()
    tags: tuple[str, ...] | None = None
    horizon: int
    latent: int
    encoder: dict[str, Any]
    predictor: dict[str, Any]
    guards: tuple[dict[str, Any], ...]
    sensors: tuple[dict[str, Any], ...] = ()
    reference_latent: int | None
    band: bool = False
    response_standard_error: bool = False
    surprise: SurpriseConfig | None = None
    uncertainty: bool = False
    cloud: bool = False
    members: int = 0

    def rule(self, tags: Sequence[str]) -> WindowRule:
        """The windowing rule; `tags` are those of the plant, which a model sees where it does not say."""
        return WindowRule(
            tags=tuple(tags) if self.tags is None else self.tags,
            interval_s=self.interval_s,
            history=self.history,
            hold_s=_seconds(self.hold_s),
            cyclic=self.cyclic,
            due_s=_seconds(self.due_s),
        )


def config_of(parts: ModelParts) -> ModelConfig:
    """That of a model."""
    rule, dynamics, known = parts.rule, parts.dynamics, parts.calibration
    reference, surprise = dynamics.reference, known.surprise
    return ModelConfig(
        interval_s=rule.interval_s,
        history=rule.history,
        hold_s=_or_none(rule.hold_s),
        cyclic=rule.cyclic,
        due_s=_or_none(rule.due_s),
        tags=rule.tags,
        horizon=parts.horizon,
        latent=dynamics.predictor.shape.latent,
        encoder=dynamics.encoder.spec.as_config(),
        predictor=dynamics.predictor.spec.as_config(),
        guards=tuple(head.spec.as_config() for head in parts.heads.guards),
        sensors=tuple(head.spec.as_config() for head in parts.heads.sensors),
        reference_latent=None if reference is None else reference.readout.in_features,
        band=known.band is not None,
        response_standard_error=known.response_standard_error is not None,
        surprise=None if surprise is None else SurpriseConfig(tags=surprise.tags, leads=surprise.leads),
        uncertainty=known.uncertainty is not None,
        cloud=known.cloud is not None,
        members=len(dynamics.ensemble),
    )


class ScalerRow(_Strict):
    """How one tag is scaled, engineering units."""

    tag: str
    center: float
    width: float


def rows_of(scaler: Scaler) -> list[ScalerRow]:
    """One row a tag."""
    return [
        ScalerRow(tag=tag, center=float(center), width=float(width))
        for tag, center, width in zip(scaler.tags, scaler.center, scaler.width, strict=True)
    ]


def scaler_of(rows: Sequence[ScalerRow]) -> Scaler:
    """What `rows_of` was told."""
    return Scaler(
        tuple(row.tag for row in rows),
        np.array([row.center for row in rows]),
        np.array([row.width for row in rows]),
    )


def _or_none(seconds: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(each if math.isfinite(each) else None for each in seconds)


def _seconds(kept: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.inf if each is None else each for each in kept)
