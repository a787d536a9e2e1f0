"""Bounds how many requests to one subgraph run, and how many wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphQueueFull


class Gate:
    """Lets `running` requests run at the same time and `waiting` more wait; any further request is refused at once."""

    def __init__(self, subgraph: str, running: int, waiting: int) -> None:
        self._subgraph = subgraph
        self._places = asyncio.Semaphore(running)
        self._room = running + waiting
        self._inside = 0

    @property
    def inside(self) -> int:
        return self._inside

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        if self._inside >= self._room:
            message = f"Too many requests wait for subgraph {self._subgraph!r}."
            raise SubgraphQueueFull(self._subgraph, message, code=errors.SUBGRAPH_UNREACHABLE)
        self._inside += 1
        try:
            async with self._places:
                yield
        finally:
            self._inside -= 1
