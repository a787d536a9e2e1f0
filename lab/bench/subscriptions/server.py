"""Orders over a pipe -> one gateway process with an event source and a subgraph in it, and what they cost."""

import asyncio
import gc
import os
import resource
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import uvloop

from botberi_gateway.config import GatewayConfig, ServerConfig, TransportConfig, WebSocketConfig
from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.server import bind, create_app, serve
from botberi_gateway.subscriptions import SourceEvent
from botberi_gateway.transport.port import Caller, Credentials
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse

SDL: Final = """
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@composeDirective"])
    @link(url: "https://specs.botberi.dev/events/v1.0", import: ["@eventSource"])
        @composeDirective(name: "@eventSource")
  directive @eventSource(
    topics: [String!]! where: [String!]! = [] version: String until: String snapshot: Boolean! = false feed: String
  ) on FIELD_DEFINITION
  type Query { job(id: ID!): Job }
  type Subscription {
    changed(id: ID!): Job @eventSource(topics: ["job.*"], where: ["id=$id"], version: "version", snapshot: true)
  }
  type Job @key(fields: "id") { id: ID! version: Int! at: String }
"""
_TICK: Final = 0.02


@dataclass(frozen=True, slots=True)
class Named:
    """A caller."""

    subject: str | None


class Names:
    """Bearer NAME is who calls."""

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        """Implements `botberi_gateway.transport.port.Authenticator`."""
        return Named(credentials.headers["authorization"].removeprefix("Bearer "))


class Jobs:
    """The subgraph: each job's version, and when it changed (monotonic nanoseconds, one clock for all processes)."""

    def __init__(self) -> None:
        self.requests = 0
        self.versions: dict[str, int] = {}
        self.changed: dict[str, int] = {}

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Implements `SubgraphClient`."""
        self.requests += 1
        await asyncio.sleep(0)
        found = [
            {"id": key, "version": self.versions.get(key, 1), "at": str(self.changed.get(key, 0))}
            for key in (representation["id"] for representation in request.variables["representations"])
        ]
        return SubgraphResponse({"_entities": found})

    def subscribe(self, request: SubgraphRequest) -> Any:
        """Never asked for."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Implements `SubgraphClient`."""


class Source:
    """An event source that the orders feed."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[SourceEvent]] = set()

    def send(self, key: str) -> None:
        """Tell of one job."""
        for queue in self._queues:
            queue.put_nowait(SourceEvent("job.updated", {"id": key}, {"id": key}))

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        """Implements `botberi_gateway.subscriptions.events.EventSource`."""
        queue: asyncio.Queue[SourceEvent] = asyncio.Queue()

        async def events() -> AsyncIterator[SourceEvent]:
            while True:
                yield await queue.get()

        self._queues.add(queue)
        try:
            yield events()
        finally:
            self._queues.discard(queue)


class Driver:
    """Carries out orders: `("events", jobs, per_second, seconds)`, `("cost",)`."""

    def __init__(self, pipe: "Connection[Any, Any]", jobs: Jobs, source: Source) -> None:
        self._pipe, self._jobs, self._source = pipe, jobs, source

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read orders in a thread of their own."""

        def read() -> None:
            while True:
                try:
                    order = self._pipe.recv()
                except (EOFError, OSError):
                    return
                loop.call_soon_threadsafe(self._begin, order)

        threading.Thread(target=read, daemon=True).start()

    def _begin(self, order: tuple[Any, ...]) -> None:
        if order[0] == "cost":
            gc.collect()
            self._pipe.send(cost(self._jobs.requests))
        else:
            self._task = asyncio.get_running_loop().create_task(self._events(*order[1:]))

    async def _events(self, jobs: int, per_second: float, seconds: float) -> None:
        began, sent = time.monotonic(), 0
        while (now := time.monotonic()) - began < seconds:
            due = int((now - began) * per_second)
            for number in range(sent, due):
                key = str(number % jobs)
                self._jobs.versions[key] = self._jobs.versions.get(key, 1) + 1
                self._jobs.changed[key] = time.monotonic_ns()
                self._source.send(key)
            sent = max(sent, due)
            await asyncio.sleep(_TICK)
        self._pipe.send(sent)


def cost(requests: int) -> dict[str, float]:
    """CPU seconds, resident bytes, requests to the subgraph, so far."""
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": time.process_time(), "resident": resident, "requests": requests, "at": time.monotonic()}


def run(pipe: "Connection[Any, Any]") -> None:
    """The process: sends its port, then carries out orders until it is ended."""
    raise_limit()
    uvloop.run(_main(pipe))


async def _main(pipe: "Connection[Any, Any]") -> None:
    jobs, source = Jobs(), Source()
    gateway = Gateway.from_subgraphs({"jobs": SubgraphSource(SDL, client=jobs)}, event_source=source)
    # On a loaded machine the client itself may be late.
    # And all clients come from one address.
    sockets = WebSocketConfig(init_timeout_seconds=60.0, max_sockets_per_address=20_000)
    transport = TransportConfig(
        max_subscriptions_per_caller=20_000, max_subscriptions_per_address=20_000, graphiql=False, websocket=sockets
    )
    server = ServerConfig(access_log=False, max_connections_per_address=100_000)
    config = GatewayConfig(server=server, transport=transport)
    app = create_app(gateway, config, authenticator=Names())
    listener = bind("127.0.0.1", 0)
    Driver(pipe, jobs, source).listen(asyncio.get_running_loop())
    pipe.send(listener.getsockname()[1])
    await serve(app, listener, config, log_level="warning")


def raise_limit() -> int:
    """As many files as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
