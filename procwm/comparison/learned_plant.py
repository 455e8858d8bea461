"""A plant that behaves as a learned model says: to rehearse on before the real one is touched."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec
from procwm.world.conformal import BAND_DEVIATIONS
from procwm.world.model import WorldModel
from procwm.world.protocols import ModelInput

_FORGOTTEN = 5.0
"""Horizons in which a disturbance is forgotten: what wanders for longer is not seen in a model's errors."""
_START_NS = 1_767_225_600_000_000_000
"""2026-01-01: a rehearsal has a time, and it is nobody's."""


class LearnedPlant:
    """`model` as a plant, with the noise and the wandering disturbance that its own errors in the log show.

    It starts where the log mostly was, every MV and DV at its median, and DVs stay there.

    Attributes:
        spec: the plant file.
        time_ns: of the present tick.
        mv: in force, engineering units.
        latent: the state of the plant, as the model has it.
    """

    def __init__(self, model: WorldModel, spec: PlantSpec, *, seed: int, gain: float = 1.0) -> None:
        """Args:
        model: whose latent state the plant is in.
        seed: of noise and disturbance.
        gain: times which every MV acts, beside what the model has learned.
        """
        self._model, self.spec, self._gain = model, spec, gain
        self._random = np.random.default_rng(seed)
        self._usual, _ = model.scaler.part(spec.mv_names)
        self._noise, self._step = error_growth(model)
        self._kept = 1.0 - 1.0 / (_FORGOTTEN * model.horizon)
        self._load = np.zeros(len(spec.outputs))
        rows = torch.zeros((1, model.rule.history, len(model.rule.tags)), dtype=model.readout.weight.dtype)
        self.latent = model.encode(ModelInput(rows, torch.ones_like(rows)))
        self.time_ns, self.mv = _START_NS, self._usual.copy()

    @property
    def outputs(self) -> Float[np.ndarray, " output"]:
        """The true outputs, over `spec.outputs`."""
        read = self._model.engineering(self._model.readout(self.latent)[0], self._model.output_names)
        true: Float[np.ndarray, " output"] = read + self._load
        return true

    @property
    def guard(self) -> Float[np.ndarray, " guard"]:
        """The guardrails as the model has them, margin included; safe where `<= 0`."""
        found: Float[np.ndarray, " guard"] = self._model.guard(self.latent)[0].numpy()
        return found

    @property
    def outside(self) -> bool:
        """Whether the latent state is where the log never was, along any direction."""
        cloud = self._model.cloud
        if cloud is None:
            return False
        at = cloud.coordinates(self.latent)
        return bool(((at < cloud.low) | (at > cloud.high)).any())

    def past(self) -> list[Sample]:
        """Samples of the window before the present, in which nothing moved."""
        rows = range(1 - self._model.rule.history, 0)
        interval_ns = self._model.rule.interval_ns
        return [sample for row in rows for sample in self._samples(self.time_ns + row * interval_ns)]

    def samples(self) -> list[Sample]:
        """What the instruments report at the present tick."""
        return self._samples(self.time_ns)

    def advance(self, setpoints: Setpoints | None) -> None:
        """Let one interval pass; with other MVs in force from its start on, where `setpoints` are given."""
        names = self.spec.mv_names
        if setpoints is not None:
            self.mv = np.array([setpoints.get(name, old) for name, old in zip(names, self.mv, strict=True)])
        acting = self._usual + self._gain * (self.mv - self._usual)
        moved = self._model.tensor(acting[None, None], names)
        self.latent = self._model.imagine(self.latent, moved, self._still[:, None])[:, 0]
        self._load = self._kept * self._load + self._step * self._random.standard_normal(len(self._load))
        self.time_ns += self._model.rule.interval_ns

    @property
    def _still(self) -> Float[Tensor, "batch dv"]:
        return self.latent.new_zeros((1, len(self.spec.dvs)))

    def _samples(self, time_ns: int) -> list[Sample]:
        values = self._values()
        return [Sample(name, value, Quality.GOOD, time_ns) for name, value in values.items()]

    def _values(self) -> dict[str, float]:
        """A reading of every tag that the model looks at, within its instrument's range."""
        model = self._model
        usual, _ = model.scaler.part(model.rule.tags)
        found = dict(zip(model.rule.tags, usual.tolist(), strict=True))
        if model.surprise is not None:
            moved = model.tensor(self.mv[None], self.spec.mv_names)
            read = model.decode(self.latent, moved, self._still)
            found |= _named(model.surprise.tags, model.engineering(read[0], model.surprise.tags))
        noise = self._noise * self._random.standard_normal(len(self._load))
        found |= _named(model.output_names, self.outputs + noise)
        found |= _named(self.spec.mv_names, self.mv)
        return {name: float(np.clip(value, *self.spec.tag(name).range)) for name, value in found.items()}


def _named(names: tuple[str, ...], values: Float[np.ndarray, " tag"]) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def error_growth(
    model: WorldModel,
) -> tuple[Float[np.ndarray, " output"], Float[np.ndarray, " output"]]:
    """Noise of the readings, and the step by which a disturbance wanders in one interval; engineering units.

    Both are standard deviations. Together they make predictions as wrong as they were on the log: squared
    errors at lead `k` are taken for `noise^2 + k * step^2`. 0 for a model whose band is not known.
    """
    if model.band is None:
        return np.zeros(len(model.output_names)), np.zeros(len(model.output_names))
    near, far = (np.square(model.half_width[row] / BAND_DEVIATIONS) for row in (0, -1))
    steps = max(model.horizon - 1, 1)
    step = np.clip(far - near, 0.0, None) / steps
    return np.sqrt(np.clip(near - step, 0.0, None)), np.sqrt(step)
