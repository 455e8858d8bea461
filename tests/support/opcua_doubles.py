"""A tiny simulated plant, and servers with whatever nodes a test needs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from asyncua import Server, ua

from procwm.errors import LinkError, SimulationError
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import TruthRow
from procwm.plant.tags import OpcUaSettings, PlantSpec, Role, Tag

START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000_000

LEVEL = Tag(name="LT1.PV", role=Role.CV, unit="cm", range=(0.0, 20.0), setpoint=10.0, node="ns=2;s=LT1.PV")
FLOW = Tag(name="FT1.PV", role=Role.DV, unit="m3/h", range=(0.0, 5.0), node="ns=2;s=FT1.PV")
STEADY = Tag(name="TT1.PV", role=Role.PV, unit="degC", range=(0.0, 100.0), node="ns=2;s=TT1.PV")
PUMP = Tag(name="P1.SP", role=Role.MV, unit="V", range=(0.0, 10.0), limits=(1.0, 6.0), node="ns=2;s=P1.SP")


def tank(endpoint: str | None = None, *, tags: Sequence[Tag] = (LEVEL, FLOW, STEADY, PUMP)) -> PlantSpec:
    settings = None if endpoint is None else OpcUaSettings(endpoint=endpoint)
    return PlantSpec(name="one tank", interval_s=1.0, tags=tuple(tags), opcua=settings)


class FakePlant:
    """A level that follows the pump; readings are now and then Bad, Uncertain or missing."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self._fails_at = fails_at
        self._level, self._pump = 10.0, 3.0
        self._rows: list[TruthRow] = []
        self._queue: list[Sample] = []
        self._report()

    @property
    def spec(self) -> PlantSpec:
        return tank()

    @property
    def truth(self) -> TruthRow:
        return self._rows[-1]

    @property
    def history(self) -> Sequence[TruthRow]:
        return self._rows

    def drain(self) -> Sequence[Sample]:
        samples, self._queue = self._queue, []
        return samples

    async def write(self, setpoints: Setpoints) -> Setpoints:
        if set(setpoints) != {PUMP.name}:
            raise LinkError(f"not an MV among {setpoints}")
        self._pump = min(max(setpoints[PUMP.name], 0.0), 8.0)
        self._queue.append(Sample(PUMP.name, self._pump, Quality.GOOD, self.truth.time_ns + 1_000_000))
        return {PUMP.name: self._pump}

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        while True:
            yield self.truth.time_ns
            self.advance()

    def advance(self) -> None:
        if len(self._rows) == self._fails_at:
            raise SimulationError("the tank burst")
        self._level += 0.1 * (self._pump - 0.3 * self._level)
        self._report()

    def _report(self) -> None:
        tick = len(self._rows)
        now = START_NS + tick * STEP_NS
        outputs = {LEVEL.name: self._level, FLOW.name: 1.0 + tick % 4, STEADY.name: 20.0}
        row = TruthRow(
            time_ns=now, state=(self._level,), mv=(self._pump,), disturbance=(), outputs=outputs, guards={}
        )
        self._rows.append(row)
        quality = Quality.BAD if tick % 7 == 6 else Quality.UNCERTAIN if tick % 5 == 4 else Quality.GOOD
        self._queue.append(Sample(LEVEL.name, self._level, quality, now))
        if tick % 3 != 2:
            self._queue.append(Sample(FLOW.name, outputs[FLOW.name], Quality.GOOD, now))
        self._queue.append(Sample(STEADY.name, 20.0, Quality.GOOD, now))
        self._queue.append(Sample(PUMP.name, self._pump, Quality.GOOD, now))


@asynccontextmanager
async def serving(variables: Mapping[str, Any], *, port: int = 0) -> AsyncIterator[tuple[Server, str]]:
    """A plain server with `variables` (a `Variant` or `DataValue` by node name, all writable)."""
    server = Server()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    server.disable_clock()
    await server.init()
    await server.register_namespace("urn:test")
    for name, held in variables.items():
        value = held if isinstance(held, ua.DataValue) else ua.DataValue(held)
        node = await server.nodes.objects.add_variable(
            ua.NodeId(name, 2), ua.QualifiedName(name, 2), value.Value.Value, value.Value.VariantType
        )
        await node.set_writable()
        await node.write_value(value)
    async with server:
        yield server, f"opc.tcp://127.0.0.1:{server.bserver.port}"


def comparable(samples: Sequence[Sample]) -> list[tuple[Any, ...]]:
    """Samples as they survive OPC UA: the value of a Bad one is not transmitted; order by time and tag."""
    return sorted(
        (s.source_ns, s.tag, s.quality, None if s.quality is Quality.BAD else s.value) for s in samples
    )
