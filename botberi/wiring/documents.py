"""The gateway's own documents at `/docs`, and the way to those of each subgraph at `/docs/<name>`."""

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from botberi_gateway.supergraph import Supergraph
from subgraphs.common.documents import Documents, Endpoint, document_routes, openapi, paths, read_reference
from subgraphs.common.documents.service import SUMMARIES

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0, connect=1.0)
#: Swagger UI is the largest of the files.
_LARGEST_ANSWER: Final = 8 * 1024 * 1024
_PASSED_ON: Final = ("content-type", "cache-control", "etag", "content-security-policy")
_JSON: Final = "application/json"

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/graphql",
        "Queries, mutations, and subscriptions over server-sent events; WebSocket clients connect to the same path.",
        {
            200: ("The result, or a stream of results.", "application/graphql-response+json"),
            400: ("The document or its variables are not valid.", "application/graphql-response+json"),
            413: ("The body is larger than is allowed.", _JSON),
            429: ("Too many requests (nginx).", None),
        },
        body={"type": "object", "required": ["query"], "properties": {"query": {"type": "string"}}},
        tag="graphql",
    ),
    Endpoint(
        "GET",
        "/graphql",
        "GraphiQL for browsers; a query for other clients.",
        {200: ("GraphiQL, or the result.", "text/html")},
        {"query": "The document; only queries."},
        tag="graphql",
    ),
    Endpoint("GET", "/", "The way to GraphiQL.", {307: ("See `/graphql`.", None)}, tag="graphql"),
    Endpoint("GET", "/health", "Liveness: the process answers.", {200: ("It lives.", _JSON)}),
    Endpoint(
        "GET",
        "/ready",
        "Readiness: whether it wants requests.",
        {200: ("It does.", _JSON), 503: ("What is missing, by name.", _JSON)},
    ),
    Endpoint("GET", "/metrics", "What Prometheus reads of the gateway.", {200: ("Metrics.", "text/plain")}),
    Endpoint(
        "GET",
        "/metrics/platform",
        "What Prometheus reads of the parts in its process.",
        {200: ("Metrics.", "text/plain")},
    ),
    Endpoint(
        "GET",
        "/.well-known/jwks.json",
        "The public keys with which subgraphs verify the gateway's assertions (RFC 7517).",
        {200: ("A JWK set.", _JSON)},
        tag="trust",
    ),
    Endpoint(
        "GET",
        "/artifacts/{token}",
        "A file that a run made, by an address that the API signed.",
        {
            200: ("The file.", "application/octet-stream"),
            404: ("The address is wrong or has expired, or the file is gone.", _JSON),
        },
        {"token": "The signed part of the address."},
        tag="artifacts",
    ),
)


def own_routes(supergraph: Supergraph, *, graphiql: bool) -> Sequence[Route]:
    """The reference of the whole graph, which says for each field what subgraph resolves it."""
    documents = Documents(
        None,
        "Botberi",
        "One graph over all subgraphs: what clients can ask for, and which subgraph answers it.",
        lambda: read_reference(supergraph.api_schema, _owners(supergraph)),
        openapi("Botberi gateway", "The endpoints of the gateway beside its schema.", "1", ENDPOINTS),
        others=list(SUMMARIES),
        graphiql="/graphql" if graphiql else None,
    )
    return document_routes(documents)


def _owners(supergraph: Supergraph) -> Mapping[str, Sequence[str]]:
    names = {graph: entry.name for graph, entry in supergraph.graphs.items()}
    owners: dict[str, Sequence[str]] = {}
    for type_ in supergraph.types.values():
        having = dict.fromkeys(names[join.graph] for join in type_.joins)
        owners[type_.name] = list(having)
        for field in type_.fields.values():
            joins = [join for join in field.joins if join.graph is not None and not join.external]
            resolving = dict.fromkeys(names[join.graph] for join in joins if join.graph is not None)
            owners[f"{type_.name}.{field.name}"] = list(resolving or having)
    return owners


def local_routes(name: str, app: ASGIApp) -> Sequence[Route]:
    """The documents of a subgraph in this process."""
    return [Route(path, _Local(app), methods=["GET"]) for path in paths(f"/docs/{name}")]


def remote_routes(name: str, base_url: str) -> Sequence[Route]:
    """The documents of a subgraph that is a service of its own."""
    return [Route(path, _Remote(base_url.rstrip("/") + path), methods=["GET"]) for path in paths(f"/docs/{name}")]


class _Local:
    """Asks for the same path, with nothing that says who the client is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name == b"if-none-match"]
        try:
            await self._app({**scope, "headers": headers, "query_string": b""}, receive, send)
        except ConnectionError:
            await _unavailable()(scope, receive, send)


class _Remote:
    """Fetches one fixed address; nothing of the client's request but its `If-None-Match` is passed on."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._fetch(Request(scope).headers.get("if-none-match"))
        await response(scope, receive, send)

    async def _fetch(self, known: str | None) -> Response:
        headers = {} if known is None else {"if-none-match": known}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.get(self._url, headers=headers, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(_LARGEST_ANSWER + 1)
                while len(body) <= _LARGEST_ANSWER and (more := await answer.content.read(_LARGEST_ANSWER)):
                    body += more
                if answer.status not in (200, 304) or len(body) > _LARGEST_ANSWER:
                    return _unavailable()
                kept = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
                return Response(body, answer.status, kept)
        except (aiohttp.ClientError, TimeoutError):
            return _unavailable()


def _unavailable() -> Response:
    problem = {"code": "SUBGRAPH_UNREACHABLE", "message": "The subgraph does not answer; its documents are its own."}
    return JSONResponse({"error": problem}, 503)
