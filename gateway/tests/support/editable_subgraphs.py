"""Subgraphs over HTTP with invented data, whose SDLs a test changes while they run; and a server of files."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from botberi_gateway.upstream.mock import mock_client
from botberi_gateway.upstream.port import SubgraphRequest
from gateway.tests.support.live_server import LiveServer, live

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
ACCOUNTS = LINK + 'type Query { me: User } type User @key(fields: "id") { id: ID! name: String! }'
REVIEWS = LINK + 'type User @key(fields: "id") { id: ID! reviews: [Review!]! } type Review { body: String! }'


@dataclass
class Services:
    """`/<name>` is a subgraph with the SDL of that name; `/files/<name>` gives out texts, with an `ETag`."""

    sdls: dict[str, str] = field(default_factory=lambda: {"accounts": ACCOUNTS, "reviews": REVIEWS})
    files: dict[str, str] = field(default_factory=dict)
    #: Names of subgraphs and files that answer 503.
    down: set[str] = field(default_factory=set)
    #: What `authorization` the files demand.
    token: str | None = None
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    #: Headers that subgraphs got, by name.
    headers: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def app(self) -> Starlette:
        async def subgraph(request: Request) -> Response:
            name = request.path_params["name"]
            if name in self.down:
                return Response(status_code=503)
            self.headers.setdefault(name, []).append(dict(request.headers))
            body = await request.json()
            client = mock_client(name, self.sdls[name])
            answer = await client.execute(
                SubgraphRequest(body["query"], body.get("variables") or {}, body.get("operationName"))
            )
            return JSONResponse({"data": answer.data, **({"errors": list(answer.errors)} if answer.errors else {})})

        async def file(request: Request) -> Response:
            name = request.path_params["name"]
            answer = self._file(name, request)
            self.answers[name, answer.status_code] += 1
            return answer

        return Starlette(routes=[Route("/files/{name}", file), Route("/{name}", subgraph, methods=["POST"])])

    def _file(self, name: str, request: Request) -> Response:
        if name in self.down:
            return Response(status_code=503)
        if name == "moved":
            return Response(status_code=302, headers={"location": "/files/supergraph"})
        if self.token is not None and request.headers.get("authorization") != self.token:
            return Response(status_code=401)
        tag = f'"{hash(self.files[name])}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return Response(self.files[name], headers={"etag": tag})


@contextmanager
def services() -> Iterator[tuple[Services, LiveServer]]:
    """The services on a free port."""
    parts = Services()
    with live(parts.app) as server:
        yield parts, server
