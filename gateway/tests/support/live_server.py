"""An ASGI app -> a real server on a free port, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette

from botberi_gateway.config import GatewayConfig
from botberi_gateway.server.run import bind, uvicorn_config


@dataclass
class LiveServer:
    """Where it is, and its loop, for tests that reach inside."""

    port: int
    loop: asyncio.AbstractEventLoop
    app: Starlette

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/graphql"

    def run(self, work: Any) -> Any:
        """Await something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)


@contextmanager
def live(make: Callable[[], Starlette], config: GatewayConfig | None = None) -> Iterator[LiveServer]:
    """`make` is called in the server's loop."""
    config = config or GatewayConfig()
    ready: Future[tuple[LiveServer, uvicorn.Server]] = Future()

    async def main() -> None:
        app = make()
        listener = bind("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn_config(app, config, "warning"))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        if task.done():
            task.result()
        ready.set_result((LiveServer(listener.getsockname()[1], asyncio.get_running_loop(), app), server))
        await task

    def thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    runner = threading.Thread(target=thread, daemon=True)
    runner.start()
    live_server, server = ready.result(20)
    try:
        yield live_server
    finally:
        server.should_exit = True
        runner.join(20)
        assert not runner.is_alive(), "the server did not stop"
