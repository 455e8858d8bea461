"""The learned model of one plant: perception, prediction and read-outs, run as one."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from procwm.data.window import Window, WindowRule
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec
from procwm.world.cloud import Cloud
from procwm.world.encoders.encoder import WindowEncoder
from procwm.world.heads import GuardHead, SensorHead
from procwm.world.linear import LinearDynamics
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.protocols import ModelInput, Rollout
from procwm.world.scaler import Scaler
from procwm.world.surprise import Surprise
from procwm.world.uncertainty import Uncertainty

DEFAULT_FEEDBACK = 0.4
"""Where no log chose: quick, since nothing is known of the noise."""


class WorldModel(nn.Module):
    """Encoder, predictor, output read-out and guardrails of one plant. Torch, scaled units.

    Attributes:
        plant: the plant it was made for.
        rule: how samples become its windows; owns history length and control interval.
        scaler: engineering units to scaled units and back.
        horizon: count of intervals ahead over which predictions were trained and are worth planning.
        feedback: share of a new prediction error that the disturbance estimate believes, by lead and output.
        band: half-width about a prediction that holds `BAND_COVERAGE` of measurements, by lead and output,
            scaled; +inf where too little was held out to show it, `None` where nothing was.
        doubt: standard error of the step response of every output to every MV, by rows after the step,
            scaled; `None` where nothing is known of it.
        surprise: tells how far readings are from what was expected; `None` where too little was held out.
        encoder, predictor, readout, guards: the parts; `readout` gives `plant.outputs`.
        sensors: soft sensors, of quantities that nothing measures; no plan looks at them.
        reference: the linear model identified from the same log, or `None`.
        uncertainty: an error band that widens with doubts; `None` where nothing was held out.
        cloud: where the latents of the log were; `None` where nothing is known.
        ensemble: other predictors of the same latent, each learned from another bootstrap of the log.
        metrics: how training went; numbers and text that JSON can hold.
    """

    def __init__(
        self,
        *,
        plant: PlantSpec,
        rule: WindowRule,
        scaler: Scaler,
        horizon: int,
        encoder: WindowEncoder,
        predictor: ResidualPredictor,
        readout: nn.Linear,
        guards: Sequence[GuardHead] = (),
        sensors: Sequence[SensorHead] = (),
        feedback: Float[Tensor, "horizon output"] | None = None,
        band: Float[Tensor, "horizon output"] | None = None,
        doubt: Float[Tensor, "horizon mv output"] | None = None,
        surprise: Surprise | None = None,
        reference: LinearDynamics | None = None,
        uncertainty: Uncertainty | None = None,
        cloud: Cloud | None = None,
        ensemble: Sequence[ResidualPredictor] = (),
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if horizon < 1:
            raise SpecError(f"plant {plant.name}: a horizon of {horizon} intervals; at least 1 is needed")
        if (encoder.history, encoder.tags) != (rule.history, len(rule.tags)):
            raise SpecError(
                f"plant {plant.name}: an encoder of {encoder.history} rows and {encoder.tags} tags cannot "
                f"read windows of {rule.history} rows and {len(rule.tags)} tags"
            )
        self.plant, self.rule, self.scaler, self.horizon = plant, rule, scaler, horizon
        self.encoder, self.predictor, self.readout = encoder, predictor, readout
        self.guards = nn.ModuleList(guards)
        self.sensors = nn.ModuleList(sensors)
        if feedback is None:
            feedback = torch.full((horizon, len(plant.outputs)), DEFAULT_FEEDBACK)
        self.feedback: Tensor
        self.register_buffer("feedback", feedback)
        self.band: Tensor | None
        self.register_buffer("band", band)
        self.doubt: Tensor | None
        self.register_buffer("doubt", doubt)
        self.surprise = surprise
        self.reference = reference
        self.uncertainty = uncertainty
        self.cloud = cloud
        self.ensemble = nn.ModuleList(ensemble)
        self.metrics = dict(metrics or {})

    @property
    def output_names(self) -> tuple[str, ...]:
        """Tags that `readout` predicts: CVs, then PVs with limits."""
        return self.plant.output_names

    @property
    def guard_names(self) -> tuple[str, ...]:
        """Names of the guardrails, in the order of the axis `guard`."""
        return tuple(head.name for head in self.guard_heads)

    @property
    def guard_heads(self) -> tuple[GuardHead, ...]:
        """The guardrail heads, typed."""
        return tuple(head for head in self.guards if isinstance(head, GuardHead))

    @property
    def members(self) -> tuple["WorldModel", ...]:
        """A model for each predictor of the ensemble, with every other part of this one; none without it."""
        return tuple(
            WorldModel(
                plant=self.plant,
                rule=self.rule,
                scaler=self.scaler,
                horizon=self.horizon,
                encoder=self.encoder,
                predictor=predictor,
                readout=self.readout,
                guards=self.guard_heads,
                feedback=self.feedback,
                band=self.band,
                cloud=self.cloud,
            ).finished()
            for predictor in self.ensemble
            if isinstance(predictor, ResidualPredictor)
        )

    @property
    def sensor_heads(self) -> tuple[SensorHead, ...]:
        """The soft sensors, typed."""
        return tuple(head for head in self.sensors if isinstance(head, SensorHead))

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
        """`doubt` in engineering units of the output for one of the MV; 0 where nothing is known."""
        if self.doubt is None:
            return np.zeros((self.horizon, len(self.plant.mvs), len(self.output_names)))
        _, width = self.scaler.part(self.output_names)
        _, mv_width = self.scaler.part(self.plant.mv_names)
        error: np.ndarray = self.doubt.cpu().numpy() * width / mv_width[:, None]
        return error

    def with_band(self, half_width: Float[np.ndarray, "horizon output"]) -> "WorldModel":
        """This model with the band of `half_width`, engineering units."""
        _, width = self.scaler.part(self.output_names)
        self.band = torch.as_tensor(half_width / width, dtype=self.readout.weight.dtype)
        return self

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
        return self.predictor.imagine(latent, mv, dv)

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

    def with_guard(self, head: GuardHead) -> "WorldModel":
        """A copy that also has `head`; a guardrail of the same name is replaced."""
        kept = [other for other in self.guard_heads if other.name != head.name]
        model = copy.deepcopy(self)
        model.guards = nn.ModuleList([*copy.deepcopy(kept), copy.deepcopy(head)])
        return model.finished()

    def with_sensor(self, head: SensorHead) -> "WorldModel":
        """A copy that also has `head`; a soft sensor of the same name is replaced."""
        kept = [other for other in self.sensor_heads if other.name != head.name]
        model = copy.deepcopy(self)
        model.sensors = nn.ModuleList([*copy.deepcopy(kept), copy.deepcopy(head)])
        return model.finished()

    def finished(self) -> "WorldModel":
        """This model in double precision, in evaluation mode, with nothing left to train."""
        self.double().eval().requires_grad_(False)
        return self

    def save(self, path: str | Path) -> None:
        """Write the model to the directory `path`, which appears whole or not at all."""
        from procwm.world.storage.model_files import save_model

        save_model(self, path)


def fill_forward(
    values: Float[np.ndarray, "*batch history tag"], valid: Bool[np.ndarray, "*batch history tag"]
) -> Float[np.ndarray, "*batch history tag"]:
    """Each missing value becomes the last valid one above it in the same window, or 0 where there is none."""
    history = values.shape[-2]
    rows = np.arange(history)[:, None]
    last = np.maximum.accumulate(np.where(valid, rows, -1), axis=-2)
    filled = np.take_along_axis(np.where(valid, values, 0.0), np.maximum(last, 0), axis=-2)
    return np.where(last >= 0, filled, 0.0)
