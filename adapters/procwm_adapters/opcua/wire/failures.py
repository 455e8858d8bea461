"""asyncua's and asyncio's exceptions as `LinkError`: one sentence that names the endpoint."""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from asyncua import ua
from asyncua.common.utils import NotEnoughData, ServiceError, SocketClosedException
from asyncua.crypto.uacrypto import InvalidSignature

from procwm.errors import LinkError, LinkRefusedError, LinkTimeoutError

# Without a handler Python prints the library's tracebacks of every lost connection on stderr.
logging.getLogger("asyncua").addHandler(logging.NullHandler())


def _holds_no_secret(record: logging.LogRecord) -> bool:
    """Whether a line of the library may be logged: the request to log in is written with its password."""
    return not any(isinstance(value, ua.ActivateSessionRequest) for value in record.args or ())


logging.getLogger("asyncua.client.ua_client.UASocketProtocol").addFilter(_holds_no_secret)

SENTENCES: Mapping[type[Exception], str] = {
    ua.uaerrors.UaStatusCodeErrors: "the server answered {error}",
    ua.UaStatusCodeError: "the server answered {error}",
    ServiceError: "the server refused the request with status {error.code:#010x}",
    NotEnoughData: "the server sent a message that ends too early",
    SocketClosedException: "the connection was closed",
    InvalidSignature: "the server's signature is not valid; check its certificate",
    ua.UaStringParsingError: "a node id or browse path could not be read: {error}",
    ua.uaerrors.UaStructParsingError: "the server sent a message that could not be read",
    ua.uaerrors.UaInvalidParameterError: "a parameter was refused: {error}",
    ua.UaError: "{error}",
    socket.gaierror: "the host name is unknown; check the endpoint in the plant file",
    ConnectionRefusedError: "nothing listens there; start the server or check the endpoint in the plant file",
    ConnectionResetError: "the server closed the connection",
    ConnectionError: "there is no connection: {error}",
    TimeoutError: "there was no answer in time",
    OSError: "the network failed: {error}",
}
"""What each exception means to whoever runs the plant; the most specific class decides."""

_REFUSALS = (
    ua.UaStatusCodeError,
    ServiceError,
    ua.UaStringParsingError,
    ua.uaerrors.UaInvalidParameterError,
)
"""The server, or the library before anything was sent, said no."""

_STATUS_KINDS: Mapping[object, type[LinkError]] = {
    ua.StatusCodes.BadTimeout: LinkTimeoutError,
    ua.StatusCodes.BadRequestTimeout: LinkTimeoutError,
    ua.StatusCodes.BadCommunicationError: LinkError,
    ua.StatusCodes.BadConnectionClosed: LinkError,
    ua.StatusCodes.BadConnectionRejected: LinkError,
    ua.StatusCodes.BadDisconnect: LinkError,
    ua.StatusCodes.BadNoCommunication: LinkError,
    ua.StatusCodes.BadNotConnected: LinkError,
    ua.StatusCodes.BadSecureChannelClosed: LinkError,
    ua.StatusCodes.BadSecureChannelIdInvalid: LinkError,
    ua.StatusCodes.BadServerHalted: LinkError,
    ua.StatusCodes.BadServerNotConnected: LinkError,
    ua.StatusCodes.BadSessionClosed: LinkError,
    ua.StatusCodes.BadSessionIdInvalid: LinkError,
    ua.StatusCodes.BadShutdown: LinkError,
    ua.StatusCodes.BadTcpServerTooBusy: LinkError,
}
"""Answers that are about the connection, and no refusal of what was asked for."""

FAILURES = tuple(SENTENCES)
"""Everything that may come out of a call into the library while a plant is reached."""


def reason(error: Exception) -> str:
    """What `error`, one of `FAILURES`, means."""
    known = next(cls for cls in type(error).__mro__ if cls in SENTENCES)
    return SENTENCES[known].format(error=error)


def kind(error: Exception) -> type[LinkError]:
    """Which `LinkError` `error`, one of `FAILURES`, is: refused, timed out, or not reached."""
    if isinstance(error, TimeoutError):
        return LinkTimeoutError
    if isinstance(error, _REFUSALS):
        return _STATUS_KINDS.get(getattr(error, "code", None), LinkRefusedError)
    return LinkError


def link_error(endpoint: str, doing: str, error: Exception) -> LinkError:
    """`error`, met while `doing` something at `endpoint`, as one sentence.

    Args:
        endpoint: URL of the server.
        doing: a participle phrase, such as `writing P1.SP`.
        error: one of `FAILURES`.
    """
    return kind(error)(f"{endpoint}: {doing} failed: {reason(error)}")


@contextmanager
def linked(endpoint: str, doing: str) -> Iterator[None]:
    """Raise what fails inside as a `LinkError` about `doing` something at `endpoint`."""
    try:
        yield
    except FAILURES as error:
        raise link_error(endpoint, doing, error) from error
