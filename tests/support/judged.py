"""Models that somebody has judged, as those that are read from files must be before they may be in AUTO."""

from procwm.world.fitness import VERDICT, Fitness, Verdict
from procwm.world.model import WorldModel


def judged_fit(model: WorldModel) -> WorldModel:
    """`model` with the verdict that it is fit for control."""
    verdict = Verdict(fitness=Fitness.CONTROL, reason="it was made for this test", next="run it")
    return model.with_metrics(**{VERDICT: verdict.as_dict()})
