"""Subscriptions whose results subgraphs send to this process: what is expected, and what a message does.

Apart from `callback.py`, which needs an HTTP client: a server without such subscriptions imports this alone.
"""

import asyncio
import hmac
import secrets
from typing import Any, Final

from botberi_gateway.codec import CodecError, decode
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import to_response
from botberi_gateway.upstream.subscriptions.subscriber import Subscriber


class Expected:
    """A subscription that results are expected for."""

    def __init__(self, subgraph: str, config: SubgraphConfig) -> None:
        self.subgraph = subgraph
        self.id, self.verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        self.max_bytes = config.websocket.max_message_bytes
        self.results = Subscriber(subgraph, config.websocket.max_queued_messages)
        self.is_checked = False
        #: Set at each message, for the watch over signs of life.
        self.heard = asyncio.Event()


class Callbacks:
    """The subscriptions of this process whose results subgraphs send."""

    def __init__(self) -> None:
        self._expected: dict[str, Expected] = {}

    def add(self, expected: Expected) -> None:
        """Take messages about a subscription."""
        self._expected[expected.id] = expected

    def remove(self, expected: Expected) -> None:
        """Take no further ones."""
        self._expected.pop(expected.id, None)

    def max_bytes(self, identifier: str) -> int:
        """Bytes that a message about this subscription may have; none for an unknown one."""
        expected = self._expected.get(identifier)
        return 0 if expected is None else expected.max_bytes

    def take(self, identifier: str, body: bytes) -> int:
        """A subgraph's message. Returns the HTTP status for it: 404 makes the subgraph stop."""
        expected = self._expected.get(identifier)
        if expected is None:
            return 404
        try:
            message = decode(body)
        except CodecError:
            return 400
        if not isinstance(message, dict) or message.get("id") != identifier or message.get("kind") != "subscription":
            return 400
        verifier = message.get("verifier")
        if not isinstance(verifier, str) or not hmac.compare_digest(verifier.encode(), expected.verifier.encode()):
            return 401
        return self._act(expected, message)

    def _act(self, expected: Expected, message: dict[str, Any]) -> int:
        expected.heard.set()
        match message.get("action"):
            case "check":
                expected.is_checked = True
                return 204
            case "next":
                try:
                    expected.results.put(to_response(expected.subgraph, message.get("payload")))
                except SubgraphError as error:
                    expected.results.put(error)
                    self.remove(expected)
                    return 400
                if expected.results.is_slow:
                    self.remove(expected)
                return 200
            case "complete":
                self.remove(expected)
                if message.get("errors"):
                    try:
                        answer = to_response(expected.subgraph, {"data": None, "errors": message["errors"]})
                        expected.results.put(answer)
                    except SubgraphError as error:
                        expected.results.put(error)
                expected.results.put(None)
                return 202
            case _:
                return 400


#: Of this process: a server takes the messages (`server.callbacks`), a client waits for them.
CALLBACKS: Final = Callbacks()
