"""Real process logs, read and put on the grid. They lie beside the repository and are not part of it."""

from pathlib import Path

import numpy as np
import pytest

from procwm.data.anchors import anchors
from procwm.data.buffer import SampleBuffer
from procwm.data.cadence import default_hold_s
from procwm.data.checks.check import check_log
from procwm.data.log import read_log, write_log
from procwm.data.window import WindowRule, grid
from procwm.plant.plantfile.specfile import parse_plant
from procwm.plant.tags import PlantSpec

FOLDER = Path(__file__).parents[3].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the real logs are not here")


def plant(
    interval_s: float, mvs: dict[str, tuple[float, float]], cvs: dict[str, tuple[float, float]]
) -> PlantSpec:
    tags = "".join(
        f'[[tag]]\nname = "{name}"\nrole = "{role}"\nunit = ""\nrange = [{low}, {high}]\n'
        for role, group in (("MV", mvs), ("CV", cvs))
        for name, (low, high) in group.items()
    )
    return parse_plant(f'[plant]\nname = "real"\ninterval_s = {interval_s}\n{tags}')


def unit_range(*names: str) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(names, (-10.0, 10.0))


TCLAB = plant(1.0, {"Q1": (0, 100), "Q2": (0, 100)}, {"T1": (0, 120), "T2": (0, 120)})
LOGS = {
    "tclab": (TCLAB, 599),
    "evaporator": (
        plant(
            1.0,
            unit_range("feed_flow", "vapor_flow", "cooling_flow"),
            unit_range("dry_matter", "product_flow", "product_temperature"),
        ),
        6305,
    ),
    "dryer": (
        plant(
            10.0,
            dict.fromkeys(("fuel_flow", "fan_speed", "feed_flow"), (-500, 500)),
            unit_range("dry_bulb", "wet_bulb", "moisture"),
        ),
        867,
    ),
    "heat_exchanger": (plant(1.0, {"liquid_flow": (0, 1)}, {"outlet_temperature": (80, 120)}), 4000),
    "cascaded_tanks_train": (plant(4.0, {"pump": (0, 10)}, {"level": (0, 11)}), 1024),
    "cascaded_tanks_test": (plant(4.0, {"pump": (0, 10)}, {"level": (0, 11)}), 1024),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_real_log_is_one_stretch_on_the_grid(name: str, tmp_path: Path) -> None:
    spec, count = LOGS[name]
    log = read_log(FOLDER / f"{name}.csv", spec)
    rule = WindowRule(
        tags=spec.names, interval_s=spec.interval_s, history=24, hold_s=default_hold_s(spec, log)
    )
    rows = grid(log, rule)
    assert (len(rows), len(rows.stretches)) == (count, 1)
    assert rows.valid.all()
    assert len(anchors(rows, spec, history=24, horizon=20)) == count - 43
    assert all(finding.sentence for finding in check_log(spec, log))
    write_log(tmp_path / "log.parquet", log, spec)
    assert read_log(tmp_path / "log.parquet", spec).identity == log.identity


def test_irregular_times_are_kept_to_the_nanosecond() -> None:
    log = read_log(FOLDER / "tclab.csv", TCLAB)
    assert log.series["T1"].time_ns[1] - log.start_ns == 1_000_999_999
    assert log.ignored == ("SP1", "SP2")


def test_a_real_log_played_live_gives_the_same_windows() -> None:
    log = read_log(FOLDER / "tclab.csv", TCLAB)
    rule = WindowRule(tags=TCLAB.names, interval_s=1.0, history=8, hold_s=default_hold_s(TCLAB, log))
    rows = grid(log, rule)
    buffer, received = SampleBuffer(rule), log.samples()
    for row in range(60):
        now_ns = int(rows.time_ns[row])
        arrived = [sample for sample in received if sample.source_ns <= now_ns]
        received = received[len(arrived) :]
        buffer = buffer.push(arrived, now_ns=now_ns)
        if rows.ready[row]:
            np.testing.assert_array_equal(buffer.window(now_ns).values, rows.window(row).values)


def test_the_step_test_of_the_temperature_lab_is_called_short_of_moves() -> None:
    log = read_log(FOLDER / "tclab.csv", TCLAB)
    sentences = [finding.sentence for finding in check_log(TCLAB, log)]
    assert any(sentence.startswith("Q1 moves only 3 times") for sentence in sentences)
