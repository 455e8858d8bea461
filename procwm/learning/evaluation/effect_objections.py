"""What speaks against a model because its log does not show what its MVs do, or it has that otherwise."""

from collections.abc import Iterator

from procwm.learning.evaluation.objection import Objection
from procwm.world.contradictions import contradictions
from procwm.world.effects import unknown_mvs
from procwm.world.fitness import Fitness
from procwm.world.model import WorldModel


def effect_objections(model: WorldModel) -> Iterator[Objection]:
    """What its log does not show of MVs, and what the plant file knows better."""
    yield from _not_shown(model)
    for found in contradictions(model, model.plant):
        yield Objection(
            fitness=Fitness.NOTHING if found.opposite else Fitness.ADVICE,
            reason=found.sentence,
            remedy="see which of the two is right: mend the plant file, or train on a log in which that MV "
            "moves more, apart from the others; `procwm run --mode test` moves it",
        )


def _not_shown(model: WorldModel) -> Iterator[Objection]:
    """MVs of which no effect on any output shows within the horizon."""
    unknown = unknown_mvs(model, model.plant)
    within = f"within the horizon of {model.horizon} intervals of {model.plant.interval_s:g} s"
    remedy = (
        "where the plant answers later than that, set a longer interval_s in the plant file; where an MV "
        "moves none of its outputs, take it out; then train again"
    )
    if len(unknown) == len(model.plant.mvs):
        reason = f"no MV moves any CV {within}, as far as its log shows"
        yield Objection(fitness=Fitness.NOTHING, reason=reason, remedy=remedy)
        return
    for mv in unknown:
        reason = f"{mv} moves no CV {within}, as far as its log shows, and is held"
        yield Objection(fitness=Fitness.ADVICE, reason=reason, remedy=remedy)
