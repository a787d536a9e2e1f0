"""Subscriptions to a subgraph over a real WebSocket."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import invalid, request_headers
from botberi_gateway.upstream.graphql_ws import SUBPROTOCOL, SocketClosed, subscription
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.tls import tls_context

logger = logging.getLogger(__name__)


class _Connect(connect):
    """Follows no redirects."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Socket:
    """`websockets` as the protocol's `TextSocket`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def close(self, code: int, reason: str = "") -> None:
        await self._connection.close(code, reason)


def _closed(error: ConnectionClosed) -> SocketClosed:
    return SocketClosed(error.rcvd.code, error.rcvd.reason) if error.rcvd else SocketClosed(1006)


def websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme))


async def subscribe_over_websocket(
    subgraph: str,
    url: str,
    request: SubgraphRequest,
    config: SubgraphConfig,
) -> AsyncGenerator[SubgraphResponse, None]:
    """Open a connection for the subscription; the request's headers go with the handshake."""
    options = config.websocket
    address = options.url or websocket_url(url)
    reached: dict[str, Any] = {}
    if address.startswith("wss:"):
        reached["ssl"] = tls_context(config.tls)
        if config.tls.server_name is not None:
            reached["server_hostname"] = config.tls.server_name
    elif config.socket_path is not None:
        reached |= {"unix": True, "path": str(config.socket_path)}
    try:
        connection = await _Connect(
            address,
            **reached,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=request_headers(subgraph, config.headers, request.headers),
            user_agent_header=None,
            proxy=None,
            open_timeout=options.open_timeout_seconds,
            ping_interval=options.ping_interval_seconds,
            ping_timeout=options.ping_timeout_seconds,
            close_timeout=1,
            max_size=options.max_message_bytes,
            max_queue=options.max_queued_messages,
        )
    except TimeoutError as error:
        message = f"Subgraph {subgraph!r} did not open a WebSocket in time."
        raise SubgraphError(subgraph, message, code=errors.SUBGRAPH_TIMEOUT) from error
    except (OSError, InvalidHandshake, InvalidURI, EOFError) as error:
        logger.warning("subgraph %s: WebSocket: %r", subgraph, error)
        message = f"Subgraph {subgraph!r} did not open a WebSocket."
        raise SubgraphError(subgraph, message, code=errors.SUBGRAPH_UNREACHABLE) from error
    if connection.subprotocol != SUBPROTOCOL:
        await connection.close(4406, "Subprotocol not acceptable")
        raise invalid(subgraph, f"without the subprotocol {SUBPROTOCOL}")
    answers = subscription(subgraph, _Socket(connection), request, ack_timeout=options.ack_timeout_seconds)
    try:
        async for answer in answers:
            yield answer
    finally:
        await answers.aclose()
        # However it ended: nothing stays open.
        await asyncio.shield(connection.close())
