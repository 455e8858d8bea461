"""What speaks against a model on a log: what it foresees, makes of moves, and leaves of errors."""

import math
from collections.abc import Iterator, Mapping

from procwm.learning.evaluation.diagnosis import Diagnosis
from procwm.learning.evaluation.gains import Gain
from procwm.learning.evaluation.objection import MORE, MOVE, Objection
from procwm.plant.tags import PlantSpec
from procwm.world.fitness import Fitness

Errors = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By model, lead and output."""

_TOLERANCE = 1.05
"""A model may be this much worse than the better of persistence and linear before it is called worse."""
_NEGLIGIBLE = 0.02
"""A difference of errors below this share of a standard deviation changes no decision."""
_MEAN = 1.0
"""Error of whoever knows nothing but the mean. Persistence's is 1.4 where a CV moves faster than the horizon,
and to be better than that is little."""
_USED = 1.01
"""Errors grow by at least this where what was mixed up is made use of."""
_FELT = 0.1
"""Share of an output's standard deviation that an MV moves in the log: less is not judged."""
_TIMES = 2.0
"""A gain may be wrong by this factor; feedback bears it."""
_UNTIMELY = 0.15
"""Share of an effect by which it may be wrong early in the horizon: later it is made up for."""
_SURE = 0.95
"""Share of moments at which a known sign has to be right."""
_COLOURED, _SIGNIFICANT = 0.5, 0.01
"""Share of an error that is foretold by those before it, and chance of that being luck."""


def objections(
    plant: PlantSpec, errors: Mapping[str, Mapping[int, float]], by_output: Errors, diagnosis: Diagnosis
) -> Iterator[Objection]:
    """Everything that keeps a model from being fit for control; arguments as in `verdict.judged`."""
    yield from _foreseeing(plant, errors, by_output)
    yield from _use_of_moves(diagnosis)
    yield from _nothing_shown(diagnosis)
    for gain in diagnosis.gains:
        yield from _of_gain(gain)
    yield from _lasting_errors(by_output["model"], diagnosis)


def _foreseeing(
    plant: PlantSpec, errors: Mapping[str, Mapping[int, float]], by_output: Errors
) -> Iterator[Objection]:
    """What is foreseen no better than by simpler means; the worst of it."""
    own, last = errors["model"], max(errors["model"])
    excess = {
        tag.name: by_output["model"][last][tag.name] - by_output["persistence"][last][tag.name]
        for tag in plant.cvs
    }
    worst = max(excess, key=lambda name: excess[name])
    behind = [
        (lead, *min((by_lead[lead], name) for name, by_lead in errors.items() if name != "model"))
        for lead in sorted(own, reverse=True)
    ]
    behind = [one for one in behind if own[one[0]] > max(_TOLERANCE * one[1], one[1] + _NEGLIGIBLE)]
    if own[last] >= errors["persistence"][last]:
        yield Objection(
            fitness=Fitness.NOTHING,
            reason=f"at {last} intervals its error is {own[last]:.3f}, no better than persistence, "
            f"{errors['persistence'][last]:.3f}",
            remedy=MORE,
        )
    elif excess[worst] >= 0.0 and by_output["model"][last][worst] >= _NEGLIGIBLE:
        yield Objection(
            fitness=Fitness.ADVICE,
            reason=f"{worst} cannot be foreseen: at {last} intervals its error is "
            f"{by_output['model'][last][worst]:.3f}, no better than persistence, "
            f"{by_output['persistence'][last][worst]:.3f}",
            remedy=MORE,
        )
    elif own[last] >= _MEAN:
        yield Objection(
            fitness=Fitness.ADVICE,
            reason=f"at {last} intervals its error is {own[last]:.3f} of a standard deviation, no better "
            "than knowing the mean of the log",
            remedy=MORE,
        )
    elif behind:
        lead, best, name = behind[0]
        ahead = f"{lead} {'interval' if lead == 1 else 'intervals'}"
        yield Objection(
            fitness=Fitness.ADVICE,
            reason=f"at {ahead} its error is {own[lead]:.3f}, {name}'s is {best:.3f}",
            remedy=MORE,
        )


def _use_of_moves(diagnosis: Diagnosis) -> Iterator[Objection]:
    if not any(gain.share for gain in diagnosis.gains):
        yield Objection(
            fitness=Fitness.ADVICE,
            reason="the MVs do not move in this log, so what they do was not tested",
            remedy=MOVE,
            untested=True,
        )
    elif diagnosis.shuffled.moves < _USED and any(_matters(gain) for gain in diagnosis.gains):
        yield Objection(
            fitness=Fitness.NOTHING,
            reason="it ignores the MVs: with the moves of other moments it predicts as well",
            remedy=MOVE,
        )


def _nothing_shown(diagnosis: Diagnosis) -> Iterator[Objection]:
    """MVs that moved in the log and were not seen to move any output, in a log that was able to show it."""
    for mv in dict.fromkeys(gain.mv for gain in diagnosis.gains):
        tried = [gain for gain in diagnosis.gains if gain.mv == mv and gain.error > 0.0]
        if tried and not any(gain.told for gain in tried):
            yield Objection(
                fitness=Fitness.ADVICE,
                reason=f"{mv} moved in this log, and no effect on any CV shows",
                remedy=MOVE,
                untested=True,
            )


def _of_gain(gain: Gain) -> Iterator[Objection]:
    """What speaks against one gain: the plant file, then the log."""
    remedy = (
        f"see whether the plant file's {gain.mv} is what was moved in the log, and whether a loop below "
        "moves it, then train again"
    )
    if gain.known is not None:
        wrong = 1.0 - gain.positive if gain.known == "+" else gain.positive
        if wrong > 1.0 - _SURE:
            verb = "raises" if gain.known == "+" else "lowers"
            yield Objection(
                fitness=Fitness.NOTHING if wrong > 0.5 else Fitness.ADVICE,
                reason=f"by the plant file {gain.mv} {verb} {gain.output}; in the model it does not at "
                f"{wrong:.0%} of the moments",
                remedy=remedy,
            )
            return
    if not (_matters(gain) or _claims(gain)):
        return
    figures = f"by {gain.foreseen:+.3g} per unit, in the log by {gain.logged:+.3g} ± {gain.error:.2g}"
    least, most = abs(gain.logged) - gain.error, abs(gain.logged) + gain.error
    if gain.told and gain.foreseen * gain.logged < 0:
        reason = f"{gain.mv} has the wrong sign: it moves {gain.output} {figures}"
        yield Objection(fitness=Fitness.NOTHING, reason=reason, remedy=remedy)
    elif not least / _TIMES <= abs(gain.foreseen) <= most * _TIMES:
        reason = f"{gain.mv} moves {gain.output} {figures}"
        yield Objection(fitness=Fitness.ADVICE, reason=reason, remedy=remedy)
    elif _untimely(gain):
        reason = (
            f"within {gain.early_s:g} s {gain.mv} moves {gain.output} by {gain.early_foreseen:+.3g} per "
            f"unit, in the log by {gain.early_logged:+.3g} ± {gain.early_error:.2g}"
        )
        yield Objection(fitness=Fitness.ADVICE, reason=reason, remedy=remedy)


def _matters(gain: Gain) -> bool:
    """Whether the log shows an effect that matters in it."""
    return gain.told and gain.share > _FELT


def _untimely(gain: Gain) -> bool:
    """Whether an effect that matters comes much later, or sooner, in the model than in the log."""
    off = abs(gain.early_foreseen - gain.early_logged) - gain.early_error
    return _matters(gain) and off > _UNTIMELY * abs(gain.logged)


def _claims(gain: Gain) -> bool:
    """Whether the model claims an effect that would matter in the log, where the log was able to show one."""
    claimed = gain.share * abs(gain.foreseen) / max(abs(gain.logged), 1e-12)
    return math.isfinite(gain.error) and claimed > _FELT


def _lasting_errors(
    by_output: Mapping[int, Mapping[str, float]], diagnosis: Diagnosis
) -> Iterator[Objection]:
    for white in diagnosis.whiteness:
        coloured = white.foretold > _COLOURED and white.p_value < _SIGNIFICANT
        if coloured and by_output[1][white.output] > _NEGLIGIBLE:
            yield Objection(
                fitness=Fitness.ADVICE,
                reason=f"errors of {white.output} one interval ahead last: those before foretell "
                f"{white.foretold:.0%} of them",
                remedy=MORE,
            )
