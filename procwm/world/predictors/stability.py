"""Linear dynamics kept from growing without end."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_ROUNDING = 1e-6
"""Above 1, of an eigenvalue that is as good as on the unit circle."""


def stable(transition: Float[Tensor, "latent latent"]) -> Float[Tensor, "latent latent"]:
    """`transition` with the eigenvalues beyond the unit circle drawn back onto it; itself without any.

    On the circle is allowed: a level that integrates its inflow has its eigenvalue there. The modes, and
    whatever decays, stay as they are.
    """
    radius = float(torch.linalg.eigvals(transition.double()).abs().max())
    if radius <= 1.0 + _ROUNDING:
        return transition
    values, modes = torch.linalg.eig(transition.double())
    drawn = values / values.abs().clamp(min=1.0)
    found: Tensor = torch.linalg.lstsq(modes.mT, (modes * drawn).mT).solution.mT.real
    # Modes that all but coincide cannot be told apart: then everything is shrunk alike.
    if not float(torch.linalg.eigvals(found).abs().max()) <= 1.0 + _ROUNDING:
        found = transition.double() / radius
    return found.to(transition.dtype)


@torch.no_grad()
def keep_stable(step: nn.Linear) -> None:
    """Draw `step`, from latent and inputs to a change of the latent, back where it has become unstable."""
    change = step.weight[:, : step.out_features]
    same = torch.eye(step.out_features, dtype=change.dtype, device=change.device)
    transition = same + change
    drawn = stable(transition)
    if drawn is not transition:
        change.copy_(drawn - same)
