"""A transport whose end is somebody else's decision."""

import asyncio
from collections.abc import Callable


class LingeringTransport:
    """What uvicorn's request cycle needs of a transport; `close` asks the protocol, which may have to read on for a moment."""

    __slots__ = ("_end", "_transport", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self._transport = transport
        self._end = end
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """The answer is complete."""
        self._end()
