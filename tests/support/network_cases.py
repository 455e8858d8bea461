"""What holds of every network that plans go through: programs and derivatives are torch's."""

import numpy as np
import torch
from torch import Tensor, nn

from procwm.planning.network import Derivatives, value
from procwm.planning.transcription import expression
from procwm.world.parts.layers import read_layers


def check_against_torch(network: nn.Module, inputs: Tensor) -> None:
    """Values, in numpy and as CasADi expressions, and both derivatives at every row of `inputs`."""
    layers, wanted = read_layers(network), network(inputs).detach().numpy()
    np.testing.assert_allclose(value(layers, inputs.numpy()), wanted, atol=1e-13)
    np.testing.assert_allclose(np.array(expression(layers, inputs.numpy().T)).T, wanted, atol=1e-13)
    derivatives = Derivatives(layers, inputs.numpy())
    by_output = np.random.default_rng(0).normal(size=wanted.shape)
    pulled, bent = derivatives.pullback(by_output), derivatives.curvature(by_output)
    for row, at in enumerate(inputs):
        jacobian = torch.autograd.functional.jacobian(lambda x: network(x[None])[0], at).numpy()
        np.testing.assert_allclose(derivatives.jacobian[row], jacobian, atol=1e-13)
        np.testing.assert_allclose(pulled[row], by_output[row] @ jacobian, atol=1e-13)
        weight = torch.as_tensor(by_output[row])
        bends = torch.autograd.functional.hessian(lambda x, w=weight: w @ network(x[None])[0], at)
        np.testing.assert_allclose(bent[row], bends, atol=1e-13)
