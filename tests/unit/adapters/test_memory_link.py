import pytest
from opcua_doubles import LEVEL, PUMP, tank

from procwm.errors import LinkError
from procwm.plant.samples import Quality, Sample
from procwm_adapters.memory import MemoryLink

SECOND = 10**9


def level(time_ns, value=1.0):
    return Sample(LEVEL.name, value, Quality.GOOD, time_ns)


async def test_samples_come_when_their_time_has_come():
    link = MemoryLink(tank(), [level(2 * SECOND), level(0), level(SECOND // 2)])
    seen = [(now, [s.source_ns for s in link.drain()]) async for now in link.ticks(1.0)]
    assert seen == [(0, [0]), (SECOND, [SECOND // 2]), (2 * SECOND, [2 * SECOND])]


async def test_setpoints_are_accepted_and_remembered():
    link = MemoryLink(tank())
    assert await link.write({PUMP.name: 3.0}) == {PUMP.name: 3.0}
    assert link.written == [{PUMP.name: 3.0}]
    assert link.drain() == []


@pytest.mark.parametrize("setpoints", [{LEVEL.name: 1.0}, {PUMP.name: float("nan")}])
async def test_what_is_no_mv_or_no_number_is_refused(setpoints):
    link = MemoryLink(tank())
    with pytest.raises(LinkError, match=next(iter(setpoints))):
        await link.write(setpoints)
    assert link.written == []
