"""How far a trained model can be trusted, told by its like that did not see the end of the log."""

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.data.checks.answer_time import slow_answers
from procwm.learning.calibration.band_widening import learned_uncertainty
from procwm.learning.calibration.feedback import arriving_errors, chosen_feedback
from procwm.learning.calibration.surprise_limits import learned_surprise
from procwm.learning.dataset.moments import visited
from procwm.learning.dataset.stopwatch import Stopwatch
from procwm.learning.identification.preparation import Material, Prepared
from procwm.learning.identification.response_error import response_error, with_unseen
from procwm.plant.tags import PlantSpec
from procwm.world.cloud import cloud_of
from procwm.world.conformal import band
from procwm.world.model import WorldModel


def calibrated(
    model: WorldModel, held_out: WorldModel, prepared: Prepared, watch: Stopwatch
) -> tuple[WorldModel, WorldModel]:
    """Both models with what is known of their errors.

    Args:
        model: learned from all of the log.
        held_out: learned from all but its end, in the same way.
        watch: told how long each part takes.
    """
    training, validation = prepared.training.part.grid, prepared.validation.grid
    whole, phase = prepared.whole.part.grid, watch.phase
    with phase("clouds"):
        held_out = held_out.with_calibration(cloud=cloud_of(visited(held_out, training)))
        model = model.with_calibration(cloud=cloud_of(visited(model, whole)))
    with phase("feedback and band"):
        errors = arriving_errors(held_out, validation)
        # The held-out model scales its outputs by what it saw, which is less than all of the log.
        _, width = held_out.scaler.part(model.output_names)
        held_out = held_out.with_calibration(feedback=chosen_feedback(errors))
        model = model.with_calibration(feedback=held_out.feedback).with_band(band(errors) * width)
    with phase("uncertainty"):
        uncertainty = learned_uncertainty(held_out, validation)
        if uncertainty is not None:
            own_width = model.scaler.part(model.output_names)[1]
            model = model.with_calibration(uncertainty=uncertainty.times(width / own_width))
    with phase("step responses"):
        model = model.with_calibration(
            response_standard_error=_response_standard_error(model.plant, prepared.whole)
        )
    with phase("surprise"):
        surprise = learned_surprise(held_out, training, validation, model, whole)
        return model.with_calibration(surprise=surprise), held_out


def _response_standard_error(plant: PlantSpec, whole: Material) -> Float[Tensor, "horizon mv output"]:
    """Standard error of the scaled step responses, whole where the answer comes after any horizon."""
    late = {(slow.mv, slow.cv) for slow in slow_answers(whole.part.grid, plant) if slow.unseen}
    unseen = [[(mv.name, output.name) in late for output in plant.outputs] for mv in plant.mvs]
    response = whole.reference.step_response(len(plant.mvs), whole.horizon)
    return with_unseen(response_error(whole), response, torch.tensor(unseen))
