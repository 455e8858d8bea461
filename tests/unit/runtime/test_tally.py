"""What a run counts: the same however long it lasts."""

from procwm.control.decision import Decision
from procwm.runtime.tally import Tally


def test_reasons_that_differ_in_their_figures_are_one_kind() -> None:
    tally = Tally()
    for number in range(1000):
        tally.add(
            Decision(setpoints=None, reason=f"LT1.PV: no good value for {number / 7:g} s; {number} of 9")
        )
    assert tally.reasons == {"LT1.PV: no good value for # s; # of #": 1000}


def test_reasons_without_end_take_no_room_without_end() -> None:
    tally = Tally()
    for number in range(5000):
        tally.add(Decision(setpoints=None, reason=f"at object{number:x}"))
    assert len(tally.reasons) <= 101
    assert tally.reasons.total() == 5000


def test_what_was_written_has_no_reason_against_it() -> None:
    tally = Tally()
    tally.add(Decision(setpoints={"P1": 1.0}, reason="optimal", rung="sqp", step_s=0.5))
    assert (dict(tally.rungs), dict(tally.reasons), tally.step_ms) == ({"sqp": 1}, {}, (500.0, 500.0))
