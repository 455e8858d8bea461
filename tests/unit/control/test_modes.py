import pytest

from procwm.control import modes
from procwm.control.modes import Mode
from procwm.errors import SpecError


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.AUTO])
def test_a_controller_starts_in_the_mode_it_was_given(mode: Mode) -> None:
    state = modes.begin(mode)
    assert (state.requested, state.actual) == (mode, mode)


def test_a_controller_cannot_start_shed() -> None:
    with pytest.raises(SpecError, match="cannot start in mode shed"):
        modes.begin(Mode.SHED)


def test_auto_is_not_reached_from_off_without_being_watched_first() -> None:
    with pytest.raises(
        SpecError, match="auto cannot be reached from off; from there ask for shadow or advisory"
    ):
        modes.request(modes.begin(Mode.OFF), Mode.AUTO)


def test_nobody_can_ask_for_shed() -> None:
    with pytest.raises(SpecError, match="shed cannot be reached"):
        modes.request(modes.begin(Mode.AUTO), Mode.SHED)


def test_a_request_gives_its_reason() -> None:
    state = modes.request(modes.begin(Mode.SHADOW), Mode.AUTO, reason="shift leader")
    assert (state.actual, state.reason) == (Mode.AUTO, "shift leader")


def test_shedding_keeps_what_was_asked_for_and_says_why() -> None:
    state = modes.shed(modes.begin(Mode.AUTO), "no CV is measured")
    assert (state.requested, state.actual, state.reason) == (Mode.AUTO, Mode.SHED, "no CV is measured")


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.ADVISORY])
def test_a_controller_that_does_not_write_has_nothing_to_shed(mode: Mode) -> None:
    assert modes.shed(modes.begin(mode), "why").actual is mode


def test_a_shed_controller_returns_after_enough_usable_plans_in_a_row() -> None:
    state = modes.shed(modes.begin(Mode.AUTO), "why")
    actual = []
    for _ in range(3):
        state = modes.recovered(state, 3)
        actual.append(state.actual)
    assert actual == [Mode.SHED, Mode.SHED, Mode.AUTO]


def test_one_more_bad_cycle_starts_the_count_again() -> None:
    state = modes.recovered(modes.shed(modes.begin(Mode.AUTO), "why"), 2)
    state = modes.recovered(modes.shed(state, "again"), 2)
    assert state.actual is Mode.SHED
    assert modes.recovered(state, 2).actual is Mode.AUTO


def test_without_automatic_return_only_an_operator_ends_a_shed() -> None:
    state = modes.shed(modes.begin(Mode.AUTO), "why")
    for _ in range(20):
        state = modes.recovered(state, None)
    assert state.actual is Mode.SHED
    assert modes.request(state, Mode.AUTO).actual is Mode.AUTO
