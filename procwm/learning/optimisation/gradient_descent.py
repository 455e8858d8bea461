"""One training run: AdamW steps on the training loss, and the running average of the weights."""

import copy
import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.errors import TrainingError
from procwm.learning.config import TrainingConfig
from procwm.learning.identification.preparation import Material
from procwm.learning.optimisation.adamw import AdamW, RateGroup, flattened
from procwm.learning.optimisation.learning_objective import Trainee, losses, scales
from procwm.world.predictors.stability import keep_stable
from procwm.world.protocols import Encoder, ModelInput, Predictor

_WARM_UP = 0.1


class Optimisation:
    """An optimisation in progress: everything that its next step depends on.

    Attributes:
        step: steps done.
        average: running average of the weights, which is what is scored and kept.
    """

    def __init__(
        self,
        material: Material,
        config: TrainingConfig,
        seed: int,
        first: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Args: first: weights to start from, in place of the configured ones."""
        self._material, self._config = material, config
        # First weights are drawn from the global generator; the caller's is not ours to move.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._trainee = Trainee(material, config)
            if first:
                self._trainee.load_state_dict(first)
            self._scales = scales(material, config)
        self._generator = torch.Generator().manual_seed(seed)
        self.average = copy.deepcopy(self._trainee).requires_grad_(False)
        self._optimizer = AdamW(_groups(self._trainee, config))
        self._averaged = flattened([own for group in _groups(self.average, config) for own in group.weights])
        self.step = 0

    def advance(self) -> None:
        """One optimisation step.

        Raises:
            TrainingError: the loss is not finite.
        """
        config, part = self._config, self._material.part
        drawn = torch.randint(len(part.moments), (config.batch,), generator=self._generator)
        moments = part.moments[drawn]
        terms = losses(
            self._trainee,
            self.average,
            part.tensors,
            moments,
            self._horizon,
            config,
            self._generator,
            self._scales,
            self._expected(moments) if config.restraint else None,
        )
        total = terms.total(config)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is not finite after {self.step} steps; a smaller rate than {config.rate} may help"
            )
        total.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step(schedule(self.step, config.steps))
        keep_stable(self._trainee.predictor.identified)
        self.step += 1
        self._follow()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        named = {
            f"{label}/{name}": value
            for label, tensors in (
                ("trainee", self._trainee.state_dict()),
                ("average", self.average.state_dict()),
                ("optimizer", self._optimizer.tensors()),
            )
            for name, value in tensors.items()
        }
        return named | {"generator": self._generator.get_state(), "step": torch.tensor(self.step)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._trainee.load_state_dict(part_of(tensors, "trainee"))
        self.average.load_state_dict(part_of(tensors, "average"))
        self._optimizer.restore(part_of(tensors, "optimizer"))
        self._generator.set_state(tensors["generator"])
        self.step = int(tensors["step"])

    @property
    def _horizon(self) -> int:
        """Rows to imagine in the next step."""
        growing, horizon = self._config.curriculum * self._config.steps, self._material.horizon
        return horizon if self.step >= growing else math.ceil(horizon * (self.step + 1) / (growing + 1))

    @torch.no_grad()
    def _expected(self, moments: Int[Tensor, " batch"]) -> Float[Tensor, "batch step output"]:
        """Outputs after `moments` by the linear start."""
        tensors, reference = self._material.part.tensors, self._material.reference
        window, future = tensors.windows(moments), tensors.future(moments, self._horizon)
        seen = ModelInput(window.values.double(), window.valid.double())
        return reference.predict(seen, future.mv.double(), future.dv.double()).to(future.outputs.dtype)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; early on it is a plain mean of the last steps."""
        keep = min(self._config.averaging, 1.0 - 1.0 / (2.0 + self.step / 10.0))
        self._averaged.lerp_(self._optimizer.weights, 1.0 - keep)
        # A mean of stable matrices need not be one.
        keep_stable(self.average.predictor.identified)


def part_of(tensors: Mapping[str, Tensor], label: str) -> dict[str, Tensor]:
    """The entries of `tensors` under `label/`, without it."""
    prefix = f"{label}/"
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _groups(trainee: Trainee, config: TrainingConfig) -> list[RateGroup]:
    """All weights of `trainee` with their rates."""
    encoder, predictor = trainee.encoder, trainee.predictor
    identified = [*predictor.identified.parameters(), *trainee.readout.parameters()]
    encoding, seeing = list(encoder.identified.parameters()), beside_linear(encoder)
    foreseeing = [(beside_linear(part), part.spec.rate_divisor) for part in predictor.parts()]
    known = {id(own) for part in (identified, encoding, seeing) for own in part}
    known |= {id(own) for part, _ in foreseeing for own in part}
    heads = [parameter for parameter in trainee.parameters() if id(parameter) not in known]
    return [
        *(RateGroup(own, config.rate / divisor, config.decay) for own, divisor in foreseeing),
        RateGroup(heads, config.rate, config.decay),
        RateGroup(identified, config.linear_rate, 0.0),
        RateGroup(seeing, config.encoder_network_rate / encoder.spec.rate_divisor, config.decay),
        RateGroup(encoding, config.encoder_rate, 0.0),
    ]


def beside_linear(part: Encoder | Predictor) -> list[nn.Parameter]:
    """All weights of a part but those of its linear map."""
    linear = {id(weight) for weight in part.identified.parameters()}
    return [weight for weight in part.parameters() if id(weight) not in linear]


def schedule(step: int, steps: int) -> float:
    """Share of the largest learning rate: a linear warm-up, then a cosine to zero."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
