"""An HTTP request to an ASGI app in this process, and its answer."""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeAlias

from botberi_gateway.upstream.body import BodyError, BodyReader

Message: TypeAlias = MutableMapping[str, Any]


def http_scope(method: str, path: str, headers: Mapping[str, str], host: str) -> dict[str, Any]:
    """The ASGI scope of a request without a query string; `headers` have no `host`."""
    raw = [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", host.encode()), *raw],
        "client": ("127.0.0.1", 0),
        "server": (host, None),
        "state": {},
    }


class AsgiCall:
    """A request's two channels: `receive` and `send` are for the app, the answer for the caller."""

    def __init__(self, body: bytes, max_bytes: int) -> None:
        """`max_bytes` bounds the answer's body; beyond it `send` raises `BodyError`."""
        self._body: bytes | None = body
        self._max_bytes = max_bytes
        self._reader: BodyReader | None = None
        self.status = 0
        #: Names in lower case.
        self.headers: list[tuple[str, str]] = []
        #: Why the answer is refused, where the app passed the error of `send` on.
        self.refusal: BodyError | None = None
        #: Set when the last byte of the answer has come.
        self.complete = asyncio.Event()
        #: To be set when the caller has gone; the app learns of it as of a disconnect.
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        """The request's body, then the disconnect (ASGI's `receive`)."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a part of the answer (ASGI's `send`). Raises `BodyError`."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.get("headers", ())
            ]
            self._reader = BodyReader(dict(self.headers).get("content-encoding"), self._max_bytes)
        elif message["type"] == "http.response.body" and self._reader is not None and not self.complete.is_set():
            self._reader.feed(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete.set()

    def body(self) -> bytes | bytearray:
        """The whole body, once `complete` is set, unpacked. Raises `BodyError`."""
        assert self._reader is not None
        return self._reader.finish()
