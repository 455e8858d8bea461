"""The counter that the plant's own system watches: it sheds when the counter stands still."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from procwm.errors import LinkError
from procwm.plant.texts import shown
from procwm.runtime.patience import within

_log = logging.getLogger(__name__)

MODULUS = 2**16
"""Where the count begins again. Narrower types do so at smaller powers of two, so none stands still then."""


@runtime_checkable
class BeatingLink(Protocol):
    """A link that can write the heartbeat's node of the plant file."""

    async def beat(self, count: int) -> None:
        """Write `count`, modulo what the node holds, so that it changes with every beat.

        `LinkError` where that fails.
        """
        ...


class Heartbeat:
    """Sends 0, 1, 2, ... and round again, one number a healthy cycle.

    Attributes:
        missed: beats that did not get through.
    """

    def __init__(self, send: Callable[[int], Awaitable[None]]) -> None:
        """Args: send: writes the number to its tag; may raise `LinkError`."""
        self._send = send
        self._count = 0
        self.missed = 0

    async def beat(self, *, within_s: float) -> None:
        """Send the next number. What goes wrong is counted, not raised: standing still is the message.

        Args:
            within_s: how long that may take; the next cycle waits for no beat.
        """
        try:
            await within(within_s, self._send(self._count))
        except (LinkError, TimeoutError) as error:
            self.missed += 1
            _log.warning("the heartbeat did not get through: %s", shown(str(error)) or "no answer in time")
        except Exception:
            self.missed += 1
            _log.exception("the heartbeat failed")
        self._count = (self._count + 1) % MODULUS
