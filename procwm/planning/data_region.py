"""Plans kept to where the log was: soft limits on the latent's principal directions, as if they were outputs.

What an optimiser gains where a model was never trained is mostly the model's error (Deisenroth and Rasmussen,
PILCO, ICML 2011). The directions are affine in the latent, so that every solver keeps these limits, proves
plans optimal under them and prices them as it does those of outputs. They give way at a cost, and where the
plant is outside already they begin where it is: they never make a plan impossible, and they ask for no way
back.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Transcript
from procwm.world.cloud import Cloud
from procwm.world.model import WorldModel
from procwm.world.parts.layers import Affine, array

_ROOM = 2.0
"""Times as far from the middle as the log went: models are right somewhat farther than they were taught."""
_SPAN = 30.0
"""Standard deviations: so far outside costs as much as a limit that is broken by an output's whole range."""


@dataclass(frozen=True, eq=False)
class DataRegion:
    """Where latents may be, on the way to which there is a cost.

    Attributes:
        directions: latent to coordinates, in standard deviations over the log.
        low, high: of the coordinates.
    """

    directions: Affine
    low: Float[np.ndarray, " latent"]
    high: Float[np.ndarray, " latent"]

    @classmethod
    def of(cls, cloud: Cloud) -> "DataRegion":
        """`_ROOM` times the region that the latents of the log kept to, rare excursions apart."""
        center, whiten = array(cloud.center), array(cloud.whiten)
        return cls(Affine(whiten.T, -center @ whiten), _ROOM * array(cloud.low), _ROOM * array(cloud.high))

    def over(self, transcript: Transcript) -> Transcript:
        """`transcript` with the coordinates as further outputs."""
        own = transcript.readout
        weight = np.vstack((own.weight, self.directions.weight))
        return replace(transcript, readout=Affine(weight, np.append(own.bias, self.directions.bias)))

    def read_by(self, model: WorldModel) -> WorldModel:
        """`model`, which is changed, with the coordinates as further outputs."""
        own = model.readout
        # Layers draw their first weights when built; the caller's random state is not ours to move.
        with torch.random.fork_rng(devices=[]):
            readout = nn.Linear(own.in_features, own.out_features + len(self.low)).to(own.weight)
        for name in ("weight", "bias"):
            mine = getattr(own, name)
            more = torch.as_tensor(getattr(self.directions, name)).to(mine)
            getattr(readout, name).data.copy_(torch.cat((mine, more)))
        model.readout = readout.requires_grad_(False)
        return model

    def laid_over(self, problem: ControlProblem) -> ControlProblem:
        """`problem` with the coordinates as further outputs, limited, and nothing else asked of them."""
        now = self.directions.weight @ problem.latent + self.directions.bias
        horizon, free = problem.horizon, np.full(len(now), np.inf)
        none = np.zeros((horizon, len(now)))
        back_off = problem.back_off
        return replace(
            problem,
            bias=np.hstack((problem.bias, none)),
            target=np.hstack((problem.target, none + np.nan)),
            zone_low=np.append(problem.zone_low, -free),
            zone_high=np.append(problem.zone_high, free),
            low=np.append(problem.low, np.minimum(self.low, now)),
            high=np.append(problem.high, np.maximum(self.high, now)),
            weight=np.append(problem.weight, np.zeros(len(now))),
            span=np.append(problem.span, np.full(len(now), _SPAN)),
            back_off=None if back_off is None else np.hstack((back_off, none)),
        )
