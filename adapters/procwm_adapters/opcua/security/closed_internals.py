"""What every server of procwm keeps closed: registration by strangers, and connections that do nothing."""

from typing import Any

from asyncua import ua
from asyncua.server.internal_server import InternalServer

_CONNECTIONS = 200
"""Of which most are of operators' stations; a process may have about a thousand files open."""
_ACTIVATION_S = 10.0
"""For logging in; a connection on which nobody has is closed then."""


class ClosedInternals(InternalServer):  # type: ignore[misc]
    """An asyncua `InternalServer` that registers nobody, and always has room for one connection more.

    Where all connections are taken, the oldest on which nobody has logged in makes room: whoever opens
    connections and leaves them idle keeps no operator out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.max_pending_activation_seconds = _ACTIVATION_S

    @property
    def max_connections(self) -> int:
        """How many there may be, asked for whenever one more is made."""
        leaving: int = sum(transport.is_closing() for transport in self.asyncio_transports)
        if len(self.asyncio_transports) - leaving >= _CONNECTIONS:
            idle = (one for one in self.asyncio_transports if not (one.is_closing() or _logged_in(one)))
            oldest = next(idle, None)
            if oldest is not None:
                oldest.abort()
                leaving += 1
        return _CONNECTIONS + leaving

    @max_connections.setter
    def max_connections(self, count: int) -> None:
        del count  # the library's own default

    def register_server(self, server: Any, conf: Any = None) -> None:
        """Refuse: nobody has to find other servers through this one."""
        raise ua.uaerrors.BadServiceUnsupported


def _logged_in(transport: Any) -> bool:
    processor = transport.get_protocol().processor
    session = None if processor is None else processor.session
    return session is not None and bool(session.is_activated())
