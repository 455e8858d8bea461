"""Reference trajectories of every registered scenario.

`python tests/golden/regenerate.py` writes them anew; do so only when a plant was changed on purpose,
and say in the commit what changed. `test_scenario_golden.py` compares, and refuses stale files.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from procwm.plant.registry import scenarios
from procwm.plant.scenario import Operation, Scenario, TruthRow

FOLDER = Path(__file__).parent
RECIPE = {"seed": 7, "external_intervals": 120, "routine_intervals": 360, "every": 12}
"""What a file holds: a changed recipe makes every file stale."""


def path(name: str) -> Path:
    """Where the trajectory of a scenario lies."""
    return FOLDER / f"{name}.json"


def record(scenario: Scenario) -> dict[str, Any]:
    """The trajectory of `scenario` by the recipe: MVs written through the link, then routine operation."""
    external = scenario.simulate(seed=RECIPE["seed"])
    for tick in range(RECIPE["external_intervals"]):
        asyncio.run(external.write(_staircase(scenario, tick)))
        external.advance()
    routine = scenario.simulate(seed=RECIPE["seed"], operation=Operation.ROUTINE)
    for _ in range(RECIPE["routine_intervals"]):
        routine.advance()
    programme = scenario.program(seed=RECIPE["seed"], intervals=300)
    return {
        "recipe": RECIPE,
        "tags": list(scenario.plant.names),
        "external": [_row(row) for row in external.history[:: RECIPE["every"]]],
        "routine": [_row(row) for row in routine.history[:: RECIPE["every"]]],
        "programme": [[change.tick, change.tag, change.value] for change in programme],
    }


def _staircase(scenario: Scenario, tick: int) -> dict[str, float]:
    """Each MV in turn a tenth of its limits up and down again, twenty intervals at a time."""
    mvs = scenario.plant.mvs
    stage = tick // 20
    moved = mvs[stage // 2 % len(mvs)].name
    return {
        tag.name: nominal + 0.1 * (tag.bounds[1] - tag.bounds[0]) * (tag.name == moved and stage % 2 == 1)
        for tag, nominal in zip(mvs, scenario.equations.nominal_mv, strict=True)
    }


def _row(row: TruthRow) -> dict[str, Any]:
    return {"mv": list(row.mv), "outputs": dict(row.outputs), "guards": dict(row.guards)}


def main() -> None:
    """Write every file anew, and remove those of scenarios that are no longer there."""
    offered = scenarios()
    for file in FOLDER.glob("*.json"):
        if file.stem not in offered:
            file.unlink()
    for name, scenario in offered.items():
        unfinished = path(name).with_suffix(".part")
        unfinished.write_text(json.dumps(record(scenario), indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path(name))


if __name__ == "__main__":
    main()
