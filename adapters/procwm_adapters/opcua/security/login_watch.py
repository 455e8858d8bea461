"""Logins that were refused: told in the log, a few a minute, and made to wait where somebody is guessing."""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from procwm.plant.texts import shown

_log = logging.getLogger(__name__)

_FREE = 5
"""Refusals in a row of one user from one application before the next try has to wait."""
_LONGEST_WAIT_S = 60.0
_TOLD = 10
"""Refusals that are told one by one in a minute; more are counted."""
_KNOWN = 1000
"""Of whom refusals are remembered; the oldest is forgotten first."""


class LoginWatch:
    """What was refused, by whoever asked: a user, from an application.

    A user is made to wait from one application only, so that nobody else can lock an operator out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: clock: seconds that never go back."""
        self._clock = clock
        self._refused: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._told: deque[float] = deque(maxlen=_TOLD)
        self._untold = 0

    def waits(self, who: str) -> bool:
        """Whether `who` was refused too often to be looked at yet."""
        count, since = self._refused.get(who, (0, 0.0))
        wait_s = min(2.0 ** (count - _FREE), _LONGEST_WAIT_S) if count >= _FREE else 0.0
        return self._clock() - since < wait_s

    def passed(self, who: str) -> None:
        """`who` was let in."""
        self._refused.pop(who, None)

    def refused(self, who: str, why: str) -> None:
        """`who` was turned away."""
        count, _ = self._refused.pop(who, (0, 0.0))
        self._refused[who] = (count + 1, self._clock())
        if len(self._refused) > _KNOWN:
            self._refused.popitem(last=False)
        self.tell(f"{who} was refused: {why}")

    def tell(self, sentence: str) -> None:
        """Say `sentence` in the log, unless that has been told too much of in the last minute."""
        now = self._clock()
        if len(self._told) == _TOLD and now - self._told[0] < 60.0:
            self._untold += 1
            return
        self._told.append(now)
        more = f" ({self._untold} more since the last one)" if self._untold else ""
        self._untold = 0
        _log.warning("%s%s", shown(sentence), more)
