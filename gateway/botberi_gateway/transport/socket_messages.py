"""Frames of `graphql-transport-ws` -> checked messages, and back (the protocol's document, at graphql-ws).

The older protocol `graphql-ws` (of subscriptions-transport-ws) is a `Dialect`: other names for the same messages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botberi_gateway.codec import CodecError, decode, encode
from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.transport.parameters import from_json
from botberi_gateway.transport.problem import HttpProblem

SUBPROTOCOL: Final = "graphql-transport-ws"

NORMAL: Final = 1000
BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
SUBPROTOCOL_NOT_ACCEPTABLE: Final = 4406
INIT_TIMEOUT: Final = 4408
DUPLICATE_ID: Final = 4409
TOO_MANY_INITS: Final = 4429
#: The protocol has no other code for a client that sends too much.
TOO_MANY_MESSAGES: Final = 4429
INTERNAL_ERROR: Final = 4500
GOING_AWAY: Final = 1001
TOO_BIG: Final = 1009
TRY_AGAIN_LATER: Final = 1013

MAX_ID_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names that a subprotocol has for the messages."""

    subprotocol: str
    #: Names of a client's messages -> those of `graphql-transport-ws`.
    received: Mapping[str, str]
    next: str = "next"
    #: Whether clients send operations without waiting for `connection_ack`.
    is_hasty: bool = False

    def plain(self, kind: str, payload: Mapping[str, Any] | None = None) -> str:
        """`connection_ack`, `ping`, `pong`."""
        message: dict[str, Any] = {"type": kind}
        if payload is not None:
            message["payload"] = payload
        return encode(message).decode()

    def about(self, identifier: str, kind: str, payload: bytes | None = None) -> str:
        """`next`, `error`, `complete`; the payload is JSON already."""
        name = self.next if kind == "next" else kind
        head = b'{"id":' + encode(identifier) + b',"type":"' + name.encode() + b'"'
        return (head + (b"" if payload is None else b',"payload":' + payload) + b"}").decode()


MODERN: Final = Dialect(
    SUBPROTOCOL, {name: name for name in ("connection_init", "ping", "pong", "subscribe", "complete")}
)
LEGACY: Final = Dialect(
    "graphql-ws",
    {
        "connection_init": "connection_init",
        "start": "subscribe",
        "stop": "complete",
        "connection_terminate": "terminate",
    },
    next="data",
    is_hasty=True,
)


@dataclass(slots=True, eq=False)
class Close(Exception):
    """End the socket with this code."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the client. `payload` is an object or None."""

    type: str
    id: str = ""
    payload: Mapping[str, Any] | None = None


def parse(event: Mapping[str, Any], max_bytes: int, dialect: Dialect = MODERN) -> Message:
    """A `websocket.receive` event -> message, named as in `graphql-transport-ws`. Raises `Close`."""
    text = event.get("text")
    if text is None:
        raise Close(BAD_MESSAGE, "Only text messages are understood")
    if len(text) > max_bytes:
        raise Close(TOO_BIG, "Message too big")
    try:
        parsed = decode(text.encode())
    except (CodecError, UnicodeEncodeError):
        raise Close(BAD_MESSAGE, "Message is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise Close(BAD_MESSAGE, "Message is not an object")
    kind, payload = parsed.get("type"), parsed.get("payload")
    kind = dialect.received.get(kind) if isinstance(kind, str) else None
    if kind is None:
        raise Close(BAD_MESSAGE, "Unknown message type")
    if payload is not None and not isinstance(payload, dict):
        raise Close(BAD_MESSAGE, "Payload is not an object")
    identifier = parsed.get("id", "")
    if kind in ("subscribe", "complete"):
        if not isinstance(identifier, str) or not 0 < len(identifier) <= MAX_ID_CHARACTERS:
            raise Close(BAD_MESSAGE, f"An id is a string of 1 to {MAX_ID_CHARACTERS} characters")
        if kind == "subscribe" and payload is None:
            raise Close(BAD_MESSAGE, "subscribe has no payload")
    return Message(kind, identifier if isinstance(identifier, str) else "", payload)


def request_of(message: Message) -> GraphQLRequest:
    """What a `subscribe` asks. Raises `Close`."""
    try:
        return from_json(message.payload)
    except HttpProblem as problem:
        raise Close(BAD_MESSAGE, problem.message[:120]) from None
