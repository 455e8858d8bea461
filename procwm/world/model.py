"""The learned model of one plant: perception, prediction and read-outs, run as one."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from procwm.data.window import Window
from procwm.errors import SpecError
from procwm.world.composition import OF_FILES, Calibration, Dynamics, Heads, ModelParts
from procwm.world.predictors.rollout import imagined
from procwm.world.protocols import BandedHead, Encoder, ModelInput, PlannedHead, Predictor, Rollout
from procwm.world.storage.saving import save_parts

DEFAULT_FEEDBACK = 0.4
"""Where no log chose: quick, since nothing is known of the noise."""


class WorldModel(nn.Module):
    """Encoder, predictor, output read-out and guardrails of one plant. Torch, scaled units.

    It is whole when built, and is changed by building another one: `with_guard`, `with_calibration`, ...

    Attributes:
        plant, rule, scaler, horizon, metrics: as in `ModelParts`.
        encoder, predictor, readout, reference, ensemble: as in `Dynamics`.
        guards, sensors: as in `Heads`.
        feedback, band, response_standard_error, surprise, uncertainty, cloud: as in `Calibration`.
    """

    encoder: Encoder
    predictor: Predictor
    feedback: Tensor
    band: Tensor | None
    response_standard_error: Tensor | None

    def __init__(self, parts: ModelParts) -> None:
        super().__init__()
        self.plant, self.rule, self.scaler, self.horizon = (
            parts.plant,
            parts.rule,
            parts.scaler,
            parts.horizon,
        )
        self.metrics: Mapping[str, Any] = dict(parts.metrics)
        dynamics, heads, calibration = parts.dynamics, parts.heads, parts.calibration
        self.encoder, self.predictor, self.readout = dynamics.encoder, dynamics.predictor, dynamics.readout
        self.reference, self.ensemble = dynamics.reference, _listed(dynamics.ensemble)
        self.guards, self.sensors = _listed(heads.guards), _listed(heads.sensors)
        feedback = calibration.feedback
        if feedback is None:
            feedback = torch.full((parts.horizon, len(parts.plant.outputs)), DEFAULT_FEEDBACK)
        self.register_buffer("feedback", feedback)
        self.register_buffer("band", calibration.band)
        self.register_buffer("response_standard_error", calibration.response_standard_error)
        self.surprise, self.uncertainty = calibration.surprise, calibration.uncertainty
        self.cloud = calibration.cloud

    @property
    def parts(self) -> ModelParts:
        """What the model is made of, and could be built from again; the parts are not copied."""
        return ModelParts(
            plant=self.plant,
            rule=self.rule,
            scaler=self.scaler,
            horizon=self.horizon,
            dynamics=Dynamics(
                encoder=self.encoder,
                predictor=self.predictor,
                readout=self.readout,
                reference=self.reference,
                ensemble=self.ensemble_predictors,
            ),
            heads=Heads(guards=self.guard_heads, sensors=self.sensor_heads),
            calibration=self.calibration,
            metrics=self.metrics,
        )

    @property
    def calibration(self) -> Calibration:
        """How far the model can be trusted."""
        return Calibration(
            feedback=self.feedback,
            band=self.band,
            response_standard_error=self.response_standard_error,
            surprise=self.surprise,
            uncertainty=self.uncertainty,
            cloud=self.cloud,
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """Tags that `readout` predicts: CVs, then PVs with limits."""
        return self.plant.output_names

    @property
    def guard_names(self) -> tuple[str, ...]:
        """Names of the guardrails, in the order of the axis `guard`."""
        return tuple(head.name for head in self.guard_heads)

    @property
    def guard_heads(self) -> tuple[PlannedHead, ...]:
        """The guardrail heads, typed."""
        return cast(tuple[PlannedHead, ...], tuple(self.guards))

    @property
    def sensor_heads(self) -> tuple[BandedHead, ...]:
        """The soft sensors, typed."""
        return cast(tuple[BandedHead, ...], tuple(self.sensors))

    @property
    def ensemble_predictors(self) -> tuple[Predictor, ...]:
        """The predictors of the ensemble, typed."""
        return cast(tuple[Predictor, ...], tuple(self.ensemble))

    @property
    def members(self) -> tuple["WorldModel", ...]:
        """A model for each predictor of the ensemble, with every other part of this one; none without it."""
        known = Calibration(feedback=self.feedback, band=self.band, cloud=self.cloud)
        parts = replace(self.parts, heads=Heads(guards=self.guard_heads), calibration=known, metrics={})
        each = (
            Dynamics(encoder=self.encoder, predictor=other, readout=self.readout)
            for other in self.ensemble_predictors
        )
        return tuple(WorldModel(replace(parts, dynamics=dynamics)).finished() for dynamics in each)

    @property
    def half_width(self) -> Float[np.ndarray, "horizon output"]:
        """`band` in engineering units; +inf where nothing is known."""
        _, width = self.scaler.part(self.output_names)
        if self.band is None:
            return np.full((self.horizon, len(self.output_names)), np.inf)
        half: np.ndarray = self.band.cpu().numpy() * width
        return half

    @property
    def response_error(self) -> Float[np.ndarray, "horizon mv output"]:
        """`response_standard_error` in engineering units of the output for one of the MV; 0 if not known."""
        if self.response_standard_error is None:
            return np.zeros((self.horizon, len(self.plant.mvs), len(self.output_names)))
        return self.per_unit(self.response_standard_error)

    def per_unit(
        self, response: Float[Tensor, "horizon mv output"]
    ) -> Float[np.ndarray, "horizon mv output"]:
        """Scaled step responses in engineering units of the output for one of the MV."""
        _, width = self.scaler.part(self.output_names)
        _, mv_width = self.scaler.part(self.plant.mv_names)
        found: np.ndarray = response.cpu().numpy() * width / mv_width[:, None]
        return found

    def tensor(
        self, values: Float[np.ndarray, "*rows tag"], tags: Sequence[str]
    ) -> Float[Tensor, "*rows tag"]:
        """Engineering units (numpy) to scaled units in the model's own precision and device."""
        weight = self.readout.weight
        return torch.as_tensor(self.scaler.scale(values, tags), dtype=weight.dtype, device=weight.device)

    def engineering(
        self, values: Float[Tensor, "*rows tag"], tags: Sequence[str]
    ) -> Float[np.ndarray, "*rows tag"]:
        """Scaled units (torch) to engineering units."""
        return self.scaler.unscale(values.detach().cpu().numpy().astype(np.float64), tags)

    def model_input(self, windows: Sequence[Window]) -> ModelInput:
        """Scale windows and stack them."""
        weight = self.readout.weight
        values = np.stack([window.values for window in windows])
        valid = np.stack([window.valid for window in windows])
        scaled = fill_forward(self.scaler.scale(values, self.rule.tags), valid)
        return ModelInput(
            torch.as_tensor(scaled, dtype=weight.dtype, device=weight.device),
            torch.as_tensor(valid, dtype=weight.dtype, device=weight.device),
        )

    def encode(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        latent: Tensor = self.encoder(window)
        return latent

    def guard(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch guard"]:
        """Guardrail values, margin included; safe where `<= 0`."""
        if not self.guards:
            return latent.new_zeros((latent.shape[0], 0))
        return torch.cat([head(latent) for head in self.guards], dim=-1)

    def sense(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch sensor"]:
        """What the soft sensors say, in their own units."""
        if not self.sensors:
            return latent.new_zeros((latent.shape[0], 0))
        return torch.cat([head(latent) for head in self.sensors], dim=-1)

    def decode(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch mv"],
        dv: Float[Tensor, "batch dv"],
    ) -> Float[Tensor, "batch tag"]:
        """What every measured tag reads in these states, scaled: what a latent state means.

        A linear probe that was fitted apart, to latents one interval ahead, and teaches them nothing.

        Args:
            latent: one interval ahead, or encoded.
            mv, dv: of the interval that ends there.

        Raises:
            SpecError: too little of the log was held out to learn what is expected of the tags.
        """
        if self.surprise is None:
            raise SpecError(
                f"plant {self.plant.name}: this model has no probes of its tags; learn from more log"
            )
        return self.surprise.decode(latent, torch.cat((mv, dv), dim=1))

    def imagine(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Float[Tensor, "batch horizon latent"]:
        """Latent states under the given MVs and DVs (scaled); row 0 is the end of the first interval."""
        return imagined(self.predictor, latent, mv, dv)

    def rollout(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Rollout:
        """Predicted outputs and guardrails under the given MVs and DVs (scaled)."""
        states = self.imagine(latent, mv, dv)
        guard = self.guard(states.flatten(0, 1))
        return Rollout(self.readout(states), guard.reshape(*states.shape[:2], guard.shape[-1]))

    def with_guard(self, head: PlannedHead) -> "WorldModel":
        """A copy that also has `head`; a guardrail of the same name is replaced."""
        kept = tuple(other for other in self.guard_heads if other.name != head.name)
        return self._with(heads=Heads(guards=(*kept, head), sensors=self.sensor_heads))

    def with_sensor(self, head: BandedHead) -> "WorldModel":
        """A copy that also has `head`; a soft sensor of the same name is replaced."""
        kept = tuple(other for other in self.sensor_heads if other.name != head.name)
        return self._with(heads=Heads(guards=self.guard_heads, sensors=(*kept, head)))

    def with_calibration(self, **changes: Any) -> "WorldModel":
        """A copy with other fields of its `Calibration`; those that are not named stay."""
        return self._with(calibration=replace(self.calibration, **changes))

    def with_band(self, half_width: Float[np.ndarray, "horizon output"]) -> "WorldModel":
        """A copy with the band of `half_width`, engineering units."""
        _, width = self.scaler.part(self.output_names)
        band = torch.as_tensor(half_width / width, dtype=self.readout.weight.dtype)
        return self.with_calibration(band=band)

    def with_metrics(self, **more: Any) -> "WorldModel":
        """A copy of which more is told: numbers and text that JSON can hold, by name."""
        return self._with(metrics={**self.metrics, **more})

    def _with(self, **changes: Any) -> "WorldModel":
        parts = replace(self.parts, **changes)
        metrics = {name: fact for name, fact in parts.metrics.items() if name not in OF_FILES}
        return WorldModel(copy.deepcopy(replace(parts, metrics=metrics))).finished()

    def finished(self) -> "WorldModel":
        """This model in double precision, in evaluation mode, with nothing left to train."""
        self.double().eval().requires_grad_(False)
        return self

    def save(self, path: str | Path) -> None:
        """Write the model to the directory `path`, which appears whole or not at all.

        Raises:
            ArtifactError: the directory cannot be written, or holds something else.
        """
        save_parts(self.parts, self.state_dict(), Path(path))


def _listed(parts: Sequence[Any]) -> nn.ModuleList:
    """Parts are modules, which their Protocols do not say."""
    return nn.ModuleList(parts)


def fill_forward(
    values: Float[np.ndarray, "*batch history tag"], valid: Bool[np.ndarray, "*batch history tag"]
) -> Float[np.ndarray, "*batch history tag"]:
    """Each missing value becomes the last valid one above it in the same window, or 0 where there is none."""
    history = values.shape[-2]
    rows = np.arange(history)[:, None]
    last = np.maximum.accumulate(np.where(valid, rows, -1), axis=-2)
    filled = np.take_along_axis(np.where(valid, values, 0.0), np.maximum(last, 0), axis=-2)
    return np.where(last >= 0, filled, 0.0)
