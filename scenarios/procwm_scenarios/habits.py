"""How operators go about moving MVs: the numbers behind `OperatorHabits`."""

import math
from dataclasses import dataclass, replace

from procwm.plant.roles import Interval
from procwm.plant.scenario import OperatorHabits

_HOUR_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How operators move MVs. Shares are of the width of an MV's limits, or of a CV's.

    Attributes:
        pause_s: between two decisions about the same MV, drawn evenly from this interval.
        reach: largest change of one MV decided at once, a campaign aside.
        portion: largest change entered at once; the rest follows in portions.
        portion_s: time between portions.
        campaign: share of decisions that take all MVs to another operating point anywhere in the region.
        home: share of decisions that go back towards the nominal value.
        notice_s: a guardrail broken for so long is noticed, by walking past, and the MVs go home.
        digits: decimal places of a value that an operator types.
        test_move: amplitude of the moves added in a step test.
        test_hold_s: shortest and longest hold of such a move.
        grade_s: between two changes of grade, which move all MVs; infinite is never.
        grade: largest change of one MV in a change of grade.
        answer_s: between two looks at whether the CVs are where the grade has them; infinite is never.
        tolerance: by how much a CV may be off its grade before that is answered.
        answer: how much of what is off one answer takes back.
    """

    pause_s: Interval = (600.0, 1800.0)
    reach: float = 0.35
    portion: float = 0.15
    portion_s: float = 60.0
    campaign: float = 0.2
    home: float = 0.25
    notice_s: float = 300.0
    digits: int = 1
    test_move: float = 0.05
    test_hold_s: Interval = (60.0, 300.0)
    grade_s: float = math.inf
    grade: float = 0.0
    answer_s: Interval = (math.inf, math.inf)
    tolerance: float = 0.0
    answer: float = 0.0


def habits_of(kind: OperatorHabits, own: Habits) -> Habits:
    """The habits called `kind` of operators whose plant is run by `own`, which are the lively ones."""
    if kind is OperatorHabits.LIVELY:
        return own
    calm = replace(own, pause_s=(1.0 * _HOUR_S, 3.0 * _HOUR_S), reach=0.12, campaign=0.0)
    if kind is not OperatorHabits.QUIET:
        return calm
    return replace(
        calm,
        pause_s=(4.0 * _HOUR_S, 12.0 * _HOUR_S),
        reach=0.04,
        home=0.0,
        grade_s=8.0 * _HOUR_S,
        grade=0.1,
        answer_s=(1.0 * _HOUR_S, 3.0 * _HOUR_S),
        tolerance=0.03,
        answer=0.5,
    )
