"""What speaks against a model because of the log that it is learned from or judged on."""

from collections.abc import Iterator

from procwm.data.checks.answer_time import SlowAnswer, slow_answers
from procwm.data.checks.check import SHORTEST_INTERVALS
from procwm.data.checks.excitation import ExcitationVerdict, excitation
from procwm.data.checks.feedback_moves import feedback_moves
from procwm.data.window import Grid
from procwm.learning.evaluation.objection import MORE, MOVE, Objection
from procwm.plant.tags import PlantSpec
from procwm.world.fitness import Fitness


def log_objections(rows: Grid, plant: PlantSpec) -> Iterator[Objection]:
    """What `procwm check` would warn of, as far as it makes a model from `rows` unfit for control."""
    yield from _late_answers(slow_answers(rows, plant), plant)
    for moved in feedback_moves(rows, plant):
        yield Objection(
            fitness=Fitness.ADVICE,
            reason=moved.sentence,
            remedy=f"name the setpoint of the loop as the MV in place of {moved.mv}, or let operators move "
            f"{moved.mv} with the loop open, then train on that log",
        )
    yield from _moves(rows, plant)
    if len(rows) < SHORTEST_INTERVALS:
        reason = (
            f"the log is short: {len(rows)} control intervals, {SHORTEST_INTERVALS} are needed to judge by"
        )
        yield Objection(fitness=Fitness.ADVICE, reason=reason, remedy=MORE, untested=True)


def _moves(rows: Grid, plant: PlantSpec) -> Iterator[Objection]:
    """MVs that moved little, or never apart from others. Those that never moved are another matter."""
    found = excitation(rows, plant)
    for mvs in sorted({tuple(sorted((mv.tag, *mv.together))) for mv in found if mv.together}):
        reason = (
            f"{' and '.join(mvs)} move only together in this log, so what each of them does was not tested"
        )
        yield Objection(fitness=Fitness.ADVICE, reason=reason, remedy=MOVE, untested=True)
    for mv in found:
        if mv.verdict is ExcitationVerdict.LITTLE and not mv.together:
            yield Objection(fitness=Fitness.ADVICE, reason=mv.sentence, remedy=MOVE, untested=True)


def _late_answers(found: tuple[SlowAnswer, ...], plant: PlantSpec) -> Iterator[Objection]:
    """Answers that come after the longest horizon; the slowest one asks for the longest interval."""
    unseen = [answer for answer in found if answer.unseen]
    interval_s = max((answer.interval_s for answer in found), default=plant.interval_s)
    for answer in unseen:
        whole = {other.mv for other in unseen if other.cv == answer.cv} == {mv.name for mv in plant.mvs}
        yield Objection(
            fitness=Fitness.NOTHING if whole else Fitness.ADVICE,
            reason=answer.sentence,
            remedy=f"set interval_s = {interval_s:g} in the plant file and train again",
        )
