"""What a model may be used for, and why."""

from collections.abc import Iterable, Mapping

from procwm.learning.evaluation.diagnosis import Diagnosis
from procwm.learning.evaluation.objection import Objection
from procwm.learning.evaluation.soundness import Errors, objections
from procwm.plant.tags import PlantSpec
from procwm.world.fitness import Fitness, Verdict

_COLLAPSED = Objection(
    fitness=Fitness.NOTHING,
    reason="the latent state has collapsed: most of it no longer varies",
    remedy="train again with another --seed; if it collapses again, on more hours",
)
_READY = "run it with `procwm run --mode shadow`, then advisory, then auto"


def judged(
    plant: PlantSpec,
    errors: Mapping[str, Mapping[int, float]],
    by_output: Errors,
    diagnosis: Diagnosis,
    against: Iterable[Objection] = (),
) -> Verdict:
    """What the model may be used for, and everything that keeps it from more.

    Args:
        errors: by model and lead, mean over the CVs; `model`, `persistence` and, where there is one,
            `linear`.
        by_output: the same by output.
        diagnosis: of the model on this log.
        against: what is known besides, of the log or of the one that it was learned from.
    """
    if diagnosis.collapse.collapsed:
        return _verdict(_COLLAPSED)
    found = [*against, *objections(plant, errors, by_output, diagnosis)]
    for fitness in (Fitness.NOTHING, Fitness.ADVICE):
        if these := [objection for objection in found if objection.fitness is fitness]:
            return _verdict(*these)
    last = max(errors["model"])
    return Verdict(
        fitness=Fitness.CONTROL,
        reason=f"at {last} intervals its error is {errors['model'][last]:.3f} of a standard deviation, "
        f"persistence's is {errors['persistence'][last]:.3f}",
        next=_READY,
    )


def _verdict(*objections: Objection) -> Verdict:
    """That of objections of one kind; the first of them says what to do."""
    return Verdict(
        fitness=objections[0].fitness,
        reason="; ".join(dict.fromkeys(objection.reason for objection in objections)),
        next=objections[0].remedy,
        tested=not all(objection.untested for objection in objections),
    )
