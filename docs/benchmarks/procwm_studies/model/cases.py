"""What models are compared on: a log to learn from and one to be scored on, of simulated or real plants."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from procwm.comparison.operating import operate
from procwm.data.series import Log, TagSeries
from procwm.plant.registry import scenarios
from procwm.plant.scenario import Scenario, TruthRow
from procwm.plant.tags import PlantSpec
from procwm_studies import PLANTS
from procwm_studies.model.real_logs import real_logs

SEEDS = (0, 1, 2)
TEST_HOURS = 8.0
_LOG_SEED, _TEST_SEED = 1000, 3000


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A log that teaches, one that tests, and a seed.

    Attributes:
        name: of the scenario, or of the real log.
        plant: whose logs they are.
        taught: what a model learns from.
        test: what it is scored on; of a simulated plant without unmeasured disturbances, which no model
            could foresee.
        seed: of everything random.
        scenario: that made the logs; `None` of real ones.
        truth: what to score against in place of the readings of `test`: noise-free, as late as each
            instrument shows it; `None` of real logs.
        rows: the truth behind `test`, tick by tick; empty of real logs.
        given: whether `test` is a file of its own, as a published benchmark has it.
    """

    name: str
    plant: PlantSpec
    taught: Log
    test: Log
    seed: int
    scenario: Scenario | None = None
    truth: Mapping[str, TagSeries] | None = None
    rows: Sequence[TruthRow] = ()
    given: bool = False


def cases(
    names: Sequence[str],
    seeds: Sequence[int],
    hours: float,
    *,
    logs: Path | None = None,
    plants: Path | None = None,
    habits: str | None = None,
) -> Iterator[Case]:
    """A case for every plant and seed.

    Args:
        names: of scenarios, or of real logs; everything that is there where empty.
        seeds: `SEEDS` where empty.
        hours: of routine log of a simulated plant to learn from.
        logs: folder of real logs, in place of simulated plants.
        plants: folder of their plant files, where they are not beside the logs.
        habits: of the operators of simulated plants; each plant's own where `None`.

    Raises:
        SpecError: there is no scenario, or no log, of a name.
    """
    if logs is not None:
        for real in real_logs(logs, plants, names):
            for seed in seeds or SEEDS:
                yield Case(
                    name=real.name,
                    plant=real.plant,
                    taught=real.taught,
                    test=real.test,
                    seed=seed,
                    given=real.given,
                )
        return
    for name, scenario in scenarios(names or PLANTS, habits=habits).items():
        for seed in seeds or SEEDS:
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS, unmeasured=False)
            yield Case(
                name=name,
                plant=scenario.plant,
                taught=operate(scenario, seed=seed + _LOG_SEED, hours=hours).log,
                test=test.log,
                seed=seed,
                scenario=scenario,
                truth=test.shown,
                rows=test.rows,
            )
