"""An ASGI app and a bound socket -> served by uvicorn inside a running event loop, until the block is left."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Generator

import uvicorn
from starlette.applications import Starlette

from botberi_gateway.config import GatewayConfig, ServerConfig
from botberi_gateway.server.run import uvicorn_config

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to the owner of the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: Starlette, listener: socket.socket, config: GatewayConfig | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """The server, accepting connections; on leaving, running requests have the configuration's time to end."""
    config = config or GatewayConfig(server=ServerConfig(drain_timeout_seconds=10.0))
    server = _Server(uvicorn_config(app, config))
    task = asyncio.create_task(_serve(server, listener), name="uvicorn")
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the server ended before it was ready")
            await asyncio.sleep(0.01)
        yield task
    finally:
        await _stop(app, server, task, config.server)
        listener.close()


async def _stop(app: Starlette, server: uvicorn.Server, task: asyncio.Task[None], config: ServerConfig) -> None:
    """Sockets and streams are sent away first: a server waits for connections, and those would never end."""
    drain = getattr(app.state, "drain", None)
    if drain is not None and not task.done():
        try:
            async with asyncio.timeout(config.drain_timeout_seconds):
                await drain()
        except TimeoutError:
            logger.warning("connections were still open after %.0f s", config.drain_timeout_seconds)
    server.should_exit = True
    done, _ = await asyncio.wait({task}, timeout=config.drain_timeout_seconds + 5)
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
