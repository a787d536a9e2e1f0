"""One of several serving processes: an app, and a channel through which connections come."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from botberi_gateway.config import GatewayConfig
from botberi_gateway.server.memory import resettle_soon, settle
from botberi_gateway.server.pages import SharedPages
from botberi_gateway.server.run import Server, uvicorn_config

logger = logging.getLogger(__name__)

#: Connections taken from the channel at once.
_MAX_TAKEN: Final = 64
#: Seconds beyond the delay of draining that the channel's end may take.
_EXTRA_SECONDS: Final = 5.0


class _Worker(Server):
    """A server without a listening socket: the parent process accepts connections and hands them over.

    When the channel is closed, it stops.
    """

    def __init__(self, app: Starlette, channel: socket.socket, config: GatewayConfig) -> None:
        super().__init__(uvicorn_config(app, config), app, config)
        self._channel = channel
        self._no_more = asyncio.Event()
        self._adopting: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Overrides uvicorn's method."""
        await super().startup(sockets)
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._take)

    def _take(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, _MAX_TAKEN, _MAX_TAKEN)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        loop = asyncio.get_running_loop()
        for descriptor in descriptors:
            task = loop.create_task(self._adopt(socket.socket(fileno=descriptor)))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)
        if not data:
            loop.remove_reader(self._channel)
            self._no_more.set()
            self.ask_to_stop("the one that accepts connections has closed")

    async def _adopt(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            logger.debug("a connection was gone at once: %s", error)
            connection.close()

    async def _no_more_connections(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.server_config.drain_delay_seconds + _EXTRA_SECONDS):
                await self._no_more.wait()

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


async def work(app: Starlette, channel: socket.socket, folder: Path, config: GatewayConfig) -> None:
    """Serve connections from the channel until SIGTERM and the channel's end; then drain."""
    worker = _Worker(app, channel, config)
    pages: SharedPages | None = None
    if app.state.metrics is not None:
        pages = app.state.pages = SharedPages(folder, app.state.metrics_page)
        await pages.start()
    settle()
    app.state.gateway.on_replaced(resettle_soon)
    try:
        await worker.serve(sockets=[])
    finally:
        if pages is not None:
            await pages.stop()
