"""What may be decided about a training; every default is a stated rule."""

from dataclasses import dataclass, field
from enum import StrEnum

from procwm.errors import TrainingError
from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.predictors.mean import MeanPredictor
from procwm.world.predictors.residual import PredictorSpec


class Others(StrEnum):
    """What becomes of PVs that have no limits."""

    CHOSEN = "chosen"
    """Those that tell of outputs are seen, those that belong to the process foreseen, too (`relevance`)."""
    SEEN = "seen"
    """All are part of a window, and none is foreseen."""
    FORESEEN = "foreseen"
    """All are part of a window, and all are foreseen."""


class CollapsePrevention(StrEnum):
    """What keeps the latents from collapsing (`procwm.learning.optimisation.collapse`)."""

    SIGREG = "sigreg"
    """They are to be standard normal in random directions."""
    VICREG = "vicreg"
    """They are to vary by 1 at least, and not together."""
    BARLOW = "barlow"
    """Predicted and encoded ones are to correlate each with its own alone; replaces the latent loss."""
    INFONCE = "infonce"
    """Predicted ones are to be nearer to their own than to others' future; replaces the latent loss."""
    EMA = "ema"
    """They are predicted as the running average of the weights encodes them, which takes no gradient."""
    NONE = "none"
    """Nothing does."""


class FirstWeights(StrEnum):
    """Where a training starts."""

    LINEAR = "linear"
    """At the identified linear model."""
    RANDOM = "random"
    """Anywhere: for comparison, and only with rates of the linear parts like those of the networks."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Sizes, weights and lengths. `None` lets the log decide, by the rule named beside it.

    Attributes:
        history: rows of a window; what a linear model predicts held-out quarters of the log best with,
            up to 64 and a tenth of the log.
        horizon: rows of a trained prediction; the settling time of that model's slowest step response,
            within 20 and 60.
        latent: size of the latent state; the fewest states that the linear model needs and six more, up
            to 16.
        most_rows: of the log that is learned from; of a longer one those in which MVs move most are taken,
            and some between.
        others: what becomes of PVs that have no limits.
        start: where the weights start.
        steps: optimisation steps of the run that decides how long to train.
        batch: windows a step.
        encoder: kind and sizes of the encoder (`procwm.world.storage.catalogue`).
        predictor: kind and sizes of the predictor; the mean of a perceptron and a scheduled network, which
            learn beside each other.
        alone: whether one part of the predictor is taken in place of the whole where held-out time is sure
            that it is better.
        rate: largest learning rate of the predictor's network; it warms up over a tenth of the steps and then
            follows a cosine to zero. A spec may divide it, as that of a scheduled network does.
        linear_rate: the same for the linear parts of predictor and read-out, which start identified.
        encoder_rate: the same for the linear part of the encoder.
        encoder_network_rate: the same for its network, which sees more numbers than any other part and
            would learn their noise first.
        decay: of the networks' weights towards the linear model (AdamW).
        averaging: of weights over steps; what is validated and kept is the average.
        collapse: what keeps the latents from collapsing.
        joint_readout: whether the outputs' losses shape the latents; else they teach the read-outs alone.
        output_weight, latent_weight, collapse_weight, inverse_weight: of the losses.
        companion_weight: as a loss, of the PVs that are foreseen beside the outputs; the linear start holds
            them already, and more than this would be paid for with the outputs.
        targets: count of steps ahead at which a latent is compared with an encoded one, drawn anew
            every step.
        directions: of SIGReg.
        huber: error beyond which outputs count linearly, scaled.
        restraint: how far what is to be learned of the outputs lies from the measured values towards what
            the linear start foresees; 0, or a half where that foresees held-out time better.
        curriculum: share of the steps over which the compared horizon grows from one row to all of it.
        pretraining: optimisation steps of the encoder on a passive log, before any other.
        hidden: probability that some stretch of a tag is hidden in a window that is predicted from.
        members: of the ensemble, predictors that other logs of the plant might have taught; 0 for none.
        check_every: steps between validations.
        checkpoint_s: seconds of wall time between checkpoints; does not change the result.
    """

    history: int | None = None
    horizon: int | None = None
    latent: int | None = None
    most_rows: int = 60_000
    others: Others = Others.CHOSEN
    start: FirstWeights = FirstWeights.LINEAR
    steps: int = 600
    batch: int = 128
    encoder: EncoderSpec = field(default_factory=MlpEncoder)
    predictor: PredictorSpec = field(default_factory=MeanPredictor)
    alone: bool = True
    rate: float = 3e-3
    linear_rate: float = 3e-4
    encoder_rate: float = 3e-5
    encoder_network_rate: float = 1e-3
    decay: float = 0.01
    averaging: float = 0.99
    collapse: CollapsePrevention = CollapsePrevention.SIGREG
    joint_readout: bool = True
    output_weight: float = 1.0
    latent_weight: float = 0.1
    collapse_weight: float = 0.1
    inverse_weight: float = 0.1
    companion_weight: float = 0.1
    targets: int = 6
    directions: int = 64
    huber: float = 1.0
    restraint: float | None = None
    curriculum: float = 0.0
    pretraining: int = 0
    hidden: float = 0.0
    members: int = 4
    check_every: int = 50
    checkpoint_s: float = 20.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "most_rows", "targets", "directions", "check_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.pretraining < 0:
            raise TrainingError(f"pretraining is {self.pretraining}; it must be 0 or more")
        for name in ("curriculum", "hidden"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if self.restraint is not None and not 0.0 <= self.restraint <= 1.0:
            raise TrainingError(f"restraint is {self.restraint}; it must be from 0 to 1")
        if self.members < 0:
            raise TrainingError(f"members is {self.members}; it must be at least 0")
        for name in ("history", "horizon", "latent"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name, wanted in (("encoder", EncoderSpec), ("predictor", PredictorSpec)):
            given = getattr(self, name)
            if not isinstance(given, wanted):
                raise TrainingError(
                    f"{name} is {given!r}; it must be a spec, as procwm.world.storage.catalogue lists them"
                )
