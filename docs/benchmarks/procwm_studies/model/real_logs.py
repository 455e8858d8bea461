"""Logs of real plants: where they are, what of them teaches, and how far a model runs on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from procwm.data.checks.shutdown import running
from procwm.data.log import read_log
from procwm.data.series import Log
from procwm.errors import LogError, SpecError
from procwm.learning.dataset.tensors import log_tensors
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel

TRAINED_SHARE = 0.7
"""Of the time of a log; the rest tests, where there is no file for that."""
INITIAL_ROWS = 50
"""Of a test file, from which a free run may take its state: what nonlinearbenchmark.org allows."""
_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True, eq=False)
class RealLog:
    """One plant's log, parted by time.

    Attributes:
        name: of the plant file.
        plant: its tags.
        taught: what a model learns from.
        test: what it is scored on.
        given: whether `test` is a file of its own, as a published benchmark has it.
    """

    name: str
    plant: PlantSpec
    taught: Log
    test: Log
    given: bool


def real_logs(folder: Path, plants: Path | None = None, names: Sequence[str] = ()) -> tuple[RealLog, ...]:
    """The logs in `folder` that there are plant files for, in order of name.

    `NAME.csv` (or `.parquet`) is the log of `NAME.toml`; where there are `NAME_train` and `NAME_test`
    instead, the second one tests.

    Args:
        folder: holds the logs.
        plants: holds the plant files; `folder` where `None`.
        names: of the logs that are wanted; all where empty.

    Raises:
        SpecError: there is no plant file that has a log, or no log of a name.
    """
    where = plants or folder
    found = []
    for path in sorted(where.glob("*.toml")):
        whole, train, test = (_file(folder, path.stem + end) for end in ("", "_train", "_test"))
        if train is not None and test is not None:
            plant = load_plant(path)
            taught, rest = read_log(train, plant), read_log(test, plant)
            found.append(RealLog(name=path.stem, plant=plant, taught=taught, test=rest, given=True))
        elif whole is not None:
            plant = load_plant(path)
            taught, rest = _parted(read_log(whole, plant))
            found.append(RealLog(name=path.stem, plant=plant, taught=taught, test=rest, given=False))
    if not found:
        raise SpecError(
            f"{where}: no NAME.toml with a log NAME.csv, or NAME_train.csv and NAME_test.csv, in {folder}"
        )
    known = {real.name: real for real in found}
    for name in names:
        if name not in known:
            raise SpecError(f"there is no log {name}; there are {', '.join(known)}")
    return tuple(known[name] for name in names or known)


def _file(folder: Path, stem: str) -> Path | None:
    return next((folder / (stem + end) for end in _SUFFIXES if (folder / (stem + end)).is_file()), None)


def _parted(log: Log) -> tuple[Log, Log]:
    cut_ns = log.start_ns + round(TRAINED_SHARE * (log.end_ns - log.start_ns))
    return log.between(log.start_ns, cut_ns), log.between(cut_ns, log.end_ns + 1)


@torch.no_grad()
def free_run(model: WorldModel, log: Log) -> Mapping[str, Mapping[str, float]]:
    """Root mean squared error by model and CV, engineering units, of one prediction to the end of `log`.

    The state comes from the first `INITIAL_ROWS` rows; after them the models see MVs and DVs only.

    Raises:
        LogError: the log is shorter, or not in one piece.
    """
    rows = running(log, model.plant, model.rule)
    first = max(INITIAL_ROWS, model.rule.history)
    if len(rows.stretches) != 1 or len(rows) <= first:
        raise LogError(f"a free run takes a log without gaps and of more than {first} rows")
    tensors = log_tensors(rows, model.plant, model.scaler, model.readout.weight.dtype)
    moment = torch.tensor([first - 1])
    future = tensors.future(moment, len(rows) - first)
    window = tensors.windows(moment)
    predicted = {"procwm": model.readout(model.imagine(model.encode(window), future.mv, future.dv))}
    if model.reference is not None:
        predicted["linear"] = model.reference.predict(window, future.mv, future.dv)
    return {name: _missed(model, rows_of, future.outputs) for name, rows_of in predicted.items()}


def _missed(model: WorldModel, predicted: Tensor, measured: Tensor) -> dict[str, float]:
    names = model.output_names
    error = model.engineering(predicted[0], names) - model.engineering(measured[0], names)
    found = np.sqrt(np.mean(error**2, axis=0))
    return {tag.name: float(found[names.index(tag.name)]) for tag in model.plant.cvs}
