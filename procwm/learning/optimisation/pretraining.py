"""First weights of the encoder, learned on a log in which MVs hardly move."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from procwm.learning.config import TrainingConfig
from procwm.learning.identification.preparation import Material
from procwm.learning.optimisation.gradient_descent import Optimisation

HIDDEN = 0.5
"""Probability that some stretch of a tag is hidden from a window."""


def pretrained(material: Material, config: TrainingConfig, seed: int) -> Mapping[str, Tensor]:
    """Weights of a trainee whose encoder foresees the passive log from windows with much hidden; or none.

    What is to be foreseen are outputs and the latents of whole windows later on (I-JEPA: Assran et al.,
    arXiv 2301.08243; V-JEPA: Bardes et al., arXiv 2404.08471). Predictor and read-outs stay as they were
    identified: of what MVs do such a log says nothing, and they would learn that it is nothing.
    """
    if not config.pretraining or material.passive is None:
        return {}
    alone = replace(
        config, steps=config.pretraining, hidden=HIDDEN, curriculum=0.0, rate=0.0, linear_rate=0.0
    )
    run = Optimisation(replace(material, part=material.passive), alone, seed)
    while run.step < alone.steps:
        run.advance()
    return run.average.state_dict()
