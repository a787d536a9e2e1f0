"""Introspection: an operation that asks about the schema -> its answer, computed in a thread and cached."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, encode
from botberi_gateway.config import EngineConfig
from botberi_gateway.engine.planning import OVERLOADED
from botberi_gateway.errors import GatewayError
from botberi_gateway.executor.introspection import Introspection
from botberi_gateway.operation import Operation
from botberi_gateway.single_flight import SingleFlight

#: The operation (by identity: what is kept holds it) and its variables as JSON.
_Key: TypeAlias = tuple[int, bytes | object]

#: Answers that are kept, and the fields of all of them together. A field takes some 100 bytes.
MAX_KEPT: Final = 16
MAX_KEPT_FIELDS: Final = 2_000_000
#: Variables longer than this in JSON are no part of what a usual client asks: their answers aren't kept.
MAX_KEPT_VARIABLES: Final = 1_000


class Introspector:
    """Computes one answer about the schema at a time, so that requests for data get most of the processor."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-introspection")
        self._kept: OrderedDict[_Key, Introspection] = OrderedDict()
        self._in_flight: SingleFlight[Introspection] = SingleFlight()

    async def introspection(self, operation: Operation, variables: Mapping[str, Any]) -> Introspection:
        """The answer to all that the operation asks about the schema.

        Raises `RequestError` where it is too large, `GatewayError` where too many wait or it takes too long.
        """
        key = id(operation), _fingerprint(variables)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        try:
            return await self._in_flight.run(
                key, lambda: self._begin(key, operation, variables), self._config.operation_timeout_seconds
            )
        except TimeoutError:
            message = f"Introspection took longer than {self._config.operation_timeout_seconds:g} s."
            raise GatewayError(message, code=errors.LIMIT_EXCEEDED) from None

    def _begin(self, key: _Key, operation: Operation, variables: Mapping[str, Any]) -> asyncio.Future[Introspection]:
        if len(self._in_flight) >= self._config.max_planning_backlog:
            raise GatewayError("Too many clients ask about the schema; try again.", code=OVERLOADED)
        introspection = Introspection(operation, variables, self._config.operation.max_introspection_fields)
        future = asyncio.get_running_loop().run_in_executor(self._thread, introspection.make)
        future.add_done_callback(lambda done: self._keep(key, done))
        return future

    def _keep(self, key: _Key, done: asyncio.Future[Introspection]) -> None:
        if done.cancelled() or done.exception() is not None or not isinstance(key[1], bytes):
            return
        self._kept[key] = done.result()
        while len(self._kept) > MAX_KEPT or sum(answer.fields for answer in self._kept.values()) > MAX_KEPT_FIELDS:
            self._kept.popitem(last=False)

    def use(self, config: EngineConfig) -> None:
        """Take another configuration from now on."""
        self._config = config

    def forget(self) -> None:
        """Empty the cache, because the schema was replaced."""
        self._kept.clear()

    def close(self) -> None:
        """Cancel what waits for the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _fingerprint(variables: Mapping[str, Any]) -> bytes | object:
    """Equal for equal variables; a new object for those that are too long for their answer to be kept or shared."""
    try:
        fingerprint = encode(variables)
    except CodecError:
        return object()
    return fingerprint if len(fingerprint) <= MAX_KEPT_VARIABLES else object()
