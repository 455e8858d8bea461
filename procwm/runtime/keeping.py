"""A recorder whose failures never end control."""

import logging
from collections.abc import Callable
from typing import Any

from procwm.plant.samples import Sample
from procwm.runtime.cycle import Cycle, CycleSink, SampleSink

_log = logging.getLogger(__name__)


class Keeping:
    """Hands cycles to a recorder; what it raises is logged once and told, and the next one is tried again."""

    def __init__(self, recorder: CycleSink | None) -> None:
        """Args: recorder: `None` keeps nothing."""
        self._recorder = recorder
        self._failing = False
        self._told: list[str] = []

    def receive(self, samples: tuple[Sample, ...]) -> None:
        """Keep samples before anything is decided on them, where the recorder does so."""
        if isinstance(self._recorder, SampleSink):
            self._keep(self._recorder.receive, samples)

    def append(self, cycle: Cycle) -> None:
        """Keep one cycle."""
        if self._recorder is not None:
            self._keep(self._recorder.append, cycle)

    def told(self) -> list[str]:
        """What has gone wrong since it was last asked for, one sentence each."""
        told, self._told = self._told, []
        return told

    def _keep(self, keep: Callable[[Any], None], what: Any) -> None:
        try:
            keep(what)
        except Exception as error:
            if not self._failing:
                _log.exception("the recorder failed; control goes on")
                self._told.append(f"the recorder failed, and control goes on: {error}")
            self._failing = True
        else:
            self._failing = False
