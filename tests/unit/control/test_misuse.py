"""Arguments of another kind, as a script without type checks gives them: one sentence each."""

import subprocess
import sys
from pathlib import Path

from planning_cases import plant

from procwm.plant.plantfile.specfile import dump_plant

SCRIPT = """
import procwm, numpy as np
from procwm.control.controller import Controller
from procwm.errors import ProcwmError
from procwm.testing import exact_model

plant = procwm.load_plant("plant.toml")
controller = Controller(plant, exact_model(plant, state_matrix=np.eye(1), input_matrix=np.eye(1)))
state = controller.start({"U": 1.0})
for attempt in (
    lambda: procwm.train(plant, "history.parquet"),
    lambda: controller.start({"U": "wide open"}),
    lambda: controller.step({"Y": 1.0}, state, time=1.7e9),
):
    try:
        attempt()
    except ProcwmError as error:
        print(error)
"""


def test_what_is_no_log_no_number_and_no_time_is_told_as_that(tmp_path: Path) -> None:
    # In a process of its own: here a type checker would answer first.
    (tmp_path / "plant.toml").write_text(dump_plant(plant()))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "train takes logs as read_log returns them, not 'history.parquet'",
        "U: 'wide open' is not a number",
        "the time 1700000000.0 is no datetime; give an aware one, as in datetime.now(UTC)",
    ]
