import numpy as np
import pytest
from learning_cases import PLANT, record

from procwm.comparison.linear_soft_sensor import fit_soft_sensor, with_sensors
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, grid
from procwm.learning.labelled.labels import Labels, labels

TRUTH = np.array([0.5, 0.0, 0.3, -0.1])


def _rows() -> Grid:
    rule = WindowRule(tags=PLANT.names, interval_s=10.0, history=8, hold_s=(30.0,) * 4)
    return grid(record(1500).log, rule)


def _judged(rows: Grid) -> Labels:
    at = np.arange(20, len(rows), len(rows) // 32)[:32]
    return labels(rows.time_ns[at], rows.values[at] @ TRUTH - 4.0)


def test_a_linear_quantity_is_read_from_the_tags() -> None:
    rows = _rows()
    sensor = fit_soft_sensor(rows, _judged(rows), name="guard", coverage=0.9)
    error = sensor.read(rows.values)[20:] - (rows.values[20:] @ TRUTH - 4.0)
    assert np.abs(error).max() < 0.05
    assert 0.0 <= sensor.margin < 0.05


def test_a_row_reads_the_same_in_a_log_and_in_a_window_that_ends_there() -> None:
    rows = _rows()
    sensor = fit_soft_sensor(rows, _judged(rows), name="guard", coverage=0.9)
    assert sensor.read(rows.values[300:401])[-1] == pytest.approx(sensor.read(rows.values)[400])


def test_a_missing_value_is_taken_from_the_row_before_and_none_from_before_the_first() -> None:
    rows = _rows()
    sensor = fit_soft_sensor(rows, _judged(rows), name="guard", coverage=0.9)
    values = rows.values[100:140].copy()
    values[0, 2] = np.nan
    values[20, 0] = values[19, 0] = values[18, 0]
    whole = sensor.read(values)
    values[19:21, 0] = np.nan
    assert np.isnan(sensor.read(values)[0])
    np.testing.assert_allclose(sensor.read(values)[1:], whole[1:])


def test_the_sensor_joins_plant_and_log_as_a_pv_whose_upper_limit_is_the_guardrail() -> None:
    rows, log = _rows(), record(1500).log
    plant, wider, (sensor,) = with_sensors(
        PLANT, log, {"guard": _judged(rows)}, rows=rows, coverage={"guard": 0.9}
    )
    limits = plant.outputs[-1].limits
    assert plant.names == (*PLANT.names, "guard")
    assert limits is not None
    assert limits[1] == -sensor.margin
    assert isinstance(wider, Log)
    assert np.isfinite(wider.series["guard"].value).all()
