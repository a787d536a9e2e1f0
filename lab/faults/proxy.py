"""A TCP proxy that misbehaves on demand: freezes (a black hole: nothing passes, nothing closes), delays, or cuts."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, Self

#: From the client to the server, and back.
Direction = Literal["up", "down"]
BOTH: Final[tuple[Direction, ...]] = ("up", "down")


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and forwards to another."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._flowing: dict[Direction, asyncio.Event] = {direction: asyncio.Event() for direction in BOTH}
        for flowing in self._flowing.values():
            flowing.set()
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def freeze(self, *directions: Direction) -> None:
        """Swallow everything from now on, or what goes one way; connections stay open."""
        for direction in directions or BOTH:
            self._flowing[direction].clear()

    def delay(self, seconds: float) -> None:
        """Hold up everything that passes."""
        self._delay = seconds

    def heal(self) -> None:
        """Cut what was frozen, as a network that lost its state does, and forward new connections."""
        self._delay = 0.0
        if not all(flowing.is_set() for flowing in self._flowing.values()):
            self.cut()
        for flowing in self._flowing.values():
            flowing.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._flowing["up"].wait()
            upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
            self._writers.add(upstream_writer)
            await asyncio.gather(self._pump("up", reader, upstream_writer), self._pump("down", upstream_reader, writer))
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pump(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = self._flowing[direction]
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)
