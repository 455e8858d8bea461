"""A replay as one table: a row for every control interval, and a column for everything that is said of it."""

import numpy as np
import pandas as pd

from procwm.runtime.replay import ReplayResult


def replay_table(result: ReplayResult) -> pd.DataFrame:
    """Readings, moves, predictions by lead, suggested moves, guardrails and surprise; NaN where unknown.

    Columns are called as in `TAG`, `TAG foreseen 5 before`, `TAG band half-width`, `TAG suggested`,
    `NAME guardrail` and `surprise`; the index is the time, UTC.
    """
    plant = result.plant
    columns = {
        **_named(plant.output_names, "{}", result.output),
        **_named(plant.mv_names, "{}", result.mv),
        **_named(plant.mv_names, "{} suggested", result.suggested_mv),
    }
    for lead, predicted in result.predicted.items():
        columns |= _named(plant.output_names, f"{{}} foreseen {lead} before", predicted)
    columns |= _named(plant.output_names, "{} band half-width", result.half_width)
    columns |= _named(result.guard_names, "{} guardrail", result.guard)
    columns["surprise"] = result.surprise
    table = pd.DataFrame(columns, index=pd.to_datetime(result.grid.time_ns, utc=True))
    table["surprised by"] = pd.Series(result.told_by, index=table.index, dtype="string")
    table.index.name = "time"
    return table


def _named(names: tuple[str, ...], how: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return {how.replace("{}", name): values[:, column] for column, name in enumerate(names)}
