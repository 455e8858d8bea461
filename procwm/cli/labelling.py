"""A table of moments worth judging, for an engineer to fill in."""

from pathlib import Path

import numpy as np
import pandas as pd

from procwm.data.files import replacing
from procwm.data.series import Log
from procwm.data.tabular.spreadsheets import inert
from procwm.data.tabular.tables import read_columns, read_header
from procwm.data.window import held
from procwm.errors import LogError
from procwm.learning.labelled.label_times import suggest_label_times
from procwm.learning.labelled.labels import read_labels
from procwm.world.model import WorldModel


def suggest_labels(model: WorldModel, log: Log, count: int, out: Path) -> None:
    """Add `count` moments of `log` to a CSV, with the value of every tag and nothing for a judgement.

    Where the file exists, what is judged in it decides which moments are asked for next, and stays as it is.

    Raises:
        LogError: the file holds a moment that is not judged yet, or is no CSV.
    """
    if out.suffix.lower() == ".parquet":
        raise LogError(f"{out}: moments to judge are written as CSV; choose a name that ends in .csv")
    before, judged, separator, decimal = None, None, ",", "."
    if out.exists():
        header = read_header(out)
        judged = read_labels(out)
        numbers = [name for name in (*model.plant.names, "value") if name in header.columns]
        separator = header.separator
        decimal = read_columns(header, numbers).number_format(numbers).decimal
        before = pd.read_csv(out, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    times = suggest_label_times(model, log, count, judged=judged)
    judgement = "value" if judged is None or judged.graded else "unsafe"
    table = pd.DataFrame(
        {"time": pd.to_datetime(times, utc=True).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), judgement: ""}
    )
    for name in model.plant.names:
        values = np.round(held(log.series[name].usable, times, np.inf), 4).tolist()
        table[name] = [str(value).replace(".", decimal) if np.isfinite(value) else "" for value in values]
    with replacing(out) as partial:
        table = table.rename(columns=inert)
        whole = table if before is None else pd.concat((before, table))
        whole.to_csv(partial, index=False, sep=separator)
