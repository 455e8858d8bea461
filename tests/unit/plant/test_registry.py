from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from procwm.errors import SpecError
from procwm.plant import registry
from procwm.plant.scenario import OperatorHabits
from procwm_adapters.memory import MemoryLink
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep, ServedTime
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer


def test_the_built_in_links_are_found_by_name():
    assert registry.link("memory") is MemoryLink
    assert registry.link("opcua") is OpcUaLink


def test_the_built_in_scenarios_are_found_by_name():
    found = registry.scenarios()
    assert {"quadruple_tank", "cstr"} <= found.keys()
    assert all(scenario.name == name for name, scenario in found.items())
    assert registry.scenario("cstr") is found["cstr"]


def test_a_scenario_is_found_with_the_habits_that_are_asked_for():
    assert registry.scenario("cstr", habits="quiet").kind is OperatorHabits.QUIET
    assert {one.kind for one in registry.scenarios(habits="ordinary").values()} == {OperatorHabits.ORDINARY}


def test_habits_that_are_not_there_are_named(monkeypatch):
    with pytest.raises(SpecError, match="no habits hasty; there are lively, ordinary, quiet, cascade"):
        registry.scenario("cstr", habits="hasty")
    found = registry.scenario("cstr")
    names = ("name", "summary", "source", "plant", "equations", "simulate", "program")
    alone = SimpleNamespace(**{name: getattr(found, name) for name in names} | {"name": "alone"})
    monkeypatch.setattr(registry, "_load", lambda entry: alone)
    assert registry.scenario("cstr") is alone
    with pytest.raises(SpecError, match="alone: its operators have habits of their own only, not quiet"):
        registry.scenario("cstr", habits="quiet")


def test_the_built_in_server_and_its_clocks_are_found_by_name():
    assert registry.server("opcua") is SimulationServer
    assert registry.clock("opcua") is ServedTime
    assert registry.clock("opcua-lockstep") is OpcUaLockstep


@pytest.mark.parametrize(
    ("find", "known"),
    [
        (registry.scenario, "cstr, .*quadruple_tank"),
        (registry.link, "memory, opcua"),
        (registry.server, "opcua"),
        (registry.clock, "opcua, opcua-lockstep"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(find, known):
    with pytest.raises(SpecError, match=rf"no \w+ warp_drive; installed are .*{known}"):
        find("warp_drive")


@pytest.mark.parametrize(
    "value", ["procwm_adapters.nowhere:thing", "procwm.errors:missing", "procwm.errors:SpecError"]
)
def test_an_entry_point_that_offers_no_scenario_is_named(monkeypatch, value):
    entry = EntryPoint(name="broken", value=value, group=registry.SCENARIOS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    with pytest.raises(SpecError, match="broken"):
        registry.scenario("broken")


def test_a_demo_without_a_name_shows_what_is_offered_for_it_else_the_first_scenario(monkeypatch):
    offered = {registry.SCENARIOS: ["mill", "kiln"], registry.DEMO: ["mill"]}

    def entries(group):
        return [EntryPoint(name=name, value="nowhere:thing", group=group) for name in offered[group]]

    monkeypatch.setattr(registry, "entry_points", entries)
    assert registry.shown_scenario() == "mill"
    offered[registry.DEMO] = []
    assert registry.shown_scenario() == "kiln"
    offered[registry.SCENARIOS] = []
    with pytest.raises(SpecError, match="no scenario to show"):
        registry.shown_scenario()
