"""Arguments of another kind, as a script without type checks gives them: one sentence each."""

import subprocess
import sys
from pathlib import Path

from planning_cases import plant

from procwm.plant.plantfile.specfile import dump_plant

SCRIPT = """
import procwm, numpy as np
from datetime import UTC, datetime
from procwm.control.controller import Controller
from procwm.errors import ProcwmError
from procwm.testing import exact_model

NOW = datetime.now(UTC)
ASKED = (
    {"limits": {"U": "tight"}},
    {"limits": {"U": None}},
    {"limits": {"U": (0.0, "1")}},
    {"limits": {"U": (0.0, 10**400)}},
    {"limits": [("U", (0.0, 1.0))]},
    {"zones": {"Y": 1.0}},
    {"zones": {"Y": (None, 1.0)}},
    {"setpoints": {"Y": True}},
    {"setpoints": {"Y": "1.0"}},
    {"setpoints": {"Y": 10**400}},
    {"setpoints": 1.0},
    {"on": {"U": "false"}},
    {"on": {"U": 0}},
    {"forecast": {"Y": [10**400]}},
    {"forecast": {"Y": ["1.0"]}},
    {"forecast": [1.0]},
)
UNTIMED = procwm.Sample("Y", 1.0, procwm.Quality.GOOD, None)
GIVEN = (None, [("Y", 1.0)], {"Y": None}, {"Y": "1"}, {"Y": 10**400}, [UNTIMED])
plant = procwm.load_plant("plant.toml")
controller = Controller(plant, exact_model(plant, state_matrix=np.eye(1), input_matrix=np.eye(1)))
state = controller.start({"U": 1.0})
for attempt in (
    lambda: procwm.train(plant, "history.parquet"),
    lambda: controller.start({"U": "wide open"}),
    lambda: controller.step({"Y": 1.0}, state, time=1.7e9),
    *(
        lambda asked=asked: controller.step({"Y": 1.0}, state, time=NOW, **asked)
        for asked in ASKED
    ),
    lambda: controller.step({"Y": 1.0}, None, time=NOW),
    *(lambda given=given: controller.step(given, state, time=NOW) for given in GIVEN),
):
    try:
        attempt()
    except ProcwmError as error:
        print(error)
    except Exception as error:
        print("NOT SAID:", type(error).__name__, error)
    else:
        print("TAKEN")
controller.step({"Y": True}, state, time=NOW, limits={"U": (None, np.float64(0.5))}, on={"U": np.True_})
"""


SAID = [
    "U: 'tight' is no pair of a low and a high number",
    "U: None is no pair of a low and a high number",
    "U: '1' is not a number",
    "U: a number beyond 1.8e+308 was given",
    "limits: [('U', (0.0, 1.0))] is no mapping; give a value for each tag by its name",
    "Y: 1.0 is no pair of a low and a high number",
    "Y: None is not a number",
    "Y: True is not a number",
    "Y: '1.0' is not a number",
    "Y: a number beyond 1.8e+308 was given",
    "setpoints: 1.0 is no mapping; give a value for each tag by its name",
    "U: it is switched by True or False, not by 'false'",
    "U: it is switched by True or False, not by 0",
    "Y: its forecast is [100000000000000000...0000000000000000000]; it must be a list of numbers, one or "
    "more",
    "Y: its forecast is ['1.0']; it must be a list of numbers, one or more",
    "the forecast is [1.0]; give a list of numbers for each tag by its name",
    "the state is None; give one that start, step or restore returned",
    "the samples are None; give values by tag, or a list of Sample",
    "('Y', 1.0) is no Sample with a source time in whole nanoseconds",
    "Y: None is not a number",
    "Y: '1' is not a number",
    "Y: a number beyond 1.8e+308 was given",
    "Sample(tag='Y', value=1.0, quality=<Quality.GOOD: 'Good'>, source_ns=None) is no Sample with a source "
    "time in whole nanoseconds",
]
"""Of `ASKED` and `GIVEN`, one after the other."""


def test_what_is_no_log_no_number_and_no_time_is_told_as_that(tmp_path: Path) -> None:
    # In a process of its own: here a type checker would answer first.
    (tmp_path / "plant.toml").write_text(dump_plant(plant()))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[3:] == SAID
    assert lines[:3] == [
        "train takes logs as read_log returns them, not 'history.parquet'",
        "U: 'wide open' is not a number",
        "the time 1700000000.0 is no datetime; give an aware one, as in datetime.now(UTC)",
    ]
