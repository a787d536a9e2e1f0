"""A subgraph's URL and headers -> the bytes of a request: everything that stays the same is written once."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final

from yarl import URL

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import ACCEPT, owned_by_client, refused_header

#: Letters, marks and tabs: no line break, no other control character. What `answer.request_headers` allows.
_SAFE: Final = re.compile("[\t\x20-\x7e\x80-\U0010ffff]*").fullmatch
#: Requests of one subgraph have few different sets of header names; at this many, the memo is cleared.
_MAX_TEMPLATES: Final = 256


class RequestWriter:
    """Writes `POST`s to one address. `host` and `port` say where to connect."""

    def __init__(
        self, subgraph: str, url: str, headers: Mapping[str, str], content_encoding: str | None = None
    ) -> None:
        """`headers` are sent with each request that doesn't have them itself; `content_encoding` is the bodies'.

        Raises `ValueError` for anything but an `http` URL.
        """
        address = URL(url)
        if address.scheme != "http" or not address.raw_host or address.port is None:
            raise ValueError("not an http URL")
        self.host, self.port = address.raw_host, address.port
        self._subgraph = subgraph
        self._default_headers = {name.lower(): value for name, value in headers.items()}
        if address.user is not None or address.password is not None:
            pair = f"{address.user or ''}:{address.password or ''}".encode()
            self._default_headers.setdefault("authorization", "Basic " + base64.b64encode(pair).decode())
        self._encoding = f"content-encoding: {content_encoding}\r\n" if content_encoding is not None else ""
        self._begin = f"POST {address.raw_path_qs} HTTP/1.1\r\nhost: {address.host_port_subcomponent}\r\n"
        #: The names of a request's headers, in their order -> how to write its head from their values.
        self._templates: dict[tuple[str, ...], _Template] = {}

    def write(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Raises `SubgraphError` for a header that HTTP doesn't allow."""
        names = tuple(headers)
        template = self._templates.get(names)
        if template is None:
            template = self._keep(names)
        text, pick = template
        values = tuple(headers.values()) if pick is None else pick(headers)
        if not _SAFE("\t".join(values)):
            self._refuse(headers)
        head = text % (*values, len(body))
        try:
            return head.encode("latin-1") + body
        except UnicodeEncodeError:
            return self._encode_widely(head) + body

    def _encode_widely(self, head: str) -> bytes:
        try:
            return head.encode()
        except UnicodeEncodeError as error:
            message = f"A header for subgraph {self._subgraph!r} can't be written."
            raise SubgraphError(self._subgraph, message, code=errors.BAD_REQUEST) from error

    def _refuse(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            if not _SAFE(value) and not owned_by_client(name.lower()):
                raise refused_header(self._subgraph, name)

    def _keep(self, names: tuple[str, ...]) -> "_Template":
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        template = self._templates[names] = self._template(names)
        return template

    def _template(self, names: tuple[str, ...]) -> "_Template":
        # Of names that differ only in case, the last counts.
        sent = {name.lower(): name for name in names if not owned_by_client(name.lower())}
        for lower in sent:
            if not _is_token(lower):
                raise refused_header(self._subgraph, lower)
        lines = [self._begin, "content-type: application/json\r\n", f"accept: {ACCEPT}\r\n"]
        lines.append(f"accept-encoding: gzip, deflate\r\n{self._encoding}")
        for name, value in self._default_headers.items():
            if name in sent or owned_by_client(name):
                continue
            if not _is_token(name) or not _SAFE(value):
                raise refused_header(self._subgraph, name)
            lines.append(f"{name}: {value}\r\n")
        text = "".join(lines).replace("%", "%%")
        text += "".join(f"{lower.replace('%', '%%')}: %s\r\n" for lower in sent) + "content-length: %d\r\n\r\n"
        kept = tuple(sent.values())
        return text, None if kept == names else lambda headers: tuple(headers[name] for name in kept)


#: The head's text with a place for each value and the length; and how to take the values, None for all as they come.
_Template = tuple[str, Callable[[Mapping[str, str]], tuple[str, ...]] | None]

_is_token: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
