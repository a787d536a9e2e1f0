"""An ASGI app and a bound socket -> served by uvicorn inside a running event loop, until cancelled."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Generator

import uvicorn
from starlette.types import ASGIApp

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket, *, drain: float = 10.0) -> AsyncIterator[asyncio.Task[None]]:
    """The server, accepting connections; on leaving, running requests have `drain` seconds to end."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="websockets-sansio",
        # The transport bounds messages itself; this is the frame it never wants to see.
        ws_max_size=2 * 1024 * 1024,
        timeout_graceful_shutdown=int(drain),
        server_header=False,
        date_header=True,
        proxy_headers=False,
    )
    server = _Server(config)
    task = asyncio.create_task(_serve(server, listener), name="uvicorn")
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the server ended before it was ready")
            await asyncio.sleep(0.01)
        yield task
    finally:
        server.should_exit = True
        done, _ = await asyncio.wait({task}, timeout=drain + 5)
        if not done:
            task.cancel()
            await asyncio.wait({task}, timeout=2)
        elif not task.cancelled() and task.exception() is not None:
            logger.error("the server ended with an error", exc_info=task.exception())


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        await server.serve(sockets=[listener])
    except SystemExit as error:
        # Uvicorn's word for a lifespan that failed; its log line says why.
        raise RuntimeError("the app did not start (see the log)") from error
