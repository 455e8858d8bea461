"""What becomes of a write whose way is blocked."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from procwm.errors import LinkRefusedError, LinkTimeoutError
from procwm.plant.link import FullLink
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.runtime.delivery import Delivered, Delivery

INTERVAL_NS = 50_000_000


class SilentLink:
    """A plant that takes every write and answers none of them."""

    spec = PlantSpec(
        name="silent",
        interval_s=0.05,
        tags=(
            Tag(name="L1", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0),
            Tag(name="V1", role=Role.MV, unit="%", range=(0.0, 100.0)),
        ),
    )

    def __init__(self, cancelled: type[asyncio.CancelledError] = asyncio.CancelledError) -> None:
        self.asked: list[Setpoints] = []
        self.cancelled = cancelled

    def drain(self) -> Sequence[Sample]:
        return ()

    async def write(self, setpoints: Setpoints) -> Setpoints:
        self.asked.append(setpoints)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise self.cancelled from None
        return setpoints


class AnsweredTooLateError(asyncio.CancelledError):
    """What a library may make of a call that is cancelled at the moment of its answer."""


@pytest.mark.parametrize("cancelled", [asyncio.CancelledError, AnsweredTooLateError])
async def test_a_write_that_is_never_answered_is_given_up_within_the_interval_and_may_have_happened(
    cancelled: type[asyncio.CancelledError],
) -> None:
    link = SilentLink(cancelled)
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 0)], 0)
    async with asyncio.timeout(20):
        first = await delivery.deliver({"V1": 41.0}, lambda: 0)
    assert first == Delivered(None, "not written (1 in a row): no answer within 0.05 s")
    assert not delivery.healthy
    held = await delivery.deliver({"V1": 42.0}, lambda: INTERVAL_NS)
    assert "holding until V1 can be read back" in held.fault
    assert link.asked == [{"V1": 41.0}]
    # What was read before is no read-back of it; what is read an interval after it was given up is.
    delivery.observe([Sample("V1", 41.0, Quality.GOOD, INTERVAL_NS)], INTERVAL_NS)
    assert not delivery.healthy
    delivery.observe([Sample("V1", 41.0, Quality.GOOD, 3 * INTERVAL_NS)], 3 * INTERVAL_NS)
    delivery.forgive()
    assert delivery.healthy
    assert delivery.in_force == {"V1": 41.0}


@pytest.mark.parametrize("answer", [math.nan, 10**400, "taken", None])
async def test_a_write_that_the_plant_answers_with_no_number_may_have_happened(unchecked, answer) -> None:
    class Unreadable(SilentLink):
        async def write(self, setpoints: Setpoints) -> Setpoints:
            return dict.fromkeys(setpoints, answer)

    delivery = Delivery(FullLink(Unreadable()))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 0)], 0)
    delivered = await delivery.deliver({"V1": 41.0}, lambda: 0)
    assert delivered == Delivered(None, "not written (1 in a row): V1: the plant took no number")
    assert delivery.in_force == {"V1": 40.0}
    assert (delivery.written, delivery.unknown) == (0, 1)
    assert "holding until V1 can be read back" in (await delivery.deliver({"V1": 42.0}, lambda: 0)).fault


@pytest.mark.parametrize(("error", "healthy_again"), [(LinkRefusedError, True), (LinkTimeoutError, False)])
async def test_a_write_that_timed_out_may_have_happened_and_one_that_was_refused_has_not(
    error: type[Exception], healthy_again: bool
) -> None:
    class Raising(SilentLink):
        async def write(self, setpoints: Setpoints) -> Setpoints:
            raise error("no")

    delivery = Delivery(FullLink(Raising()))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 0)], 0)
    await delivery.deliver({"V1": 41.0}, lambda: 0)
    delivery.forgive()
    assert delivery.healthy is healthy_again


async def test_a_write_that_the_plant_cuts_short_is_corrected_before_the_next_step() -> None:
    class Cutting(SilentLink):
        async def write(self, setpoints: Setpoints) -> Setpoints:
            return {name: min(value, 40.5) for name, value in setpoints.items()}

    delivery = Delivery(FullLink(Cutting()))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 7)], 7)
    delivered = await delivery.deliver({"V1": 41.0}, lambda: 7)
    assert delivered == Delivered({"V1": 40.5}, "V1: 41 was written, the plant took 40.5")
    assert delivery.taken_otherwise() == {"V1": 40.5}
    assert delivery.taken_otherwise() is None


async def test_an_answer_about_tags_that_are_no_mvs_is_none() -> None:
    class Talkative(SilentLink):
        async def write(self, setpoints: Setpoints) -> Setpoints:
            return {**setpoints, "nobody's": 1.0}

    delivery = Delivery(FullLink(Talkative()))
    assert await delivery.deliver({"V1": 41.0}, lambda: 0) == Delivered({"V1": 41.0})
    assert delivery.in_force == {"V1": 41.0}


async def test_a_read_back_stamped_far_ahead_makes_no_later_one_old() -> None:
    delivery = Delivery(FullLink(SilentLink()))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 2**63 - 1)], 0)
    delivery.observe([Sample("V1", 41.0, Quality.GOOD, 2 * INTERVAL_NS)], 2 * INTERVAL_NS)
    assert delivery.in_force == {"V1": 41.0}
    async with asyncio.timeout(20):
        await delivery.deliver({"V1": 42.0}, lambda: 2 * INTERVAL_NS)
    delivery.observe([Sample("V1", 42.0, Quality.GOOD, 5 * INTERVAL_NS)], 5 * INTERVAL_NS)
    delivery.forgive()
    assert delivery.healthy


class AnsweringLink(SilentLink):
    """A plant that takes every write, and is told which it is and until when it is valid."""

    def __init__(self) -> None:
        super().__init__()
        self.valid: list[tuple[int, int]] = []

    async def write_valid(self, setpoints: Setpoints, *, write_id: int, until_ns: int) -> Setpoints:
        self.asked.append(setpoints)
        self.valid.append((write_id, until_ns))
        return setpoints


@pytest.mark.parametrize("value", [-7.0, 101.0, math.nan, math.inf])
async def test_a_value_outside_the_limits_of_the_plant_file_is_never_sent(value: float) -> None:
    link = AnsweringLink()
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 0)], 0)
    delivered = await delivery.deliver({"V1": value}, lambda: 0, limits={"V1": (-1000.0, 1000.0)})
    assert f"V1: {value:g} is outside [0, 100], the limits of the plant file" in delivered.fault
    assert (link.asked, delivery.failed, delivery.written) == ([], 1, 0)


async def test_an_mv_that_the_plant_reports_outside_its_limits_may_come_back_and_go_no_further() -> None:
    link = AnsweringLink()
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", -20.0, Quality.GOOD, 0)], 0)
    assert (await delivery.deliver({"V1": -12.0}, lambda: 0)).accepted == {"V1": -12.0}
    assert "outside" in (await delivery.deliver({"V1": -13.0}, lambda: 0)).fault


async def test_a_move_that_was_decided_too_late_is_never_sent() -> None:
    link = AnsweringLink()
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 0)], 0)
    late = await delivery.deliver({"V1": 41.0}, lambda: INTERVAL_NS, tick_ns=0)
    assert late.accepted is None
    assert late.fault.endswith("decided 0.05 s after its tick; a move is valid for 0.05 s")
    assert link.asked == []
    in_time = await delivery.deliver({"V1": 41.0}, lambda: 2 * INTERVAL_NS - 1, tick_ns=INTERVAL_NS)
    assert in_time == Delivered({"V1": 41.0})


async def test_the_plant_is_told_which_write_it_is_and_until_when_it_is_valid() -> None:
    link = AnsweringLink()
    delivery = Delivery(FullLink(link))
    for tick in (7, 8, 2**32 + 1):
        now_ns = tick * INTERVAL_NS
        await delivery.deliver({"V1": 41.0}, partial(int, now_ns + 5), tick_ns=now_ns)
    assert [write_id for write_id, _ in link.valid] == [7, 8, 1]
    assert link.valid[0][1] == 8 * INTERVAL_NS


class WholeLink(AnsweringLink):
    """A plant whose valve holds whole numbers, from 10 to 90, and moves by at most 2.5 at once."""

    spec = PlantSpec(
        name="whole",
        interval_s=0.05,
        tags=(
            SilentLink.spec.tags[0],
            Tag(name="V1", role=Role.MV, unit="%", range=(0.0, 100.0), limits=(10.0, 90.0), max_move=2.5),
        ),
    )
    whole_numbers = ("V1",)


@pytest.mark.parametrize(
    ("held", "decided", "written"),
    [
        (40.0, 41.4, 41.0),
        (40.0, 41.6, 42.0),
        (40.0, 42.5, 42.0),
        (40.0, 37.5, 38.0),
        (89.0, 89.8, 89.0),
        (8.0, 10.0, 10.0),
    ],
)
async def test_an_mv_that_holds_whole_numbers_goes_to_the_nearest_within_its_limits(
    held: float, decided: float, written: float
) -> None:
    link = WholeLink()
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", held, Quality.GOOD, 7)], 7)
    delivered = await delivery.deliver({"V1": decided}, lambda: 7, limits={"V1": (10.0, 89.9)})
    assert link.asked == [{"V1": written}]
    # Rounding is no fault, so the heartbeat goes on; the controller is told what is in force.
    assert delivered == Delivered({"V1": written})
    assert delivery.taken_otherwise() == ({"V1": written} if written != decided else None)


async def test_rounding_adds_nothing_to_what_an_mv_may_move_in_an_hour() -> None:
    class Hourly(WholeLink):
        spec = replace(
            WholeLink.spec,
            tags=(WholeLink.spec.tags[0], replace(WholeLink.spec.tags[1], max_move_per_hour=5.0)),
        )

    link = Hourly()
    delivery = Delivery(FullLink(link))
    delivery.observe([Sample("V1", 40.0, Quality.GOOD, 7)], 7)
    await delivery.deliver({"V1": 41.6}, lambda: 7)
    assert link.asked == [{"V1": 41.0}]


def test_an_mv_of_uncertain_quality_is_read_back_where_the_plant_file_says_that_it_is_used() -> None:
    doubted = Delivery(FullLink(SilentLink()))
    doubted.observe([Sample("V1", 40.0, Quality.UNCERTAIN, 7)], 7)
    assert (doubted.missing, doubted.awaited_first) == (("V1",), "V1 (it is Uncertain)")

    class Used(SilentLink):
        spec = replace(
            SilentLink.spec,
            tags=(SilentLink.spec.tags[0], replace(SilentLink.spec.tags[1], use_uncertain=True)),
        )

    used = Delivery(FullLink(Used()))
    used.observe([Sample("V1", 40.0, Quality.UNCERTAIN, 7)], 7)
    assert used.in_force == {"V1": 40.0}
