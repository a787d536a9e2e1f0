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

#: The operation (by identity: what is kept holds it) and its variables as JSON.
_Key: TypeAlias = tuple[int, bytes | object]

#: Answers that are kept: so many, with so many fields together (a field that is made once costs some 100 bytes).
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
        self._in_flight: dict[_Key, asyncio.Future[Introspection]] = {}

    async def introspection(self, operation: Operation, variables: Mapping[str, Any]) -> Introspection:
        """The answer to all that the operation asks about the schema.

        Raises `RequestError` where it is too large, `GatewayError` where too many wait or it takes too long.
        """
        key = id(operation), _mark(variables)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        future = self._in_flight.get(key) or self._begin(key, operation, variables)
        # `wait` leaves the shared future alone when this request is cancelled or runs out of time.
        done, _ = await asyncio.wait({future}, timeout=self._config.operation_timeout_seconds)
        if not done:
            message = f"Introspection took longer than {self._config.operation_timeout_seconds:g} s."
            raise GatewayError(message, code=errors.LIMIT_EXCEEDED)
        try:
            return future.result()
        except GatewayError as error:
            # One exception serves every request that waited; its traceback must not grow with each.
            raise error.with_traceback(None) from None
        finally:
            # The traceback holds this frame, which must not hold the future that holds the error.
            del future, done

    def _begin(self, key: _Key, operation: Operation, variables: Mapping[str, Any]) -> asyncio.Future[Introspection]:
        if len(self._in_flight) >= self._config.max_planning_backlog:
            raise GatewayError("Too many clients ask about the schema; try again.", code=OVERLOADED)
        introspection = Introspection(operation, variables, self._config.operation.max_introspection_fields)
        future = asyncio.get_running_loop().run_in_executor(self._thread, introspection.make)
        self._in_flight[key] = future
        future.add_done_callback(lambda done: self._end(key, done))
        return future

    def _end(self, key: _Key, done: asyncio.Future[Introspection]) -> None:
        self._in_flight.pop(key, None)
        if done.cancelled() or done.exception() is not None or not isinstance(key[1], bytes):
            return
        self._kept[key] = done.result()
        while len(self._kept) > MAX_KEPT or sum(one.fields for one in self._kept.values()) > MAX_KEPT_FIELDS:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Empty the cache, because the schema was replaced."""
        self._kept.clear()

    def close(self) -> None:
        """Cancel what waits for the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _mark(variables: Mapping[str, Any]) -> bytes | object:
    """What tells variables from others; an object of its own for those whose answer isn't kept or shared."""
    try:
        mark = encode(variables)
    except CodecError:
        return object()
    return mark if len(mark) <= MAX_KEPT_VARIABLES else object()
