"""What a model may be used for, and why."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from procwm.learning.evaluation.diagnostics import CollapseDiagnosis, Shuffled
from procwm.learning.evaluation.gains import Gain
from procwm.learning.evaluation.whiteness import Whiteness
from procwm.plant.tags import PlantSpec

_TOLERANCE = 1.05
"""A model may be this much worse than the better of persistence and linear before it is called worse."""
_NEGLIGIBLE = 0.02
"""A difference of errors below this share of a standard deviation changes no decision."""
_USED = 1.01
"""Errors grow by at least this where what was mixed up is made use of."""
_FELT = 0.1
"""Share of an output's standard deviation that an MV moves in the log: less is not judged."""
_TIMES = 2.0
"""A gain may be wrong by this factor; feedback bears it."""
_SURE = 0.95
"""Share of moments at which a known sign has to be right."""
_COLOURED, _SIGNIFICANT = 0.5, 0.01
"""Share of an error that is foretold by those before it, and chance of that being luck."""


class Fitness(StrEnum):
    """What a model may be used for."""

    CONTROL = "fit for control"
    ADVICE = "fit for advice, not for control"
    NOTHING = "not fit"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a model is worth apart from its errors.

    Attributes:
        collapse: of the latent.
        gains: of every output for every MV.
        shuffled: how much worse it gets when what it is given is mixed up.
        whiteness: of what the controller's correction leaves of every output's errors one interval ahead.
    """

    collapse: CollapseDiagnosis
    gains: tuple[Gain, ...]
    shuffled: Shuffled
    whiteness: tuple[Whiteness, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not known is `None`."""
        return {
            "collapse": asdict(self.collapse) | {"std": list(self.collapse.std)},
            "gains": [_known(asdict(gain)) for gain in self.gains],
            "shuffled": _known(asdict(self.shuffled)),
            "whiteness": [asdict(white) for white in self.whiteness],
        }


def judged(
    plant: PlantSpec,
    errors: Mapping[str, Mapping[int, float]],
    by_output: Mapping[str, Mapping[int, Mapping[str, float]]],
    diagnosis: Diagnosis,
    together: Collection[frozenset[str]] = (),
) -> tuple[Fitness, str]:
    """What the model may be used for, and everything that keeps it from more.

    Args:
        errors: by model and lead, mean over the CVs; `model`, `persistence` and, where there is one,
            `linear`.
        by_output: the same by output.
        diagnosis: of the model on this log.
        together: MVs that moved only together in it.
    """
    if diagnosis.collapse.collapsed:
        return Fitness.NOTHING, "the latent state has collapsed: most of it no longer varies"
    found = [
        *_foreseeing(plant, errors, by_output),
        *_use_of_moves(diagnosis),
        *(_not_apart(mvs) for mvs in together),
        *(against for gain in diagnosis.gains for against in _of_gain(gain)),
        *_lasting_errors(by_output["model"], diagnosis),
    ]
    for fitness in (Fitness.NOTHING, Fitness.ADVICE):
        reasons = [reason for of, reason in found if of is fitness]
        if reasons:
            return fitness, "; ".join(reasons)
    last = max(errors["model"])
    return Fitness.CONTROL, (
        f"at {last} intervals its error is {errors['model'][last]:.3f} of a standard deviation, "
        f"persistence's is {errors['persistence'][last]:.3f}"
    )


def _foreseeing(
    plant: PlantSpec,
    errors: Mapping[str, Mapping[int, float]],
    by_output: Mapping[str, Mapping[int, Mapping[str, float]]],
) -> Iterator[tuple[Fitness, str]]:
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
        yield (
            Fitness.NOTHING,
            (
                f"at {last} intervals its error is {own[last]:.3f}, no better than persistence, "
                f"{errors['persistence'][last]:.3f}"
            ),
        )
    elif excess[worst] >= 0.0 and by_output["model"][last][worst] >= _NEGLIGIBLE:
        yield (
            Fitness.ADVICE,
            (
                f"{worst} cannot be foreseen: at {last} intervals its error is "
                f"{by_output['model'][last][worst]:.3f}, no better than persistence, "
                f"{by_output['persistence'][last][worst]:.3f}"
            ),
        )
    elif behind:
        lead, best, name = behind[0]
        ahead = f"{lead} {'interval' if lead == 1 else 'intervals'}"
        yield Fitness.ADVICE, f"at {ahead} its error is {own[lead]:.3f}, {name}'s is {best:.3f}"


def _use_of_moves(diagnosis: Diagnosis) -> Iterator[tuple[Fitness, str]]:
    if not any(gain.share for gain in diagnosis.gains):
        yield Fitness.ADVICE, "the MVs do not move in this log, so what they do was not tested"
    elif diagnosis.shuffled.moves < _USED and any(_matters(gain) for gain in diagnosis.gains):
        yield Fitness.NOTHING, "it ignores the MVs: with the moves of other moments it predicts as well"


def _not_apart(mvs: frozenset[str]) -> tuple[Fitness, str]:
    names = " and ".join(sorted(mvs))
    return Fitness.ADVICE, f"{names} move only together in this log, so what each of them does was not tested"


def _of_gain(gain: Gain) -> Iterator[tuple[Fitness, str]]:
    """What speaks against one gain: the plant file, then the log."""
    if gain.known is not None:
        wrong = 1.0 - gain.positive if gain.known == "+" else gain.positive
        if wrong > 1.0 - _SURE:
            verb = "raises" if gain.known == "+" else "lowers"
            yield (
                Fitness.NOTHING if wrong > 0.5 else Fitness.ADVICE,
                f"by the plant file {gain.mv} {verb} {gain.output}; in the model it does not at "
                f"{wrong:.0%} of the moments",
            )
            return
    if not _matters(gain):
        return
    least, most = abs(gain.logged) - gain.error, abs(gain.logged) + gain.error
    figures = f"by {gain.foreseen:+.3g} per unit, in the log by {gain.logged:+.3g} ± {gain.error:.2g}"
    if gain.foreseen * gain.logged < 0:
        yield Fitness.NOTHING, f"{gain.mv} has the wrong sign: it moves {gain.output} {figures}"
    elif not least / _TIMES <= abs(gain.foreseen) <= most * _TIMES:
        yield Fitness.ADVICE, f"{gain.mv} moves {gain.output} {figures}"


def _matters(gain: Gain) -> bool:
    """Whether the log shows an effect that matters in it."""
    return gain.told and gain.share > _FELT


def _lasting_errors(
    by_output: Mapping[int, Mapping[str, float]], diagnosis: Diagnosis
) -> Iterator[tuple[Fitness, str]]:
    for white in diagnosis.whiteness:
        coloured = white.foretold > _COLOURED and white.p_value < _SIGNIFICANT
        if coloured and by_output[1][white.output] > _NEGLIGIBLE:
            yield (
                Fitness.ADVICE,
                (
                    f"errors of {white.output} one interval ahead last: those before foretell "
                    f"{white.foretold:.0%} of them"
                ),
            )


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
