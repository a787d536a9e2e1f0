"""Work for a client -> its result, as long as the client is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from botberi_gateway.transport.body import ClientGone

ResultT = TypeVar("ResultT")


async def while_connected(receive: Any, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Await `work`, but cancel it when the client disconnects, and raise `ClientGone`."""
    task = asyncio.current_task()
    assert task is not None
    watcher = asyncio.get_running_loop().create_task(_watch(receive, task))
    try:
        return await work
    except asyncio.CancelledError:
        # The watcher is through only when it was the one that cancelled.
        if watcher.done() and not watcher.cancelled() and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watcher.cancel()


async def _watch(receive: Any, task: asyncio.Task[Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
