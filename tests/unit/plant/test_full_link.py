"""A link that offers the least is one that a run can use, and one that offers more is asked for it."""

from collections.abc import Sequence

from procwm.plant.link import FullLink
from procwm.plant.samples import ForecastSample, Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec, Role, Tag


class BareLink:
    """All that a link must have."""

    spec = PlantSpec(
        name="bare",
        interval_s=1.0,
        tags=(
            Tag(name="L1", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0),
            Tag(name="V1", role=Role.MV, unit="%", range=(0.0, 100.0)),
        ),
    )

    def drain(self) -> Sequence[Sample]:
        return (Sample("L1", 1.0, Quality.GOOD, 7),)

    async def write(self, setpoints: Setpoints) -> Setpoints:
        return dict.fromkeys(setpoints, 4.0)


class RichLink(BareLink):
    """A link that knows what becomes of it."""

    connected = True
    trouble = ""
    whole_numbers = ("V1",)
    valid = (0, 0)

    def forecasts(self) -> Sequence[ForecastSample]:
        return (ForecastSample("L1", (1.0,), Quality.GOOD, 7),)

    async def write_valid(self, setpoints: Setpoints, *, write_id: int, until_ns: int) -> Setpoints:
        self.valid = (write_id, until_ns)
        return setpoints


async def test_what_a_bare_link_has_not_got_is_taken_as_nothing_out_of_the_ordinary() -> None:
    link = FullLink(BareLink())
    assert (link.connected, link.trouble, tuple(link.whole_numbers), tuple(link.forecasts())) == (
        True,
        "",
        (),
        (),
    )
    assert link.drain() == (Sample("L1", 1.0, Quality.GOOD, 7),)
    assert await link.write_valid({"V1": 5.0}, write_id=1, until_ns=2) == {"V1": 4.0}


async def test_what_a_link_offers_is_asked_every_time() -> None:
    rich = RichLink()
    link = FullLink(rich)
    assert (link.connected, link.trouble, link.whole_numbers) == (True, "", ("V1",))
    vars(rich).update(connected=False, trouble="the server has another certificate")
    assert (link.connected, link.trouble) == (False, "the server has another certificate")
    assert [sample.values for sample in link.forecasts()] == [(1.0,)]
    assert await link.write_valid({"V1": 5.0}, write_id=1, until_ns=2) == {"V1": 5.0}
    assert rich.valid == (1, 2)
