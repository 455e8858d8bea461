"""A load that somebody knows ahead reaches the controller through a node of the plant's OPC UA server."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from asyncua import Client, ua
from hand_clock import HandClock
from linear_loop import START_NS, LinearPlant, Loop, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.plant.scenario import TruthRow
from procwm.plant.tags import PlantSpec
from procwm.runtime.cycle import Cycle
from procwm.runtime.desk import RequestDesk
from procwm.runtime.facts import FactKeeper
from procwm.runtime.folder import RunFolder
from procwm.runtime.loop import run
from procwm.runtime.verify import verify
from procwm_adapters.opcua.console.fact_nodes import facts_of, holdings
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer
from procwm_adapters.opcua.wire.values import opcua_time

STEP, CYCLES = 9, 16
COMING = [90.0 if tick > STEP else 50.0 for tick in range(1, CYCLES + 10)]


class Loaded(LinearPlant):
    """Two levels whose measured inflow rises in interval `STEP`."""

    def advance(self) -> None:
        if self.tick == STEP:
            self.dv = np.array([90.0])
        super().advance()

    @property
    def truth(self) -> TruthRow:
        return self.history[-1]

    @property
    def history(self) -> Sequence[TruthRow]:
        state = tuple(self.x.tolist())
        row = TruthRow(
            time_ns=self.time_ns,
            state=state,
            mv=tuple(self.mv.tolist()),
            disturbance=(),
            outputs={},
            guards={},
        )
        return [row]


def coming() -> PlantSpec:
    spec = plant_spec()
    tags = (replace(tag, forecast_node="ns=2;s=F1.FC") if tag.name == "F1" else tag for tag in spec.tags)
    return replace(spec, tags=tuple(tags))


async def served(
    values: list[float], folder: Path, tell: Callable[[Cycle], None]
) -> tuple[Loaded, Controller]:
    """A recorded run in simulated time, for which a client has written `values` beforehand."""
    plant = Loaded(coming())
    controller = Controller(plant.spec, model_of(plant.spec), clock=HandClock())
    async with SimulationServer(plant) as server:
        assert server.spec.opcua is not None
        async with Client(server.spec.opcua.endpoint) as supervisor:
            array = ua.Variant(values, ua.VariantType.Double)
            told = ua.DataValue(array, SourceTimestamp=opcua_time(START_NS))
            await supervisor.get_node("ns=2;s=F1.FC").write_value(told)
        async with OpcUaLink(server.spec, settle_s=0.0) as link:
            with RunFolder(folder, controller) as record:
                clock = OpcUaLockstep(link)
                await run(link, clock, controller, intervals=CYCLES, recorder=record, on_cycle=tell)
    return plant, controller


def worst(plant: LinearPlant) -> float:
    return float(np.abs(np.array(plant.levels) - 50.0).max())


def moved(plant: LinearPlant) -> float:
    """By how much, before the load changes."""
    return float(np.abs(np.array(plant.moves)[: STEP + 1] - 50.0).max())


def told(folder: Path) -> list[str]:
    lines = (folder / "audit.jsonl").read_text().splitlines()
    return [text for line in lines if (text := json.loads(line)["text"]).startswith("forecast of")]


async def test_a_load_that_is_known_ahead_is_met_before_it_comes_and_the_run_can_be_taken_again(
    tmp_path: Path,
) -> None:
    cycles: list[Cycle] = []
    ahead, controller = await served(COMING, tmp_path, cycles.append)
    late = Loop(Loaded(plant_spec()), controller).run(CYCLES).plant
    assert worst(ahead) < 0.6 * worst(late)
    assert moved(ahead) > 1.0
    assert moved(late) < 1e-6
    assert told(tmp_path)[0].startswith("forecast of F1 taken up: 50, 50")
    assert not [text for cycle in verify(tmp_path, controller) for text in cycle.differs]
    last = cycles[-1].inputs
    assert last is not None
    desk = RequestDesk(controller.plant)
    shown = FactKeeper(controller.plant, (), desk).facts(cycles[-1])
    held = {path: None if value is None else value.value for path, value in holdings(shown).items()}
    held["Time"] = opcua_time(START_NS)
    assert facts_of(held).variables["F1"].forecast == last.forecast["F1"] == tuple(COMING[CYCLES - 1 :])
