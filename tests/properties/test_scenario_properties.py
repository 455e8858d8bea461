"""What holds for any write to a simulated plant."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from procwm_scenarios import cstr, quadruple_tank

SCENARIOS = (quadruple_tank.scenario, cstr.scenario)


@settings(max_examples=25)
@given(
    scenario=st.sampled_from(SCENARIOS),
    shares=st.lists(st.floats(-1.0, 2.0), min_size=1, max_size=8),
)
def test_any_sequence_of_writes_is_accepted_within_range_and_leaves_the_plant_finite(
    scenario: object, shares: list[float]
) -> None:
    assert scenario in SCENARIOS
    plant = SCENARIOS[SCENARIOS.index(scenario)].simulate(seed=0)
    for share in shares:
        asked = {tag.name: tag.range[0] + share * tag.span for tag in plant.spec.mvs}
        accepted = asyncio.run(plant.write(asked))
        plant.advance()
        for tag, value in zip(plant.spec.mvs, plant.truth.mv, strict=True):
            assert accepted[tag.name] == value == min(max(asked[tag.name], tag.range[0]), tag.range[1])
