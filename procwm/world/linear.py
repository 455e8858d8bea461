"""A linear state-space model with the same interface as the learned one: its start and its yardstick."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.features import window_features
from procwm.world.protocols import ModelInput


class LinearDynamics(nn.Module):
    """`z = encoder(w)`, `z' = z + step([z, mv, dv])`, `y = readout(z)`, every part affine.

    Attributes:
        encoder: flattened window to state.
        step: state, MVs and DVs to the change of state over one interval.
        readout: state to outputs, scaled.
    """

    def __init__(self, *, features: int, latent: int, mv: int, dv: int, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, latent)
        self.step = nn.Linear(latent + mv + dv, latent)
        self.readout = nn.Linear(latent, outputs)

    def step_response(self, mv: int, rows: int) -> Float[Tensor, "row mv output"]:
        """Scaled changes of the outputs after a step of 1, held, of each of the first `mv` inputs.

        Row 0 is the end of the interval in which it is made.
        """
        order = self.step.out_features
        # Differences of two trajectories: offsets cancel, so the free response is left out.
        state_matrix, input_matrix = self.step.weight[:, :order], self.step.weight[:, order : order + mv]
        latent = torch.zeros_like(input_matrix.T)
        response = []
        for _ in range(rows):
            latent = latent + latent @ state_matrix.T + input_matrix.T
            response.append(latent @ self.readout.weight.T)
        return torch.stack(response)

    def predict(
        self,
        window: ModelInput,
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Float[Tensor, "batch horizon output"]:
        """Predicted outputs, scaled; row 0 is the end of the first interval."""
        outputs: Tensor = self.readout(self.imagine(window, mv, dv))
        return outputs

    def imagine(
        self,
        window: ModelInput,
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Float[Tensor, "batch horizon latent"]:
        """States ahead; row 0 is the end of the first interval."""
        latent, size = self.encoder(window_features(window)), self.step.out_features
        weight = self.step.weight
        transition = torch.eye(size, dtype=weight.dtype, device=weight.device) + weight[:, :size]
        driven = torch.cat((mv, dv), dim=-1) @ weight[:, size:].T + self.step.bias
        rows = []
        for inputs in driven.unbind(dim=1):
            latent = torch.addmm(inputs, latent, transition.T)
            rows.append(latent)
        return torch.stack(rows, dim=1)
