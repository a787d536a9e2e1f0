"""A request's head, as bytes and as parsed -> how its body is framed, or a refusal.

Stricter than the parser behind it, so that no proxy in front can read a request in another way than we do: what RFC
9112 lets a server repair or ignore is refused. `tests/security/test_v1_request_smuggling.py` compares with h11.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_LINE: Final = rb"([A-Z]++) ([!-~]++) HTTP/1\.([01])\r\n"
#: A whole head: request line, header lines, empty line; nothing but CRLF ends a line, nothing but a token stands before
#: a colon.
_HEAD: Final = re.compile(_LINE + rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n")
_REQUEST_LINE: Final = re.compile(_LINE)
#: A host and a port (RFC 9110, section 7.2), not empty.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class HeadRefused(Exception):
    """A head that is refused. The client gets `status` and the text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RequestLine:
    """The first line of a request. `minor` is the version: `1` for HTTP/1.1, `0` for HTTP/1.0."""

    method: bytes
    target: bytes
    minor: bytes


@dataclass(frozen=True, slots=True)
class Framing:
    """What follows the head: `length` bytes, or chunks, or (`upgrades`) another protocol."""

    length: int = 0
    chunked: bool = False
    upgrades: bool = False


NO_BODY: Final = Framing()


def read_line(head: bytes) -> RequestLine:
    """The request line of a whole head. Raises `HeadRefused` unless every byte of the head is as RFC 9112 has it."""
    match = _HEAD.fullmatch(head)
    if match is None:
        raise HeadRefused(400, "The request's head is not valid HTTP/1.1.")
    return RequestLine(*match.groups())


def check_beginning(head: bytes | bytearray, new: int) -> None:
    """Raises `HeadRefused` where an incomplete head can't become a valid one any more.

    Its last `new` bytes haven't been checked before.
    """
    if not 65 <= head[0] <= 90:
        raise HeadRefused(400, "A request begins with a method.")
    part = head[max(0, len(head) - new - 1) :]
    if part.count(b"\n", 1 if len(part) > new else 0) != part.count(b"\r\n"):
        raise HeadRefused(400, "Lines of a request's head end with CRLF.")
    if b"\r\n" in part and not _REQUEST_LINE.match(head):
        raise HeadRefused(400, "The request line is not valid HTTP/1.1.")


def read_framing(line: RequestLine, headers: Mapping[str, str]) -> Framing:
    """How the body is framed. `headers` have lower-case names, and repeated ones are joined by commas.

    Raises `HeadRefused`.
    """
    _check_host(line, headers.get("host"))
    length, encoding, upgrade = headers.get("content-length"), headers.get("transfer-encoding"), headers.get("upgrade")
    if encoding is not None:
        if length is not None:
            raise HeadRefused(400, "A request has a Content-Length or a Transfer-Encoding, not both.")
        if encoding.lower() != "chunked":
            raise HeadRefused(501, "No Transfer-Encoding but chunked is supported.")
        if line.minor != b"1":
            raise HeadRefused(400, "HTTP/1.0 has no Transfer-Encoding.")
    elif length is not None and not _LENGTH.fullmatch(length):
        raise HeadRefused(400, "Content-Length is one number of bytes.")
    if upgrade is not None:
        _check_upgrade(line, headers, upgrade)
        if encoding is not None or int(length or 0):
            raise HeadRefused(400, "A request that upgrades has no body.")
        return Framing(upgrades=True)
    if encoding is not None:
        return Framing(chunked=True)
    return Framing(int(length)) if length is not None else NO_BODY


def _check_host(line: RequestLine, host: str | None) -> None:
    if host is None:
        if line.minor == b"1":
            raise HeadRefused(400, "HTTP/1.1 needs a Host.")
    elif not _HOST.fullmatch(host):
        raise HeadRefused(400, "Host is one host name, with or without a port.")
    target = line.target
    if line.method == b"CONNECT":
        raise HeadRefused(405, "This is no proxy.")
    if b"#" in target:
        raise HeadRefused(400, "A fragment is the client's own business.")
    if target.startswith(b"/") or (target == b"*" and line.method == b"OPTIONS"):
        return
    try:
        parts = urlsplit(target.decode("ascii"))
    except ValueError:
        raise HeadRefused(400, "The request's target is no path and no URL.") from None
    # RFC 9112, section 3.2.2: a client sends the same in both; a difference is somebody's attempt to be two hosts.
    if (
        parts.scheme.lower() not in ("http", "https")
        or not parts.netloc
        or parts.netloc.lower() != (host or "").lower()
    ):
        raise HeadRefused(400, "The request's target is a path, or a URL of the host that Host names.")


def _check_upgrade(line: RequestLine, headers: Mapping[str, str], upgrade: str) -> None:
    connection = {token.strip() for token in headers.get("connection", "").lower().split(",")}
    if upgrade.lower() != "websocket" or "upgrade" not in connection:
        raise HeadRefused(400, "No protocol but websocket can be upgraded to.")
    if line.method != b"GET" or line.minor != b"1":
        raise HeadRefused(400, "A WebSocket begins with GET and HTTP/1.1.")
