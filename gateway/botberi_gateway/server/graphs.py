"""Several graphs in one process: which one a request is for, and metrics of all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from botberi_gateway.engine import Gateway
from botberi_gateway.schema_delivery import SchemaDelivery
from botberi_gateway.transport.exchange import send_bytes

_UNKNOWN: Final = b'{"errors":[{"message":"There is no graph of this name.","extensions":{"code":"UNKNOWN_GRAPH"}}]}'
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ")


@dataclass(frozen=True, slots=True)
class NamedGraph:
    """A further graph: its gateway, what keeps it up to date, and how requests choose it."""

    name: str
    gateway: Gateway
    delivery: SchemaDelivery | None = None
    path: str | None = None
    header: str | None = None


class GraphSelector:
    """The ASGI app at the first graph's path: a header chooses another graph."""

    def __init__(self, first: ASGIApp, header: str, others: Mapping[str, ASGIApp]) -> None:
        """`others` are apps by the values of `header`."""
        self._first = first
        self._header = header.lower().encode("latin-1")
        self._others = {value.encode("latin-1"): app for value, app in others.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; one for a graph that there isn't gets 404."""
        value = next((text for name, text in scope["headers"] if name == self._header), None)
        app: ASGIApp | None = self._first if value is None else self._others.get(value)
        if app is not None:
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send_bytes(send, 404, _UNKNOWN, [(b"content-type", b"application/json")])


def labelled(page: bytes, graph: str) -> bytes:
    """A page of metrics with the label `graph` on each sample."""

    def with_label(line: str) -> str:
        if line.startswith("#"):
            return line
        return _SAMPLE.sub(lambda m: f'{m[1]}{{{m[2] + "," if m[2] else ""}graph="{graph}"}} ', line)

    return "\n".join(map(with_label, page.decode().split("\n"))).encode()


def names_in_use(graphs: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """How each configured graph is chosen: what can't change while the process runs."""
    return {name: (graph.path, graph.header) for name, graph in graphs.items()}
