"""Equal subscriptions at a subgraph -> one, whose answers all of them get."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import TypeAlias

from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.sharing import TRACING_HEADERS, copied
from botberi_gateway.upstream.subscriptions.subscriber import Subscriber

_Begin: TypeAlias = Callable[[], AsyncGenerator[SubgraphResponse, None]]


class FanOut:
    """The subscriptions of one subgraph that are shared."""

    def __init__(self, subgraph: str, max_queued: int) -> None:
        """`max_queued` answers may wait for one subscriber; then it is ended."""
        self._subgraph, self._max_queued = subgraph, max_queued
        self._shared: dict[Hashable, _Shared] = {}

    def __len__(self) -> int:
        """How many there are at the subgraph."""
        return len(self._shared)

    async def subscribe(self, request: SubgraphRequest, begin: _Begin) -> AsyncGenerator[SubgraphResponse, None]:
        """Answers of the equal subscription that runs, or of the one that `begin` starts. Raises `SubgraphError`."""
        headers = frozenset(pair for pair in request.headers.items() if pair[0].lower() not in TRACING_HEADERS)
        key = request_body(self._subgraph, request), headers
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = _Shared(begin, lambda ended: self._forget(key, ended))
        subscriber = Subscriber(self._subgraph, self._max_queued)
        shared.subscribers.add(subscriber)
        try:
            while (answer := await subscriber.next()) is not None:
                yield answer
        finally:
            shared.subscribers.discard(subscriber)
            if not shared.subscribers:
                await shared.end()

    def _forget(self, key: Hashable, shared: "_Shared") -> None:
        if self._shared.get(key) is shared:
            del self._shared[key]


class _Shared:
    """One subscription at the subgraph."""

    def __init__(self, begin: _Begin, forget: Callable[["_Shared"], None]) -> None:
        self.subscribers: set[Subscriber] = set()
        self._begin, self._forget = begin, forget
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        end: BaseException | None = None
        answers = self._begin()
        try:
            async for answer in answers:
                for subscriber in self.subscribers:
                    subscriber.put(answer)
        except Exception as error:
            end = error
        finally:
            # No further subscriber may join what has ended.
            self._forget(self)
            await answers.aclose()
        for subscriber in self.subscribers:
            subscriber.put(None if end is None else copied(end))

    async def end(self) -> None:
        """End it at the subgraph, as its last subscriber has left."""
        self._forget(self)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
