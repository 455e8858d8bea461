"""The perceptron of which encoders, predictors and heads are made."""

from collections.abc import Sequence

from torch import nn


def smooth_network(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """`Linear, Tanh, ..., Linear` whose last layer starts at zero: it adds nothing until trained."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, zero_linear(inputs, outputs))


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that gives 0 until trained."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
