"""A network that is linear at every operating point, and changes smoothly between them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

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
        self.mix = nn.Linear(gates * (inputs + 1), outputs)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)

    def forward(self, inputs: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The outputs at each row."""
        gates = torch.tanh(self.gate(inputs[..., : self.scheduling]))
        bent = torch.tanh(NEARLY_LINEAR * inputs) / NEARLY_LINEAR
        factors = torch.cat((bent, torch.ones_like(bent[..., :1])), dim=-1)
        products = (gates[..., :, None] * factors[..., None, :]).flatten(-2)
        mixed: Tensor = self.mix(products)
        return mixed
