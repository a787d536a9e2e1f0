"""Equal queries to a subgraph at the same time -> a single request, whose parsed, immutable answer all of them get."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, TypeAlias

from botberi_gateway import errors
from botberi_gateway.errors import GatewayError, SubgraphError
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.port import (
    CountedAnswer,
    EncodedClient,
    SubgraphClient,
    SubgraphRequest,
    SubgraphResponse,
)

#: Headers that differ with each request and change neither its question nor its caller.
TRACING_HEADERS: Final = frozenset(("x-request-id", "traceparent", "tracestate"))
#: Seconds for a request without a timeout.
_NO_TIMEOUT_SECONDS: Final = 86_400.0

_Key: TypeAlias = tuple[bytes, frozenset[tuple[str, str]]]
_Answer: TypeAlias = "asyncio.Future[SubgraphResponse]"


def sharing(name: str, client: SubgraphClient, joined: Callable[[str], None]) -> SubgraphClient:
    """The client, with equal queries sent once; as it is where it takes no encoded bodies (it is in this process)."""
    return SharingClient(name, client, joined) if isinstance(client, EncodedClient) else client


class SharingClient:
    """An `EncodedClient` in front of another.

    Requests are equal when their bodies and all headers but `TRACING_HEADERS` are, so that callers with different
    credentials share nothing. A caller that joins waits until the first caller's deadline, or its own if that is
    earlier. The request is cancelled when all its callers are gone.
    """

    def __init__(self, name: str, client: EncodedClient, joined: Callable[[str], None]) -> None:
        """`joined(name)` is called for each request that was saved."""
        self._name = name
        self._client = client
        self._joined = joined
        self._running: dict[_Key, _Shared] = {}

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        timeout = _NO_TIMEOUT_SECONDS if request.timeout is None else request.timeout
        future = self.start(request_body(self._name, request), request.kind, request.headers, timeout)
        if isinstance(future, CountedAnswer):
            future.spending = request.spending
        return await future

    def start(self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float) -> _Answer:
        """See `EncodedClient`."""
        if kind != "query":
            return self._client.start(body, kind, headers, timeout)
        key = body, frozenset(pair for pair in headers.items() if pair[0].lower() not in TRACING_HEADERS)
        now = asyncio.get_running_loop().time()
        shared = self._running.get(key)
        if shared is None:
            shared = _Shared(self._name, self._client.start(body, kind, headers, timeout), now + timeout)
            self._running[key] = shared
            shared.request.add_done_callback(lambda _: self._over(key, shared))
        else:
            self._joined(self._name)
        return shared.join(now + timeout, lambda: self._over(key, shared))

    def _over(self, key: _Key, shared: "_Shared") -> None:
        if self._running.get(key) is shared:
            del self._running[key]

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        return self._client.subscribe(request)

    async def aclose(self) -> None:
        """See `SubgraphClient`."""
        await self._client.aclose()


class _Shared:
    """A request under way, and the callers that wait for it."""

    def __init__(self, name: str, request: _Answer, deadline: float) -> None:
        self._name = name
        self.request = request
        self._deadline = deadline
        self._waiters: set[CountedAnswer] = set()
        self._size = _Size()
        if isinstance(request, CountedAnswer):
            request.spending = self._size
        request.add_done_callback(self._answer)

    def join(self, deadline: float, abandoned: Callable[[], None]) -> _Answer:
        """A future for another caller, whose cancellation doesn't touch the others."""
        loop = asyncio.get_running_loop()
        waiter = CountedAnswer(loop=loop)
        waiter.spending = None
        self._waiters.add(waiter)
        timer = loop.call_at(deadline, self._late, waiter) if deadline < self._deadline else None

        def left(_: object) -> None:
            if timer is not None:
                timer.cancel()
            self._waiters.discard(waiter)
            if not self._waiters and not self.request.done():
                # At once, so that no caller joins a request that is being cancelled.
                abandoned()
                self.request.cancel()

        waiter.add_done_callback(left)
        return waiter

    def _late(self, waiter: _Answer) -> None:
        if not waiter.done():
            message = f"Subgraph {self._name!r} did not answer in time."
            waiter.set_exception(SubgraphError(self._name, message, code=errors.SUBGRAPH_TIMEOUT))

    def _answer(self, request: _Answer) -> None:
        for waiter in list(self._waiters):
            if waiter.done():
                continue
            if request.cancelled():
                waiter.cancel()
            elif (error := request.exception()) is None:
                self._deliver(request.result(), waiter)
            else:
                waiter.set_exception(copied(error))

    def _deliver(self, response: SubgraphResponse, waiter: CountedAnswer) -> None:
        """Set the answer; its bytes are taken from the budget of each operation that gets it."""
        if waiter.spending is not None and self._size.bytes:
            try:
                waiter.spending.take_bytes(self._size.bytes)
            except GatewayError as error:
                waiter.set_exception(error)
                return
        waiter.set_result(response)


class _Size:
    """A `Spending` that only notes how large an answer is."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0

    def take_bytes(self, count: int) -> None:
        self.bytes = count


def copied(error: BaseException) -> BaseException:
    """The error as a new object for each caller, because a traceback grows with every raise."""
    if isinstance(error, SubgraphError):
        return type(error)(
            error.subgraph, error.message, code=error.code, status=error.status, retry_after=error.retry_after
        )
    return error
