"""A network that is linear at every operating point, and changes smoothly between them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.parts.layers import Activation, Affine, Layers, array
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import StepShape, check_count
from procwm.world.predictors.residual import PredictorSpec

NEARLY_LINEAR = 0.1
"""Inputs are bent by `tanh(0.1 x) / 0.1`: by 3 % at three standard deviations, and never beyond ten."""


class ScheduledNetwork(nn.Module):
    """`mix(tanh(gate(s)) x [v, 1])`: every gate scales a linear map of the inputs.

    `s` are the first inputs and `v` all of them, `x` is the product of each with each: a linear
    parameter-varying model, scheduled on `s` (Toth, Modeling and Identification of Linear Parameter-Varying
    Systems, Springer 2010). A log of operators knows an operating point at rest and after single moves; a
    controller moves at every interval. What is linear at an operating point holds for both, which a network
    of all inputs does not know.

    Attributes:
        gate: scheduling inputs to gates.
        mix: products to outputs; starts at zero.
    """

    def __init__(self, *, inputs: int, scheduling: int, gates: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.scheduling, self.gates = inputs, scheduling, gates
        self.gate = nn.Linear(scheduling, gates)
        self.mix = zero_linear(gates * (inputs + 1), outputs)

    def forward(self, inputs: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The outputs at each row."""
        gates = torch.tanh(self.gate(inputs[..., : self.scheduling]))
        bent = torch.tanh(NEARLY_LINEAR * inputs) / NEARLY_LINEAR
        factors = torch.cat((bent, torch.ones_like(bent[..., :1])), dim=-1)
        products = (gates[..., :, None] * factors[..., None, :]).flatten(-2)
        mixed: Tensor = self.mix(products)
        return mixed

    def layers(self) -> Layers:
        """Products as bends of single numbers: `ab = ((a + b) / 2)^2 - ((a - b) / 2)^2`."""
        gates, inputs = self.gates, self.inputs
        gate = np.hstack((array(self.gate.weight), np.zeros((gates, inputs - self.scheduling))))
        bending = Affine(
            np.vstack((gate, NEARLY_LINEAR * np.eye(inputs))),
            np.concatenate((array(self.gate.bias), np.zeros(inputs))),
        )
        # Each gate meets every input, and 1.
        left = np.kron(np.eye(gates), np.ones((inputs + 1, 1)))
        factor = np.tile(np.eye(inputs + 1), (gates, 1))
        right, constant = factor[:, :-1] / NEARLY_LINEAR, factor[:, -1]
        meeting = Affine(
            0.5 * np.block([[left, right], [left, -right]]), 0.5 * np.append(constant, -constant)
        )
        mix = array(self.mix.weight)
        mixing = Affine(np.hstack((mix, -mix)), array(self.mix.bias))
        return bending, Activation.TANH, meeting, Activation.SQUARE, mixing


@dataclass(frozen=True, kw_only=True)
class ScheduledPredictor(PredictorSpec):
    """A predictor with a scheduled network of so many gates, on as many latents as there are outputs.

    It multiplies what it learns, and takes a third of the learning rate.
    """

    kind: ClassVar[str] = "scheduled"
    rate_divisor: ClassVar[float] = 3.0

    gates: int = 4

    def __post_init__(self) -> None:
        check_count(self.kind, "gates", self.gates)

    def network(self, shape: StepShape) -> nn.Module:
        """What is added to the linear part."""
        return ScheduledNetwork(
            inputs=shape.inputs,
            scheduling=min(shape.outputs, shape.latent),
            gates=self.gates,
            outputs=shape.latent,
        )
