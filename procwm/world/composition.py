"""What a world model is made of, as values: a model is whole when it is built from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from procwm.data.window import WindowRule
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec
from procwm.world.cloud import Cloud
from procwm.world.linear import LinearDynamics
from procwm.world.parts.layers import Layered
from procwm.world.protocols import BandedHead, Encoder, PlannedHead, Predictor
from procwm.world.scaler import Scaler
from procwm.world.surprise import Surprise
from procwm.world.uncertainty import Uncertainty

APPROVED, MODEL_HASH, APPROVING_KEY = "approved_by", "model_hash", "approving_key"
"""Keys of a read model's metrics: whoever approved it, its hash, and the key that signed it."""
OF_FILES = frozenset({APPROVED, MODEL_HASH, APPROVING_KEY})
"""What is known of a model by its files; none of them holds it, and no altered copy of the model has it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """The parts that see, foresee and read the outputs.

    Attributes:
        encoder: window to latent state.
        predictor: latent state, MVs and DVs to the next latent state.
        readout: latent state to `plant.outputs`, scaled.
        reference: the linear model identified from the same log, or `None`.
        ensemble: other predictors of the same latent, each learned from another bootstrap of the log.
    """

    encoder: Encoder
    predictor: Predictor
    readout: nn.Linear
    reference: LinearDynamics | None = None
    ensemble: tuple[Predictor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Heads:
    """What else is read from the latent state.

    Attributes:
        guards: guardrails, in the order of the axis `guard`.
        sensors: soft sensors, of quantities that nothing measures; no plan looks at them.
    """

    guards: tuple[PlannedHead, ...] = ()
    sensors: tuple[BandedHead, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """How far a model can be trusted, as time that it had not seen has shown.

    Attributes:
        feedback: share of a new prediction error that the disturbance estimate believes, by lead and output;
            `None` for `DEFAULT_FEEDBACK`.
        band: half-width about a prediction that holds `BAND_COVERAGE` of measurements, by lead and output,
            scaled; +inf where too little was held out to show it, `None` where nothing was.
        response_standard_error: of the step response of every output to every MV, by rows after the step,
            scaled; `None` where nothing is known of it.
        surprise: tells how far readings are from what was expected; `None` where too little was held out.
        uncertainty: an error band that widens where errors are to be expected; `None` where nothing was
            held out.
        cloud: where the latents of the log were; `None` where nothing is known.
    """

    feedback: Float[Tensor, "horizon output"] | None = None
    band: Float[Tensor, "horizon output"] | None = None
    response_standard_error: Float[Tensor, "horizon mv output"] | None = None
    surprise: Surprise | None = None
    uncertainty: Uncertainty | None = None
    cloud: Cloud | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelParts:
    """All that makes a world model.

    Attributes:
        plant: the plant it is made for.
        rule: how samples become its windows; owns history length and control interval.
        scaler: engineering units to scaled units and back.
        horizon: count of intervals ahead over which predictions were trained and are worth planning.
        dynamics, heads, calibration: see there.
        metrics: what it was learned from and how that went; numbers and text that JSON can hold.
    """

    plant: PlantSpec
    rule: WindowRule
    scaler: Scaler
    horizon: int
    dynamics: Dynamics
    heads: Heads = field(default_factory=Heads)
    calibration: Calibration = field(default_factory=Calibration)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name, encoder, rule = self.plant.name, self.dynamics.encoder.shape, self.rule
        if self.horizon < 1:
            raise SpecError(f"plant {name}: a horizon of {self.horizon} intervals; at least 1 is needed")
        if (encoder.history, encoder.tags) != (rule.history, len(rule.tags)):
            raise SpecError(
                f"plant {name}: an encoder of {encoder.history} rows and {encoder.tags} tags cannot "
                f"read windows of {rule.history} rows and {len(rule.tags)} tags"
            )
        for head in self.heads.guards:
            if not isinstance(head, Layered):
                raise SpecError(
                    f"plant {name}: guardrail {head.name} has no method layers, so no plan could keep it"
                )
