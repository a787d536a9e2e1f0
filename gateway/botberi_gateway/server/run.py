"""An app and a port -> a running server that stops without dropping a request."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette

from botberi_gateway.config import GatewayConfig
from botberi_gateway.server.connections import ConnectionLimit
from botberi_gateway.server.headers import security_headers
from botberi_gateway.server.lifetime import ServerContext
from botberi_gateway.server.memory import resettle_soon, settle
from botberi_gateway.server.protocol import GatewayProtocol
from botberi_gateway.server.quick import quick_door
from botberi_gateway.transport.client import ClientResolver

logger = logging.getLogger(__name__)

_MAX_BACKLOG: Final = 2048


class PortTakenError(OSError):
    """The address can't be listened on; the message says which it is and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `port` 0 takes any free one. Raises `PortTakenError`."""
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, OverflowError) as error:
        raise PortTakenError(f"{host}:{port} is no address to listen on: {error}.") from None
    listener = socket.socket(info[0], info[1], info[2])
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(info[4])
        listener.listen(_MAX_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise PortTakenError(f"The gateway can't listen on {host}:{port}: {reason}. Choose another port.") from None
    return listener


class Server(uvicorn.Server):
    """Uvicorn's server, with a stop that drops nothing.

    On SIGTERM `/ready` says no, then sockets and streams end, then the process, with exit status 0.
    """

    def __init__(self, config: uvicorn.Config, app: Starlette, gateway_config: GatewayConfig) -> None:
        super().__init__(config)
        self._app = app
        self.server_config = gateway_config.server
        self._stopping: asyncio.Task[None] | None = None
        self._signals = 0
        listeners = getattr(app.state, "config_listeners", None)
        if listeners is not None:
            listeners.append(self._use)

    def _use(self, config: GatewayConfig) -> None:
        self.server_config = config.server

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let the event loop handle signals, and don't raise them again afterwards.

        A server that was asked to stop has not failed.
        """
        loop = asyncio.get_running_loop()
        handled = [signal.SIGINT, signal.SIGTERM]
        reloader = getattr(self._app.state, "reloader", None)
        try:
            for number in handled:
                loop.add_signal_handler(number, self._asked_to_stop, number)
            if reloader is not None:
                loop.add_signal_handler(signal.SIGHUP, reloader.ask)
                handled.append(signal.SIGHUP)
        except (NotImplementedError, RuntimeError, ValueError):
            # Not the main thread, or Windows: the caller has to stop the server.
            yield
            return
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Overrides uvicorn's method."""
        self._asked_to_stop(sig)

    def _asked_to_stop(self, number: int) -> None:
        self._signals += 1
        if self._signals > 1:
            self.should_exit = self.force_exit = True
            return
        self.ask_to_stop(signal.Signals(number).name)

    def ask_to_stop(self, why: str) -> None:
        """Begin to drain, then end. Further calls do nothing."""
        if self._stopping is None:
            logger.info("%s: stopping; a second signal stops at once", why)
            self._stopping = asyncio.get_running_loop().create_task(self._stop())

    async def _stop(self) -> None:
        try:
            await self._app.state.stop_being_ready()
            await self._no_more_connections()
            await self._app.state.drain()
        finally:
            self.should_exit = True

    async def _no_more_connections(self) -> None:
        """Wait until load balancers have noticed."""
        await asyncio.sleep(self.server_config.drain_delay_seconds)


async def serve(
    app: Starlette,
    listener: socket.socket,
    config: GatewayConfig | None = None,
    *,
    log_level: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT (or cancellation), then drain."""
    config = config or GatewayConfig()
    server = Server(uvicorn_config(app, config, log_level), app, config)
    settle()
    gateway = getattr(app.state, "gateway", None)
    if gateway is not None:  # an app around ours may not have it
        gateway.on_replaced(resettle_soon)
    await server.serve(sockets=[listener])


def uvicorn_config(app: Starlette, config: GatewayConfig, log_level: str | None = None) -> uvicorn.Config:
    """The configuration of uvicorn: our protocol, no headers that name the server, pings that find dead sockets."""
    server = config.server
    context = ServerContext(
        server,
        door=quick_door(app),
        refusal_headers=b"".join(b"%b: %b\r\n" % pair for pair in security_headers(config.transport.public_url)),
        connections=ConnectionLimit(
            server.max_connections_per_address, ClientResolver(config.transport.trusted_proxies)
        ),
    )
    listeners = getattr(getattr(app, "state", None), "config_listeners", None)
    if listeners is not None:
        listeners.append(lambda changed: setattr(context, "config", changed.server))
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=partial(GatewayProtocol, context),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=config.transport.websocket.max_message_bytes + 1024,
        ws_max_queue=32,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        # Compression beside that of TLS proxies is of no use, and a deflate window costs memory for each socket.
        ws_per_message_deflate=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(server.drain_timeout_seconds) + 1,
        backlog=_MAX_BACKLOG,
    )
