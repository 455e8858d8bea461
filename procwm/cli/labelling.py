"""A table of moments worth judging, for an engineer to fill in."""

from pathlib import Path

import numpy as np
import pandas as pd

from procwm.data.files import replacing
from procwm.data.series import Log
from procwm.data.window import held
from procwm.errors import LogError
from procwm.training.guardrail import suggest_label_times
from procwm.world.model import WorldModel


def suggest_labels(model: WorldModel, log: Log, count: int, out: Path) -> None:
    """Write a CSV of `count` moments of `log` with the value of every tag and an empty column `value`.

    Raises:
        LogError: the file exists, since it may hold somebody's judgement.
    """
    if out.exists():
        raise LogError(f"{out} exists, and may hold labels; choose another name")
    times = suggest_label_times(model, log, count)
    table = pd.DataFrame(
        {"time": pd.to_datetime(times, utc=True).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "value": ""}
    )
    for name in model.plant.names:
        table[name] = np.round(held(log.series[name].usable, times, np.inf), 4)
    with replacing(out) as partial:
        table.to_csv(partial, index=False)
