import importlib
import inspect
import pkgutil
import socket

import asyncua
import pytest
from asyncua import ua
from asyncua.ua.uaerrors import _auto

from procwm.errors import LinkError, LinkRefusedError, LinkTimeoutError
from procwm_adapters.opcua.wire.failures import FAILURES, SENTENCES, link_error, linked

NOT_USED = {
    "asyncua.client.ha.common.ClientNotFound",
    "asyncua.common.sql_injection.SqlInjectionError",
    "asyncua.server.history.UaNodeAlreadyHistorizedError",
    "asyncua.sync.ThreadLoopNotRunning",
}
"""Of redundancy, history and the blocking interface, which the adapter leaves alone."""
NEEDS_EXTRAS = ("asyncua.tools", "asyncua.pubsub")


def library_exceptions():
    found = set()
    for module in pkgutil.walk_packages(asyncua.__path__, "asyncua."):
        if not module.name.startswith(NEEDS_EXTRAS):
            for _, cls in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(cls, Exception) and cls.__module__.startswith("asyncua"):
                    found.add(cls)
    return found


def test_every_exception_of_the_library_has_a_sentence():
    named = {cls for cls in library_exceptions() if cls.__module__ != _auto.__name__}
    unmapped = {f"{cls.__module__}.{cls.__name__}" for cls in named if cls not in SENTENCES}
    assert unmapped == NOT_USED


def test_every_status_code_is_an_error_that_is_mapped():
    codes = {cls for cls in library_exceptions() if cls.__module__ == _auto.__name__}
    assert len(codes) > 200
    assert all(issubclass(cls, ua.UaStatusCodeError) for cls in codes)


@pytest.mark.parametrize(
    "error",
    [
        ua.UaStatusCodeError(ua.StatusCodes.BadUserAccessDenied),
        ua.UaError("something else"),
        TimeoutError(),
        ConnectionRefusedError(111, "refused"),
        ConnectionResetError(),
        socket.gaierror(-2, "unknown"),
        OSError(5, "input/output"),
    ],
)
def test_a_failure_is_one_sentence_that_names_the_endpoint_and_what_was_done(error):
    sentence = r"^opc\.tcp://plant:4840: writing P1\.SP failed: \S"
    with (
        pytest.raises(LinkError, match=sentence) as caught,
        linked("opc.tcp://plant:4840", "writing P1.SP"),
    ):
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ua.UaStatusCodeError(ua.StatusCodes.BadUserAccessDenied), LinkRefusedError),
        (ua.UaStatusCodeError(ua.StatusCodes.BadTypeMismatch), LinkRefusedError),
        (ua.uaerrors.UaStatusCodeErrors([0, ua.StatusCodes.BadOutOfRange]), LinkRefusedError),
        (ua.UaStringParsingError("ns=x"), LinkRefusedError),
        (ua.UaStatusCodeError(ua.StatusCodes.BadTimeout), LinkTimeoutError),
        (TimeoutError(), LinkTimeoutError),
        (ua.UaStatusCodeError(ua.StatusCodes.BadConnectionClosed), LinkError),
        (ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid), LinkError),
        (ConnectionRefusedError(111, "refused"), LinkError),
        (ua.UaError("something else"), LinkError),
    ],
)
def test_a_host_can_tell_a_refusal_from_silence_and_from_a_plant_that_is_not_reached(error, kind):
    assert type(link_error("opc.tcp://plant:4840", "writing P1.SP", error)) is kind


def test_what_is_not_a_failure_of_the_link_passes():
    with pytest.raises(ZeroDivisionError), linked("opc.tcp://plant:4840", "dividing"):
        raise ZeroDivisionError
    assert not any(issubclass(LinkError, kind) for kind in FAILURES)
