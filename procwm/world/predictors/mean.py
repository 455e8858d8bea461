"""The mean of networks that learned beside each other."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MeanNetwork(nn.Module):
    """`mean_i networks_i(v)`.

    Each learns to foresee by itself. Where the log was their errors are alike; where it was not they differ,
    and the mean errs less than most of them (Lakshminarayanan, Pritzel and Blundell, Simple and scalable
    predictive uncertainty estimation using deep ensembles, NeurIPS 2017).
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, inputs: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The outputs at each row."""
        return torch.stack([network(inputs) for network in self.networks]).mean(dim=0)
