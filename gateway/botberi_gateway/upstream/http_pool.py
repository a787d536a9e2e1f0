"""Encoded bodies -> answers, over a bounded number of keep-alive connections to one address."""

import asyncio
import logging
import math
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Final

import aiohappyeyeballs

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import ConnectionFailed, SubgraphError, SubgraphQueueFull
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.body import packed
from botberi_gateway.upstream.http_connection import BufferedConnection, Call, Connection, Head
from botberi_gateway.upstream.http_request import RequestWriter
from botberi_gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)

#: Seconds after which the next address of a name is tried too while the first hasn't answered (RFC 8305, section 5).
_NEXT_ADDRESS_SECONDS: Final = 0.25
#: The most bytes of one read.
_BUFFER_BYTES: Final = 64 * 1024
#: Seconds that closing waits for the sockets to close.
_CLOSE_TIMEOUT_SECONDS: Final = 1.0


class Pool:
    """Keep-alive connections to an address: opened when calls wait, used last in, first out."""

    def __init__(self, name: str, url: str, options: SubgraphConfig) -> None:
        """Raises `ValueError` for a URL that can't be used."""
        self.name = name
        self.options = options
        self.heads: dict[bytes, Head] = {}
        self._keep_alive = options.keep_alive_seconds
        self._writer = RequestWriter(name, url, options.headers)
        self._packing_writer = RequestWriter(name, url, options.headers, "gzip")
        self._compress_from = options.compress_from_bytes if options.compress_requests else sys.maxsize
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: set[Connection] = set()
        #: In the order in which they became idle.
        self._idle: list[Connection] = []
        self._waiting: OrderedDict[Call, None] = OrderedDict()
        self._connecting: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        #: Fires at the earliest deadline of all calls.
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = math.inf
        #: Large answers that have come and aren't parsed yet.
        self._unread: deque[Callable[[], None]] = deque()
        self._closed = False
        #: Set when it is closed and no socket is left.
        self._empty = asyncio.Event()

    @property
    def open_connections(self) -> int:
        """Sockets that are open now."""
        return len(self._connections)

    @property
    def waiting_calls(self) -> int:
        """Calls without a connection."""
        return len(self._waiting)

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move(loop)
        call = Call(loop=loop)
        call.holder = call.over = call.read = call.spending = None
        try:
            if len(body) < self._compress_from:
                call.request = self._writer.write(headers, body)
            else:
                call.request = self._packing_writer.write(headers, packed(body))
        except SubgraphError as error:
            call.set_exception(error)
            return call
        call.again = kind == "query"
        now = loop.time()
        call.deadline = deadline = now + min(timeout, self.options.timeout_seconds)
        if deadline < self._next_look:
            self._look_at(deadline)
        idle = self._idle
        while idle:
            connection = idle.pop()
            if now - connection.since < self._keep_alive and not connection.heard():
                connection.carry(call)
                return call
            connection.drop()
        options = self.options
        if self._closed:
            call.set_exception(self._failed("is not in use any more", errors.SUBGRAPH_UNREACHABLE))
        elif len(self._waiting) - (options.max_connections - len(self._connections)) >= options.max_waiting:
            message = f"Too many requests wait for subgraph {self.name!r}."
            call.set_exception(SubgraphQueueFull(self.name, message, code=errors.SUBGRAPH_UNREACHABLE))
        else:
            self._queue(call)
        return call

    def _queue(self, call: Call) -> None:
        self._waiting[call] = None
        call.holder = self
        self._open()

    def abandon(self, call: Call) -> None:
        """See `Holder`."""
        self._waiting.pop(call, None)

    def _look_at(self, when: float) -> None:
        """Set the timer, which all calls share.

        Few calls reach their deadline, and a timer for each would cost more than the rest of a call's bookkeeping.
        """
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        self._next_look = when
        self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        assert self._loop is not None
        self._timer, self._next_look = None, math.inf
        # The clock of a loop may tick in milliseconds.
        now, earliest = self._loop.time() + 0.001, math.inf
        for call in [*self._waiting, *(c.call for c in self._connections if c.call is not None)]:
            if call.deadline <= now:
                call.fail(self._failed("did not answer in time", errors.SUBGRAPH_TIMEOUT))
            else:
                earliest = min(earliest, call.deadline)
        if earliest < self._next_look:
            self._look_at(earliest)

    def _unconnected(self, what: str, code: str) -> SubgraphError:
        return ConnectionFailed(self.name, f"Subgraph {self.name!r} {what}.", code=code)

    def _failed(self, what: str, code: str) -> SubgraphError:
        return SubgraphError(self.name, f"Subgraph {self.name!r} {what}.", code=code)

    # Connections: opened, used again, lost.

    def _open(self) -> None:
        """Open as many connections as calls wait for, within the limit."""
        assert self._loop is not None
        connecting = self._connecting
        room = self.options.max_connections - len(self._connections)
        while len(connecting) < min(room, len(self._waiting)):
            task = self._loop.create_task(self._connect())
            connecting.add(task)
            task.add_done_callback(self._connected)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self.options.connect_timeout_seconds):
                connection = await self._dial()
        except TimeoutError:
            problem = self._unconnected("can't be reached in time", errors.SUBGRAPH_TIMEOUT)
        except (OSError, ValueError) as error:
            logger.debug("subgraph %s: %s", self.name, type(error).__name__)
            problem = self._unconnected("can't be reached", errors.SUBGRAPH_UNREACHABLE)
            # For operators alone (clients never see it). Without its traceback, which would refer back to `problem`.
            problem.__cause__ = error.with_traceback(None)
        else:
            if not connection.heard():
                self.release(connection)
            else:
                # Closed at once, or it speaks before it is asked.
                connection.drop()
                if self._waiting:
                    self.lost(self._waiting.popitem(last=False)[0])
            return
        if self._waiting:
            next(iter(self._waiting)).fail(problem)

    def _connected(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("subgraph %s: connecting failed", self.name, exc_info=task.exception())
        self._go_on()

    def _go_on(self) -> None:
        if not self._closed:
            self._open()
        elif not self._connections and not self._connecting:
            self._empty.set()

    async def _dial(self) -> Connection:
        loop = asyncio.get_running_loop()
        kind = Connection if type(loop).__module__.partition(".")[0] == "uvloop" else BufferedConnection
        if self.options.socket_path is not None:
            _, connection = await loop.create_unix_connection(lambda: kind(self), str(self.options.socket_path))
            return connection
        addresses = await loop.getaddrinfo(self._writer.host, self._writer.port, type=socket.SOCK_STREAM)
        opened = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS, interleave=1, loop=loop
        )
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await loop.create_connection(lambda: kind(self), sock=opened)
        except BaseException:
            opened.close()
            raise
        return connection

    @cached_property
    def buffer(self) -> memoryview:
        """See `Owner`. A pool's own, as another pool's loop may run in another thread."""
        return memoryview(bytearray(_BUFFER_BYTES))

    def opened(self, connection: Connection) -> None:
        """See `Owner`."""
        self._connections.add(connection)

    def release(self, connection: Connection) -> None:
        """See `Owner`. The connection takes the call that waits longest; without any, it becomes idle."""
        assert self._loop is not None
        if self._closed:
            connection.drop()
        elif self._waiting:
            if not connection.heard():
                connection.carry(self._waiting.popitem(last=False)[0])
            else:
                connection.drop()
        else:
            connection.since = self._loop.time()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(self._keep_alive, self._sweep)

    def _sweep(self) -> None:
        """Close the connections that have been idle for too long, and set the timer for the next."""
        assert self._loop is not None
        self._sweeper = None
        now, idle = self._loop.time(), self._idle
        while idle and now - idle[0].since >= self._keep_alive - 0.001:
            idle.pop(0).drop()
        if idle:
            self._sweeper = self._loop.call_later(self._keep_alive + idle[0].since - now, self._sweep)

    def gone(self, connection: Connection) -> None:
        """See `Owner`."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._go_on()

    def lost(self, call: Call) -> None:
        """See `Owner`. A query is sent a second time over a new connection, as the idle ones may be dead as well."""
        if not call.again or self._closed:
            call.holder = None
            call.set_exception(self._failed("closed the connection", errors.SUBGRAPH_UNREACHABLE))
            return
        logger.info("subgraph %s: connection lost before an answer, sending the query again", self.name)
        call.again = False
        while self._idle:
            self._idle.pop().drop()
        self._queue(call)
        self._waiting.move_to_end(call, last=False)

    def later(self, read: Callable[[], None]) -> None:
        """See `Owner`. Each turn of the loop parses a single large answer, so that its request uses it before the next.

        The parsed answers then fit the processor's caches; parsed as they come, each costs a fifth more.
        """
        assert self._loop is not None
        self._unread.append(read)
        if len(self._unread) == 1:
            self._loop.call_soon(self._read_next)

    def _read_next(self) -> None:
        assert self._loop is not None
        read = self._unread.popleft()
        if self._unread:
            self._loop.call_soon(self._read_next)
        read()

    # Closing.

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin without connections on another event loop; those of the former loop, which has ended, can't be used."""
        self._loop = loop
        self._connections, self._idle, self._connecting, self._waiting = set(), [], set(), OrderedDict()
        self._unread.clear()
        self._sweeper, self._timer, self._next_look = None, None, math.inf

    async def aclose(self) -> None:
        """Close all; calls that are under way fail."""
        self._closed = True
        if self._loop is not asyncio.get_running_loop():
            return
        for timer in (self._sweeper, self._timer):
            if timer is not None:
                timer.cancel()
        for call in list(self._waiting):
            call.fail(self._failed("is not in use any more", errors.SUBGRAPH_UNREACHABLE))
        for task in self._connecting:
            task.cancel()
        for connection in list(self._connections):
            connection.drop()
        if self._connections or self._connecting:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await self._empty.wait()
