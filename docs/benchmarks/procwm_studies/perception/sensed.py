"""Logs of sensors of many channels: a simulated reactor, and a real fermentation where it is installed."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

import procwm
from procwm.errors import SpecError
from procwm.plant.scenario import Operation
from procwm_scenarios.spectrometer import Spectrometer

SCENARIO = "williams_otto"
COMPONENTS = 6
READ = (0, 5)
"""Components that the laboratory measures: the CVs of the plant, A and G."""
TAUGHT_HOURS, TEST_HOURS = 50.0, 16.0
HORIZON = 20
FIRST_LABEL = 30
TAUGHT_SHARE = 2.0 / 3.0
"""Of the laboratory values of the fermentation, by time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SensedLog:
    """A log of arrays, in one piece.

    Attributes:
        arrays, mv: row by row; a move was in force during the interval that ended at its row.
        quantities: names of what the laboratory measures.
        values: of them; NaN where nobody knows.
        taught: rows that may be learned from without labels.
        labelled: rows from which labels may be taken.
        tested: rows that count.
    """

    arrays: Float[np.ndarray, "row channel"]
    mv: Float[np.ndarray, "row mv"]
    quantities: tuple[str, ...]
    values: Float[np.ndarray, "row quantity"]
    taught: int
    labelled: Int[np.ndarray, " label"]
    tested: Int[np.ndarray, " moment"]

    def labels(self, count: int) -> Int[np.ndarray, " label"]:
        """`count` rows, evenly spread over those that may have labels."""
        places = np.linspace(0, len(self.labelled) - 1, count).round().astype(int)
        rows: Int[np.ndarray, " label"] = self.labelled[places]
        return rows


def reactor_log(nuisance: float, seed: int, hours: float) -> SensedLog:
    """Routine operation of a Williams-Otto reactor that a spectrometer looks at."""
    scenario = procwm.scenario(SCENARIO)
    interval_s = scenario.plant.interval_s
    taught, tested = (round(each * 3600.0 / interval_s) for each in (hours, TEST_HOURS))
    plant = scenario.simulate(seed=seed, operation=Operation.ROUTINE)
    for _ in range(taught + tested - 1):
        plant.advance()
    shares = np.array([row.state[:COMPONENTS] for row in plant.history])
    probe = Spectrometer(components=COMPONENTS, nuisance=nuisance)
    return SensedLog(
        arrays=probe.spectra(shares, interval_s=interval_s, seed=seed),
        mv=np.array([row.mv for row in plant.history]),
        quantities=("A", "G"),
        values=100.0 * shares[:, READ],
        taught=taught,
        labelled=np.arange(FIRST_LABEL, taught),
        # What is read at its first row has seen nothing of what was taught.
        tested=np.arange(taught + HORIZON, taught + tested - HORIZON),
    )


def fermentation_log() -> SensedLog:
    """On-line mid-infrared spectra of a lignocellulose fermentation with values by HPLC.

    P. Cabaneros Lopez, I. A. Udugama, S. T. Thomsen, C. Roslander, H. Junicke, M. Mauricio Iglesias and K. V.
    Gernaey, "Transforming data into information: a parallel hybrid model for real-time state estimation in
    lignocellulose ethanol fermentations", Biotechnology and Bioengineering 118 (2021), as the package
    chemotools has it (MIT). Nothing was moved, and spectra are taken to be evenly spaced.

    Raises:
        SpecError: the package is not installed.
    """
    package = find_spec("chemotools")
    if package is None or package.origin is None:
        raise SpecError("the fermentation comes with the package chemotools; `pip install procwm[bench]`")
    folder = Path(package.origin).parent / "datasets" / "data"
    arrays = pd.read_csv(folder / "fermentation_spectra.csv").to_numpy(dtype=float)
    seen = np.flatnonzero(arrays.std(axis=1) > 0.0)
    table = pd.read_csv(folder / "fermentation_hplc.csv")
    hours = table.pop("time").to_numpy(dtype=float)
    rows = np.round(hours / hours[-1] * (len(arrays) - 1)).astype(int)
    # The last spectra are flat lines; the sample taken then goes with the last one that is none.
    arrays, rows = arrays[: seen[-1] + 1], np.minimum(rows, seen[-1])
    values = np.full((len(arrays), table.shape[1]), np.nan)
    values[rows] = table.to_numpy(dtype=float)
    cut = round(TAUGHT_SHARE * len(rows))
    return SensedLog(
        arrays=arrays,
        mv=np.zeros((len(arrays), 0)),
        quantities=tuple(table.columns),
        values=values,
        taught=len(arrays),
        labelled=rows[:cut],
        tested=rows[cut:],
    )
