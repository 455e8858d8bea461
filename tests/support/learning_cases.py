"""A small nonlinear plant with a hidden state, and logs of it."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from procwm.data.series import Log, TagSeries
from procwm.learning.config import TrainingConfig
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.train import train
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.model import WorldModel
from procwm.world.predictors.mlp_predictor import MlpPredictor

INTERVAL_NS = 10_000_000_000
START_NS = 1_700_000_000 * 1_000_000_000

PLANT = PlantSpec(
    name="two tanks",
    interval_s=10.0,
    tags=(
        Tag(name="LT.PV", role=Role.CV, unit="cm", range=(0.0, 20.0), setpoint=6.0, limits=(0.5, 19.0)),
        Tag(name="P.SP", role=Role.MV, unit="V", range=(0.0, 10.0), limits=(1.0, 9.0)),
        Tag(name="TD.PV", role=Role.DV, unit="K", range=(0.0, 10.0)),
        Tag(name="PT.PV", role=Role.PV, unit="bar", range=(0.0, 30.0), limits=(0.0, 25.0)),
    ),
)

QUICK = TrainingConfig(
    history=8,
    horizon=8,
    latent=4,
    steps=120,
    restraint=0.0,
    rate=1e-2,
    encoder_network_rate=3e-3,
    batch=32,
    encoder=MlpEncoder(hidden=(8,)),
    predictor=MlpPredictor(hidden=(16,)),
    check_every=20,
    members=0,
)


class Record:
    """A log of the plant with what only a simulator knows: hidden level and true CV, row by row."""

    def __init__(self, rows: int, *, seed: int = 0, noise: float = 0.02, frozen: bool = False) -> None:
        rng = np.random.default_rng(seed)
        mv, dv = np.empty(rows), np.empty(rows)
        hidden, level, pressure = np.empty(rows), np.empty(rows), np.empty(rows)
        h, y, u, d = 4.0, 5.0, 4.0, 5.0
        for row in range(rows):
            hidden[row], level[row], pressure[row] = h, y, 0.5 * h + 0.1 * h**2
            if row % 25 == 0 and not frozen:
                u = float(np.round(rng.uniform(2.0, 7.0), 1))
            d = 5.0 + 0.98 * (d - 5.0) + 0.2 * float(rng.standard_normal())
            mv[row], dv[row] = u, d
            h = 0.85 * h + 0.15 * u
            y = 0.9 * y + 0.1 * (h + 0.03 * h**2 + 0.2 * (d - 5.0))
        self.time_ns = START_NS + INTERVAL_NS * np.arange(rows, dtype=np.int64)
        self.hidden, self.level = hidden, level
        good = np.zeros(rows, dtype=np.int8)

        def noisy(values: np.ndarray) -> np.ndarray:
            return values + noise * rng.standard_normal(rows)

        self.log = Log(
            series={
                "LT.PV": TagSeries(self.time_ns, noisy(level), good),
                # What is in force from a row to the next is accepted just after that row.
                "P.SP": TagSeries(self.time_ns + 1_000_000, mv, good),
                "TD.PV": TagSeries(self.time_ns, np.append(dv[0], dv[:-1]), good),
                "PT.PV": TagSeries(self.time_ns, noisy(pressure), good),
            },
            mv_names=names_of(PLANT.mvs),
        )

    def series(self, values: np.ndarray) -> TagSeries:
        """`values`, one a row, as a series."""
        return TagSeries(self.time_ns, values, np.zeros(len(values), dtype=np.int8))


@cache
def record(rows: int, seed: int = 0) -> Record:
    """The same record for the same arguments."""
    return Record(rows, seed=seed)


@cache
def trained() -> WorldModel:
    """A model trained for a moment on 1500 rows; not to be changed."""
    return train(PLANT, record(1500).log, config=QUICK)


class KilledError(Exception):
    """A training was stopped where nobody foresaw it."""


def killed_and_resumed(
    log: Log, config: TrainingConfig, steps: int, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[WorldModel, int]:
    """What a training comes to that is killed after `steps` of all of its runs and taken up again.

    Besides, the steps taken once it was taken up.
    """
    advance, done, last = Optimisation.advance, 0, steps

    def counted(run: Optimisation) -> None:
        nonlocal done
        if done == last:
            raise KilledError
        done += 1
        advance(run)

    with monkeypatch.context() as patch:
        patch.setattr(Optimisation, "advance", counted)
        with pytest.raises(KilledError):
            train(PLANT, log, config=config, checkpoint=checkpoint)
        done, last = 0, -1
        return train(PLANT, log, config=config, checkpoint=checkpoint), done
