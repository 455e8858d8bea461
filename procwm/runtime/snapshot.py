"""The state of a running controller on disk, so that a run that was killed goes on where it was."""

import logging
from pathlib import Path

from procwm.control.measurement import utc
from procwm.control.state import ControllerState
from procwm.control.steerable import SteerableController
from procwm.data.files import replacing
from procwm.errors import ArtifactError
from procwm.plant.regular_files import check_regular

_log = logging.getLogger(__name__)


class Snapshot:
    """One file that holds the state after the last cycle: the old one or the new one, never half of one."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._failing = False

    def keep(self, state: ControllerState) -> None:
        """Replace the file. A disk that is full is logged once and takes nothing down with it."""
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(state.to_bytes())
            self._failing = False
        except OSError as error:
            if not self._failing:
                _log.warning("%s: the state cannot be kept: %s", self.path, error.strerror or error)
            self._failing = True

    def taken_up(self, controller: SteerableController, now_ns: int) -> tuple[ControllerState | None, str]:
        """The kept state where it is fresh and belongs to `controller`, else `None`; and a sentence why.

        Args:
            controller: to go on with it.
            now_ns: the present, UTC.
        """
        try:
            check_regular(self.path, ArtifactError)
            state = controller.restore(self.path.read_bytes())
        except FileNotFoundError:
            return None, "started anew: there is no earlier state"
        except OSError as error:
            return None, f"started anew: {self.path} cannot be read: {error.strerror}"
        except ArtifactError as error:
            return None, f"started anew: {self.path}: {error}"
        if state.time_ns is None:
            return None, f"started anew: {self.path} is from before the first cycle"
        longest_ns = controller.rule.longest_gap_ns
        age_ns = now_ns - state.time_ns
        if not 0 <= age_ns <= longest_ns:
            return (
                None,
                f"started anew: {self.path} is {age_ns / 1e9:.3g} s old, {longest_ns / 1e9:g} s at most",
            )
        return state, f"goes on from {utc(state.time_ns).isoformat()}, {age_ns / 1e9:.3g} s ago"
