"""A subscription in the `graphql-transport-ws` protocol, over any socket that carries text.

The protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode, encode
from botberi_gateway.errors import SubgraphError, SubscriptionRefused
from botberi_gateway.upstream.answer import invalid, to_response
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

SUBPROTOCOL: Final = "graphql-transport-ws"
_ID: Final = "1"
_BAD_MESSAGE: Final = 4400
_NORMAL: Final = 1000


class SocketClosed(Exception):
    """The other side closed the socket, or the connection was lost (code 1006)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class TextSocket(Protocol):
    """The methods of a WebSocket that the protocol uses; each raises `SocketClosed`."""

    async def send(self, text: str) -> None: ...

    async def receive(self) -> str | bytes: ...

    async def close(self, code: int, reason: str = "") -> None: ...


async def subscription(
    subgraph: str,
    socket: TextSocket,
    request: SubgraphRequest,
    *,
    ack_timeout: float,
    init_payload: Mapping[str, Any] | None = None,
) -> AsyncGenerator[SubgraphResponse, None]:
    """Answers until the subgraph completes; an `error` message is the last of them. Closes the socket."""
    code, reason = _NORMAL, ""
    subscribed = False
    try:
        await connect(subgraph, socket, ack_timeout, init_payload)
        await send(socket, {"id": _ID, "type": "subscribe", "payload": payload_of(request)})
        subscribed = True
        while True:
            message = await receive(subgraph, socket)
            match message.get("type"):
                case "next" if message.get("id") == _ID:
                    yield to_response(subgraph, message.get("payload"))
                case "error" if message.get("id") == _ID:
                    subscribed = False
                    yield to_response(subgraph, {"data": None, "errors": message.get("payload")})
                    return
                case "complete" if message.get("id") == _ID:
                    subscribed = False
                    return
                case "ping":
                    await send(socket, {"type": "pong"})
                case "pong":
                    pass
                case _:
                    raise invalid(subgraph, "a WebSocket message that was not expected")
    except SocketClosed as closed:
        subscribed = False
        raise lost(subgraph, closed) from closed
    except SubgraphError as error:
        if error.code == errors.SUBGRAPH_INVALID_RESPONSE:
            code, reason = _BAD_MESSAGE, "Bad message"
        raise
    finally:
        with suppress(SocketClosed):
            if subscribed and code == _NORMAL:
                await send(socket, {"id": _ID, "type": "complete"})
            await socket.close(code, reason)


async def connect(
    subgraph: str, socket: TextSocket, ack_timeout: float, init_payload: Mapping[str, Any] | None
) -> None:
    """Send `connection_init` and wait for its answer. Raises `SubgraphError`, `SocketClosed`."""
    init: dict[str, Any] = {"type": "connection_init"}
    if init_payload:
        init["payload"] = init_payload
    try:
        async with asyncio.timeout(ack_timeout):
            await send(socket, init)
            while (message := await receive(subgraph, socket)).get("type") != "connection_ack":
                if message.get("type") == "ping":
                    await send(socket, {"type": "pong"})
                elif message.get("type") != "pong":
                    raise invalid(subgraph, "a WebSocket message that was not expected")
    except TimeoutError as error:
        message_text = f"Subgraph {subgraph!r} did not acknowledge the WebSocket connection in time."
        raise SubgraphError(subgraph, message_text, code=errors.SUBGRAPH_TIMEOUT) from error


def payload_of(request: SubgraphRequest) -> dict[str, Any]:
    """The payload of `subscribe`."""
    payload: dict[str, Any] = {"query": request.operation}
    if request.operation_name is not None:
        payload["operationName"] = request.operation_name
    if request.variables:
        payload["variables"] = request.variables
    return payload


async def send(socket: TextSocket, message: Mapping[str, Any]) -> None:
    """Send a message. Raises `SocketClosed`."""
    await socket.send(encode(message).decode())


async def receive(subgraph: str, socket: TextSocket) -> dict[str, Any]:
    """The next message. Raises `SubgraphError` for something else, `SocketClosed`."""
    text = await socket.receive()
    if isinstance(text, bytes):
        raise invalid(subgraph, "a binary WebSocket message")
    try:
        message = decode(text.encode())
    except (CodecError, UnicodeEncodeError) as error:
        raise invalid(subgraph, "malformed JSON") from error
    if not isinstance(message, dict):
        raise invalid(subgraph, "a WebSocket message that is no object")
    return message


def lost(subgraph: str, closed: SocketClosed) -> SubgraphError:
    """The error for a socket that the subgraph closed."""
    what = {
        4401: "refused the subscription (unauthorized)",
        4403: "refused the subscription (forbidden)",
        4429: "refused the subscription (too many)",
    }.get(closed.code, "closed the subscription")
    message = f"Subgraph {subgraph!r} {what}."
    kind = SubscriptionRefused if 4400 <= closed.code < 4500 else SubgraphError
    return kind(subgraph, message, code=errors.SUBGRAPH_UNREACHABLE)
