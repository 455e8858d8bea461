"""Local times as UTC: in spring an hour does not exist, and in autumn one comes twice."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from procwm.data.tabular.tables import Table


def utc_of(
    table: Table, column: str, local_ns: Int64[np.ndarray, " row"], zone: str
) -> Int64[np.ndarray, " row"]:
    """UTC nanoseconds of local times; of an hour that comes twice the order of the rows tells which it is.

    Raises:
        LogError: a time does not exist in `zone`, or may be either of two.
    """
    index = pd.DatetimeIndex(local_ns.astype("datetime64[ns]"))
    summer, winter = (
        index.tz_localize(zone, ambiguous=np.full(len(index), early), nonexistent="NaT")
        for early in (True, False)
    )
    absent = np.flatnonzero(np.asarray(summer.isna()))
    if len(absent):
        raise table.error(
            int(absent[0]),
            f"column {column} holds {len(absent)} times that {zone} does not have, the first "
            f"{index[absent[0]]}: clocks go from one hour to the next but one there; write UTC, or mend "
            "time_zone in [log] of the plant file",
        )
    early, late = (times.as_unit("ns").asi8 for times in (summer, winter))
    twice = early != late
    second = _second(table, column, local_ns, twice, zone) if twice.any() else twice
    utc_ns: Int64[np.ndarray, " row"] = np.where(second, late, early)
    return utc_ns


def _second(
    table: Table,
    column: str,
    local_ns: Int64[np.ndarray, " row"],
    twice: Bool[np.ndarray, " row"],
    zone: str,
) -> Bool[np.ndarray, " row"]:
    """Where an hour that comes twice has come for the second time: after the one step back among its rows."""
    back = np.append(False, np.diff(local_ns) < 0)[: len(local_ns)] & twice
    begins = twice & ~np.append(False, twice[:-1])
    # A step back from rows outside the hour begins a run of its own, and tells nothing about it.
    steps = np.cumsum(back & ~begins)
    run = np.cumsum(begins)
    before = np.append(0, (steps - (back & ~begins))[begins])[run]
    second: Bool[np.ndarray, " row"] = twice & (steps > before)
    counts = np.bincount(run[twice], weights=(back & ~begins)[twice], minlength=int(run[-1]) + 1)
    unsure = np.flatnonzero(twice & (counts[run] != 1))
    if len(unsure):
        raise table.error(
            int(unsure[0]),
            f"column {column} holds {len(unsure)} times of an hour that comes twice in {zone}, and their "
            "order does not tell which; write UTC, or times with their distance from it, as "
            "2000-01-31T10:00:00+01:00",
        )
    return second
