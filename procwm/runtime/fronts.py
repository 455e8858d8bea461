"""The front ends of a run: the controller's own server and its metrics, fed with every cycle."""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from procwm.control.steerable import SteerableController
from procwm.plant import registry
from procwm.plant.front import Facts
from procwm.plant.tags import PlantSpec
from procwm.runtime.cycle import Cycle
from procwm.runtime.desk import RequestDesk
from procwm.runtime.facts import FactKeeper
from procwm.runtime.prometheus import exposed

_log = logging.getLogger(__name__)


def with_front_ends(plant: PlantSpec, *, serve: str | None, metrics: int | None) -> PlantSpec:
    """`plant` with the front ends that the command line names in place of the plant file's."""
    control = plant.control
    control = replace(
        control,
        serve=control.serve if serve is None else serve,
        metrics=control.metrics if metrics is None else metrics,
    )
    return replace(plant, control=control)


class FrontEnds:
    """The front ends that the plant file asks for: `async with FrontEnds(...) as fronts:`.

    Attributes:
        desk: the `Operator` of the run, whether or not anybody is served who can ask.
    """

    def __init__(
        self, controller: SteerableController, folder: Path, *, announce: Callable[[str], None] = _log.info
    ) -> None:
        """Nothing is served before this is entered.

        Args:
            controller: whose plant file names them.
            folder: that paths in the plant file are relative to.
            announce: told where each can be reached, in a sentence.
        """
        self._plant, self._mode = controller.plant, controller.mode
        self._folder, self._announce = folder, announce
        self.desk = RequestDesk(self._plant)
        self._keeper = FactKeeper(self._plant, controller.guard_names, self.desk)
        self._stack = AsyncExitStack()
        self._shown: list[Callable[[Facts], None]] = []

    async def __aenter__(self) -> Self:
        control = self._plant.control
        facts = self._keeper.before(self._mode)
        if control.serve is not None:
            server = registry.front_server("opcua")(
                self.desk,
                facts,
                url=control.serve,
                pki=self._path(control.serve_pki),
                users=self._path(control.serve_users),
                viewers=self._path(control.serve_viewers),
                unsecured_writes=control.serve_unsecured_writes,
            )
            self._shown.append((await self._stack.enter_async_context(server)).show)
            self._announce(f"serving the controller at {server.url}")
        if control.metrics is not None:
            try:
                metrics = self._stack.enter_context(exposed(facts, control.metrics))
                self._shown.append(metrics.show)
                self._announce(f"metrics at http://{metrics.host}:{metrics.port}/metrics")
            except BaseException:
                await self._stack.aclose()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _path(self, written: str | None) -> Path | None:
        return None if written is None else self._folder / written

    def tell(self, cycle: Cycle) -> None:
        """Show one cycle; whatever goes wrong with that, control goes on."""
        if not self._shown:
            return
        try:
            facts = self._keeper.facts(cycle)
            for show in self._shown:
                show(facts)
        except Exception:
            _log.exception("the front ends could not be told")
