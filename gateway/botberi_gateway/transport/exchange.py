"""One HTTP request on its way through the transport, and how it is answered."""

import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from botberi_gateway.transport import negotiate
from botberi_gateway.transport.body import read_body
from botberi_gateway.transport.client import Client
from botberi_gateway.transport.connected import while_connected
from botberi_gateway.transport.problem import Failure

ResultT = TypeVar("ResultT")

CONTENT_TYPES: Final = {
    media_type: (b"content-type", f"{media_type}; charset=utf-8".encode())
    for media_type in (negotiate.JSON, negotiate.GRAPHQL_JSON)
}
#: Headers of every answer in one piece: it isn't cached where no header rule says so, and browsers don't guess its
#: type.
FIXED_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


@dataclass(slots=True)
class Exchange:
    """One request (names of `headers` in lower case), and what is decided about its answer on the way."""

    method: str
    headers: Mapping[str, str]
    #: Where it comes from.
    client: Client
    receive: Any
    send: Any
    #: What the server's log line says about the operation (`scope["state"]["graphql"]`).
    note: dict[str, Any]
    #: Of an answer in one piece.
    media_type: str = negotiate.JSON
    #: The client wants server-sent events.
    wants_events: bool = False
    #: The client takes nothing but `multipart/mixed`.
    parts_only: bool = False
    #: Headers of the answer.
    extra: list[tuple[bytes, bytes]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    #: The status was sent, so that no error can take the place of this answer.
    begun: bool = False
    #: Closes the files that came with the request, where any did.
    close_files: Callable[[], None] | None = None
    #: Counted among the requests under way.
    at_work: bool = False
    #: Set for a mutation that has begun: it goes on even if the client goes.
    to_its_end: bool = False

    async def body(self, max_bytes: int, timeout_seconds: float, *, unpacks: bool = False) -> bytes:
        """The request's body. Raises `HttpProblem` or `ClientGone`."""
        return await read_body(self.receive, self.headers, max_bytes, timeout_seconds, unpacks=unpacks)

    def attended(self, work: Coroutine[Any, Any, ResultT]) -> Coroutine[Any, Any, ResultT]:
        """Await `work` as long as the client is connected. Raises `ClientGone`."""
        return while_connected(self.receive, work)

    async def respond(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send a GraphQL response in the media type that was negotiated."""
        self.begun = True
        await send_bytes(self.send, status, body, [CONTENT_TYPES[self.media_type], *self.extra, *headers])

    async def fail(self, failure: Failure) -> None:
        """Send a response without `data`; nothing where an answer has begun already."""
        if self.begun:
            return
        status = failure.status
        if status is None:
            # A document that can't be executed: plain JSON says 200, as clients of old expect (section 6.4.1).
            status = 200 if self.media_type == negotiate.JSON else 400
        await self.respond(status, failure.to_bytes(), failure.headers)


class Posted(Exchange):
    """A POST that has been read as a whole and is answered by one call of `write(status, headers, body)`, without ASGI.

    Its maker has checked the body's size, and cancels the task when the client goes, unless `to_its_end` is set.
    """

    __slots__ = ("_body", "_write")

    def __init__(
        self,
        headers: Mapping[str, str],
        client: Client,
        body: bytes,
        note: dict[str, Any],
        write: Callable[[int, list[tuple[bytes, bytes]], bytes], None],
    ) -> None:
        super().__init__("POST", headers, client, None, None, note)
        self._body = body
        self._write = write

    async def body(self, max_bytes: int, timeout_seconds: float, *, unpacks: bool = False) -> bytes:
        """Overrides `Exchange`'s method."""
        return self._body

    def attended(self, work: Coroutine[Any, Any, ResultT]) -> Coroutine[Any, Any, ResultT]:
        """Overrides `Exchange`'s method."""
        return work

    async def respond(self, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Overrides `Exchange`'s method."""
        self.begun = True
        self._write(status, [CONTENT_TYPES[self.media_type], *self.extra, *headers], body)


async def send_bytes(send: Any, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole answer."""
    own = list(headers)
    fixed = FIXED_HEADERS[1:] if any(name == b"cache-control" for name, _ in own) else FIXED_HEADERS
    start = [(b"content-length", str(len(body)).encode()), *fixed, *own]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
