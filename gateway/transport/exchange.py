"""One HTTP request on its way through the transport, and how it is answered."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.transport import negotiate
from gateway.transport.problem import Failure

_UTF8: Final = "; charset=utf-8"


@dataclass(slots=True)
class Exchange:
    """What was asked (`headers` in lower case), and what is known about the answer."""

    method: str
    headers: Mapping[str, str]
    receive: Any
    send: Any
    #: What the server's log line says about the operation (`scope["state"]["graphql"]`).
    note: dict[str, Any]
    #: Of what is answered in one piece.
    media_type: str = negotiate.JSON
    wants_events: bool = False
    #: The client takes nothing but `multipart/mixed`.
    parts_only: bool = False
    #: Headers of the answer.
    extra: list[tuple[bytes, bytes]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    #: The status is on its way: nothing can be taken back.
    begun: bool = False

    async def respond(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """A GraphQL response in the negotiated media type."""
        self.begun = True
        content_type = (b"content-type", (self.media_type + _UTF8).encode())
        await send_bytes(self.send, status, body, [content_type, *self.extra, *headers])

    async def fail(self, failure: Failure) -> None:
        """A response without `data`; nothing where an answer has begun already."""
        if self.begun:
            return
        status = failure.status
        if status is None:
            # A document that can't be executed: plain JSON says 200, as clients of old expect (section 6.4.1).
            status = 200 if self.media_type == negotiate.JSON else 400
        await self.respond(status, failure.to_bytes(), failure.headers)


async def send_bytes(send: Any, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """One whole answer, never cached, never sniffed."""
    start = [
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
