"""Setpoints written to an OPC UA server and read back: the plant's answer counts."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from asyncua import Client, ua

from procwm.errors import LinkError, LinkRefusedError, OutcomeUnknownError
from procwm.plant.samples import Setpoints
from procwm_adapters.opcua.link.named_nodes import WRITE_UNTIL, PlantNode
from procwm_adapters.opcua.wire.failures import FAILURES, link_error
from procwm_adapters.opcua.wire.requests import in_batches, read
from procwm_adapters.opcua.wire.values import number_of, opcua_time, variant_of

_POLL_S = 0.05
_SAME = 1e-6
"""Relative difference below which a value read back is the value written; single precision has 6e-8."""

_REFUSED = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadServiceUnsupported,
        ua.StatusCodes.BadNotSupported,
        ua.StatusCodes.BadUserAccessDenied,
    }
)
"""Answers to a whole request after which the server has carried out nothing of it."""


class SetpointWriter:
    """Writes MVs, one service call at a time, and nothing else."""

    def __init__(
        self,
        client: Client,
        endpoint: str,
        mvs: Mapping[str, PlantNode],
        ready: Callable[[], bool],
        *,
        settle_s: float,
        stamps: Mapping[str, PlantNode] = MappingProxyType({}),
    ) -> None:
        """Nothing is sent before `write`.

        Args:
            client: the connection.
            endpoint: how errors name the server.
            mvs: all that may be written, by tag; it changes where the server comes back changed.
            ready: whether the connection stands and the nodes have been looked up on it.
            settle_s: how long a server may take to show a value that it has accepted.
            stamps: what else a request carries, by the name of the node: its number, and until when it holds.
        """
        self._client = client
        self._endpoint = endpoint
        self._mvs = mvs
        self._ready = ready
        self._settle_s = settle_s
        self._stamps = stamps
        self._lock = asyncio.Lock()

    async def write(
        self, setpoints: Setpoints, *, stamped: Mapping[str, int] = MappingProxyType({})
    ) -> dict[str, float]:
        """Write `setpoints` and return what the plant then holds.

        Args:
            setpoints: by MV, engineering units.
            stamped: `WRITE_ID`, and `WRITE_UNTIL` in UTC ns; each is sent where the server has its node.

        Raises:
            LinkError: nothing was sent; there is no connection.
            LinkRefusedError: the server refused it, or it is not to be written at all.
            OutcomeUnknownError: it was sent, and what came of it could not be read.
        """
        text = ", ".join(f"{name} = {value:g}" for name, value in setpoints.items())
        async with self._lock:
            if not self._ready():
                raise LinkError(f"{self._endpoint}: there is no connection; {text} was not written")
            wanted = {name: self._variant(name, value) for name, value in setpoints.items()}
            if not wanted:
                return {}
            stamps = self._stamp(stamped)
            sent = {**stamps, **wanted}
            done: list[str] = []

            async def send(names: Sequence[str]) -> Any:
                results = await self._client.uaclient.write(
                    self._request({name: sent[name] for name in names})
                )
                done.extend(names)
                return results

            try:
                # A number and a validity are those of what is written in the same request.
                results = await in_batches(send, list(sent), smallest=len(sent) if stamps else 1)
            except FAILURES as error:
                failed = link_error(self._endpoint, f"writing {text}", error)
                if not done and getattr(error, "code", None) in _REFUSED:
                    raise failed from error
                return await self._after_doubt(wanted, failed)
            self._check(sent, results)
            return await self._read_back(wanted, text)

    def _variant(self, name: str, value: float) -> Any:
        if name not in self._mvs:
            allowed = ", ".join(self._mvs) or "none, as it says read_only"
            raise LinkRefusedError(
                f"{name}: not written; only the plant file's MVs are: {allowed}; what is to be written "
                "needs a [[tag]] of role MV there"
            )
        return variant_of(name, float(value), self._mvs[name].kind)

    def _stamp(self, stamped: Mapping[str, int]) -> dict[str, Any]:
        found = {}
        for name, value in stamped.items():
            if name not in self._stamps:
                continue
            kind = self._stamps[name].kind
            if kind is ua.VariantType.DateTime:
                found[name] = ua.Variant(opcua_time(value), kind)
            elif name == WRITE_UNTIL:
                seconds = value / 1e9 if kind is ua.VariantType.Double else value // 1_000_000_000
                found[name] = variant_of(name, float(seconds), kind)
            else:
                found[name] = variant_of(name, float(value), kind)
        return found

    def _request(self, sent: Mapping[str, Any]) -> Any:
        request = ua.WriteParameters()
        nodes = {**self._stamps, **self._mvs}
        for name, variant in sent.items():
            # Many controllers refuse a write that carries a status or a time.
            value = ua.DataValue(variant, StatusCode=None)
            request.NodesToWrite.append(
                ua.WriteValue(NodeId=nodes[name].id, AttributeId=ua.AttributeIds.Value, Value=value)
            )
        return request

    def _check(self, sent: Mapping[str, Any], results: list[Any]) -> None:
        answers = [
            f"{name} = {_shown(variant)} was {f'refused ({status.name})' if status.is_bad() else 'written'}"
            for (name, variant), status in zip(sent.items(), results, strict=True)
        ]
        # What is Uncertain may have been written: the value that is read back decides.
        if any(status.is_bad() for status in results):
            raise LinkRefusedError(f"{self._endpoint}: {'; '.join(answers)}")

    async def _after_doubt(self, wanted: Mapping[str, Any], error: LinkError) -> dict[str, float]:
        # A server that was frozen carries out what it was sent when it wakes up.
        try:
            held = await self._held(wanted)
        except FAILURES:
            raise OutcomeUnknownError(f"{error}; the plant could not be asked what it holds") from error
        if _agree(wanted, held):
            return held
        now = ", ".join(f"{name} = {value:g}" for name, value in held.items())
        raise OutcomeUnknownError(f"{error}; the plant holds {now} and may yet take the new value") from error

    async def _read_back(self, wanted: Mapping[str, Any], text: str) -> dict[str, float]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._settle_s
        try:
            while not _agree(wanted, held := await self._held(wanted)) and clock() < deadline:
                await asyncio.sleep(_POLL_S)
        except FAILURES as error:
            lost = link_error(self._endpoint, f"reading back {text}", error)
            raise OutcomeUnknownError(str(lost)) from error
        return held

    async def _held(self, wanted: Mapping[str, Any]) -> dict[str, float]:
        values = await read(self._client, [(self._mvs[name].id, ua.AttributeIds.Value) for name in wanted])
        held = {name: number_of(value) for name, value in zip(wanted, values, strict=True)}
        for (name, number), value in zip(held.items(), values, strict=True):
            if not math.isfinite(number) or (value.StatusCode is not None and value.StatusCode.is_bad()):
                raise OutcomeUnknownError(
                    f"{self._endpoint}: {name} was written, and the plant reports no good value for it"
                )
        return held


def _shown(variant: Any) -> str:
    is_number = isinstance(variant.Value, int | float)
    return f"{variant.Value:g}" if is_number else str(variant.Value)


def _agree(wanted: Mapping[str, Any], held: Mapping[str, float]) -> bool:
    return all(math.isclose(held[name], variant.Value, rel_tol=_SAME) for name, variant in wanted.items())
