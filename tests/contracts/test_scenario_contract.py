"""Every registered scenario keeps the contract of a simulated plant."""

import pytest

from procwm.plant.registry import scenarios
from procwm.plant.scenario import Scenario
from procwm.testing import check_scenario


@pytest.mark.parametrize("scenario", scenarios().values(), ids=scenarios().keys())
def test_a_registered_scenario_keeps_its_contract(scenario: Scenario) -> None:
    check_scenario(scenario)


@pytest.mark.parametrize("scenario", scenarios().values(), ids=scenarios().keys())
def test_a_scenario_is_served_at_the_node_of_each_tag(scenario: Scenario) -> None:
    assert scenario.plant.opcua is not None
    assert [tag.node for tag in scenario.plant.tags] == [f"ns=2;s={name}" for name in scenario.plant.names]
