"""A transport that asks the protocol before it closes the connection."""

import asyncio
from collections.abc import Callable


class LingeringTransport:
    """The part of a transport that uvicorn's request cycle uses.

    Its `close` asks the protocol, which may have to go on reading for a moment so that the client sees the answer.
    """

    __slots__ = ("_end", "_transport", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        self._transport = transport
        self._end = end
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """The answer is complete: let the protocol end the connection."""
        self._end()
