"""`GraphQLApp`: the gateway as a pure ASGI app, to be mounted anywhere: HTTP, SSE, WebSocket, GraphiQL."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from botberi_gateway.config import TransportConfig
from botberi_gateway.engine import Gateway
from botberi_gateway.single_flight import SingleFlight
from botberi_gateway.transport.compression import Compression
from botberi_gateway.transport.core import Core, RequestHooks
from botberi_gateway.transport.exchange import send_bytes
from botberi_gateway.transport.graphiql.page import PREFIX, GraphiQL
from botberi_gateway.transport.http import serve_http
from botberi_gateway.transport.identity import Identity, decode_headers
from botberi_gateway.transport.negotiate import prefers_html
from botberi_gateway.transport.origin import OriginPolicy
from botberi_gateway.transport.port import Authenticator, Observer, SubgraphHeaders
from botberi_gateway.transport.sse_single import SingleConnections
from botberi_gateway.transport.websocket import serve_socket
from botberi_gateway.upstream.uploads import uploading

logger = logging.getLogger(__name__)

_NOT_FOUND: Final = b'{"errors":[{"message":"Not found.","extensions":{"code":"NOT_FOUND"}}]}'


class GraphQLApp:
    """The ASGI app. In any Starlette app: `GraphQLRoute("/graphql", GraphQLApp(Gateway.from_subgraphs({…})))`."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        authenticator: Authenticator | None = None,
        subgraph_headers: SubgraphHeaders | None = None,
        config: TransportConfig | None = None,
        observer: Observer | None = None,
        hooks: RequestHooks | None = None,
    ) -> None:
        config = config or TransportConfig()
        self._authenticator, self._subgraph_headers = authenticator, subgraph_headers
        self._core = Core(gateway, self._identity(config), OriginPolicy.of(config), config)
        if config.sse_single_connection:
            self._core.event_connections = SingleConnections(self._core)
        if config.uploads.enabled:
            gateway.wrap_clients(uploading)
            self._core.takes_files = True
        self._core.hooks = hooks
        if observer is not None:
            self._core.observer = observer
        self._use_rest(config)

    def _identity(self, config: TransportConfig) -> Identity:
        return Identity(
            self._authenticator,
            self._subgraph_headers,
            config.forward_headers,
            config.response_headers,
            config.internal_headers,
            config.headers,
        )

    def _use_rest(self, config: TransportConfig) -> None:
        shares, packs = config.share_queries, bool(config.compression.encodings)
        self._core.sharing = SingleFlight(cancels=True, on_joined=self._core.observer.shared) if shares else None
        self._core.compression = Compression(config.compression) if packs else None
        self._graphiql = GraphiQL(config.graphiql_query) if config.graphiql else None

    def use(self, config: TransportConfig) -> None:
        """Take another configuration for requests from now on; open sockets and streams keep theirs.

        Raises `ValueError` where it can't be used.
        """
        self._core.use(config, self._identity(config), OriginPolicy.of(config))
        self._use_rest(config)

    @property
    def gateway(self) -> Gateway:
        """The gateway that executes operations."""
        return self._core.gateway

    @property
    def core(self) -> Core:
        """What answers requests, for a server that reads them itself (`transport.http.answer`)."""
        return self._core

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """The ASGI app: answers one request or one WebSocket."""
        root: str = scope.get("root_path", "").rstrip("/")
        path: str = scope.get("path", "")
        relative = path[len(root) :] if root and path.startswith(root) else path
        if scope["type"] == "websocket":
            if relative.strip("/") or not self._core.config.websocket.enabled:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
            await serve_socket(self._core, scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, relative, receive, send)
        else:
            raise RuntimeError(f"GraphQLApp doesn't understand scope type {scope['type']!r}.")

    async def _http(self, scope: Mapping[str, Any], relative: str, receive: Any, send: Any) -> None:
        if relative.strip("/"):
            if self._graphiql is not None and relative.startswith(PREFIX) and scope["method"] in ("GET", "HEAD"):
                headers = decode_headers(scope["headers"])
                await self._graphiql.serve_file(relative[len(PREFIX) :], headers, send)
            else:
                await send_bytes(send, 404, _NOT_FOUND, [(b"content-type", b"application/json")])
            return
        if scope["method"] == "GET" and self._graphiql is not None and b"query=" not in scope["query_string"]:
            headers = decode_headers(scope["headers"])
            if prefers_html(headers.get("accept")):
                await self._graphiql.serve_page(scope["path"], send)
                return
        await serve_http(self._core, scope, receive, send)

    async def drain(self, timeout_seconds: float = 30.0) -> None:
        """Prepare for the server's stop: refuse new sockets, end streams and sockets, wait for mutations.

        Sockets and mutations that still run after `timeout_seconds` are logged. Clients of streams and sockets connect
        again.
        """
        core = self._core
        core.draining.set()
        work = [asyncio.ensure_future(socket.drain()) for socket in list(core.sockets)] + list(core.unattended)
        if work:
            _, late = await asyncio.wait(work, timeout=timeout_seconds)
            if late:
                logger.warning("%d sockets or mutations were still running when the time was over", len(late))
