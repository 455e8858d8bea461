"""Versions of one model, each with all that sees and decides by it; made once, kept while they may run."""

from collections.abc import Callable
from functools import cached_property, lru_cache

from procwm.control.adaptation.tag_scales import TagScales
from procwm.control.deciding import Deciding
from procwm.control.disturbance import DisturbanceEstimator
from procwm.control.perception import Perception
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel

_AT_ONCE = 6
"""Versions that are kept: in force, as trained, on trial, and some for other states of the controller."""


class ModelVersion:
    """One version.

    Attributes:
        model: rescaled.
        perception: what it sees.
        estimator: what it corrects its foresight by.
    """

    def __init__(
        self, plant: PlantSpec, model: WorldModel, deciding: Callable[[WorldModel], Deciding]
    ) -> None:
        self.model, self.perception = model, Perception(plant, model)
        self.estimator, self._made = DisturbanceEstimator(model), deciding

    @cached_property
    def deciding(self) -> Deciding:
        """What it decides; its program is built when it is first in force."""
        return self._made(self.model)


class Versions:
    """From scales to the version of them.

    Attributes:
        plant: that is controlled.
        trained: the version of the model as it was trained.
    """

    def __init__(
        self, plant: PlantSpec, model: WorldModel, deciding: Callable[[WorldModel], Deciding]
    ) -> None:
        """Args: deciding: makes what decides by a model."""
        self.plant, self.trained = plant, ModelVersion(plant, model, deciding)

        @lru_cache(maxsize=_AT_ONCE)
        def made(scales: TagScales) -> ModelVersion:
            return ModelVersion(plant, scales.applied(model), deciding)

        self._made = made

    def of(self, scales: TagScales) -> ModelVersion:
        """The version that reads tags by `scales`."""
        return self.trained if scales.trained else self._made(scales)
