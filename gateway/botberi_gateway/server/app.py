"""A gateway and a configuration -> a Starlette app: GraphQL, health, readiness, metrics, and routes of the user's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from botberi_gateway.config import GatewayConfig, PluginConfig, ServerConfig
from botberi_gateway.engine import Gateway
from botberi_gateway.plugins import Plugin, load_plugins
from botberi_gateway.plugins.hooks import Hooks
from botberi_gateway.plugins.installing import install
from botberi_gateway.schema_delivery import SchemaDelivery
from botberi_gateway.server.access import AccessLog
from botberi_gateway.server.callbacks import callback_routes
from botberi_gateway.server.graphs import GraphSelector, NamedGraph, labelled, names_in_use
from botberi_gateway.server.headers import security_headers
from botberi_gateway.server.logs import configure
from botberi_gateway.server.metrics import CONTENT_TYPE, Metrics
from botberi_gateway.server.pages import merge
from botberi_gateway.server.quick import QuickDoor
from botberi_gateway.server.reloading import Reloader
from botberi_gateway.transport.app import GraphQLApp
from botberi_gateway.transport.port import Authenticator, SubgraphHeaders
from botberi_gateway.transport.route import GraphQLRoute
from botberi_gateway.upstream.sharing import sharing
from botberi_gateway.upstream.uploads import uploading

logger = logging.getLogger(__name__)

#: Says why the gateway isn't ready, None when it is.
ReadinessCheck: TypeAlias = Callable[[], Awaitable[str | None]]
Lifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(
    gateway: Gateway,
    config: GatewayConfig | None = None,
    *,
    authenticator: Authenticator | None = None,
    subgraph_headers: SubgraphHeaders | None = None,
    routes: Sequence[BaseRoute] = (),
    checks: Mapping[str, ReadinessCheck] | None = None,
    lifespan: Lifespan | None = None,
    plugins: Sequence[Plugin] = (),
    delivery: SchemaDelivery | None = None,
    reloader: Reloader | None = None,
    graphs: Sequence[NamedGraph] = (),
) -> Starlette:
    """Make the app. It owns `gateway` and closes it at the end of its lifespan.

    `plugins` come after those of the configuration. Raises `PluginError` for one of those that can't be loaded.

    `delivery` keeps the gateway's graph up to date while the app runs, `reloader` its configuration. `graphs` are
    further graphs, each with its own gateway, by path or header.

    `app.state.drain()` (a coroutine function) ends sockets and streams; `botberi_gateway.server.serve` calls it before
    the server stops.
    """
    config = config or GatewayConfig()
    server = config.server
    if config.transport.uploads.enabled:
        gateway.wrap_clients(uploading)  # behind what counts requests
    metrics = _metrics(gateway, delivery, reloader) if server.metrics else None
    if server.share_subgraph_requests:
        joined = metrics.shared if metrics is not None else lambda _: None
        # In front of what counts requests: one that was saved is none.
        gateway.wrap_clients(lambda name, client: sharing(name, client, joined))
    loaded = [*load_plugins(config.plugins), *((plugin, PluginConfig()) for plugin in plugins)]
    hooks = Hooks(loaded) if loaded else None
    if hooks is not None:
        install(hooks, gateway)
    graphql = GraphQLApp(
        gateway,
        authenticator=authenticator,
        subgraph_headers=subgraph_headers,
        config=config.transport,
        observer=metrics,
        hooks=hooks,
    )
    further = [_further(graph, config, authenticator, subgraph_headers, hooks) for graph in graphs]
    apps = [graphql, *(app for app, _ in further)]
    delivered = [(gateway, delivery), *((graph.gateway, graph.delivery) for graph in graphs)]
    sources = [part.status.warnings for part in (*(each for _, each in delivered), reloader) if part is not None]
    state = _State(apps, server, checks or {}, sources)
    listeners: list[Callable[[GatewayConfig], None]] = [state.use, _use_log]

    async def apply(changed: GatewayConfig) -> str | None:
        if names_in_use(changed.graphs) != names_in_use(config.graphs):
            return "graphs: names, paths and headers of graphs can't change while the gateway runs"
        configured = [changed.graph, *(changed.graphs[graph.name] for graph in graphs)]
        undo: list[Callable[[], Awaitable[str | None]]] = []
        for (each, source), graph in zip(delivered, configured, strict=True):
            if source is None:
                continue
            back = partial(source.change, each, source.graph, source.engine)
            problem = await source.change(each, graph, changed.engine)
            if problem is not None:
                for change in undo:
                    await change()
                return problem
            undo.append(back)
        for app in apps:
            app.use(changed.transport)
        for listener in listeners:
            listener(changed)
        return None

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        tasks = set()
        for each, source in delivered:
            if source is not None:
                tasks.add(loop.create_task(source.run(each)))
        if reloader is not None:
            tasks.add(loop.create_task(reloader.run(apply)))
        try:
            if hooks is not None:
                await hooks.start()
            if lifespan is None:
                yield
            else:
                async with lifespan(app):
                    yield
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            await state.drain()
            for each, _ in delivered:
                await each.aclose()
            if hooks is not None:
                await hooks.stop()

    table: list[BaseRoute] = [Route("/health", state.health), Route("/ready", state.ready), *routes]
    table += callback_routes(config.engine)
    if metrics is not None:
        measured = metrics
        others = [(graph.name, each) for graph, (_, each) in zip(graphs, further, strict=True) if each is not None]

        def page() -> bytes:
            if not others:
                return measured.text()
            return merge([measured.text(), *(labelled(each.text(), name) for name, each in others)])

        async def scrape(request: Request) -> Response:
            pages = request.app.state.pages
            text = page() if pages is None else await pages.page()
            return Response(text, media_type=CONTENT_TYPE)

        table.append(Route("/metrics", scrape))
    # Last, as at path `/` it takes everything.
    by_header = {graph.header: app for graph, (app, _) in zip(graphs, further, strict=True) if graph.header is not None}
    table += [
        GraphQLRoute(graph.path, app) for graph, (app, _) in zip(graphs, further, strict=True) if graph.path is not None
    ]
    endpoint = GraphQLRoute(
        server.path, GraphSelector(graphql, server.graph_header, by_header) if by_header else graphql
    )
    table.append(endpoint)
    if server.path.rstrip("/"):
        table.append(Route("/", RedirectResponse(server.path, 307)))
    headers = security_headers(config.transport.public_url)
    logged = Middleware(AccessLog, log=server.access_log, headers=headers)
    app = Starlette(routes=table, middleware=[logged], lifespan=life)
    # A redirect to `path` for `path/` would go to whatever host the request names.
    app.router.redirect_slashes = False
    app.state.drain = state.drain
    app.state.stop_being_ready = state.stop_being_ready
    app.state.gateway = gateway
    app.state.metrics = metrics
    app.state.metrics_page = page if metrics is not None else None
    app.state.reloader = reloader
    #: They take each new configuration into use.
    app.state.config_listeners = listeners
    #: `SharedPages`, where several processes serve.
    app.state.pages = None
    # For a server that reads requests itself: the way around ASGI.
    app.state.graphql_route = endpoint
    sockets = AccessLog(graphql, log=server.access_log, headers=headers)
    app.state.quick_door = lambda: QuickDoor(
        graphql.core,
        server.path,
        headers,
        log=server.access_log,
        asgi_header=server.graph_header.lower() if by_header else None,
        # Where a header names the graph, the route chooses the app.
        socket_app=None if by_header else _below(server.path, sockets),
    )
    return app


def _further(
    graph: NamedGraph,
    config: GatewayConfig,
    authenticator: Authenticator | None,
    subgraph_headers: SubgraphHeaders | None,
    hooks: Hooks | None,
) -> tuple[GraphQLApp, Metrics | None]:
    """The app of a further graph, and its metrics."""
    if config.transport.uploads.enabled:
        graph.gateway.wrap_clients(uploading)
    metrics = _metrics(graph.gateway, graph.delivery, None) if config.server.metrics else None
    if hooks is not None:
        install(hooks, graph.gateway)
    app = GraphQLApp(
        graph.gateway,
        authenticator=authenticator,
        subgraph_headers=subgraph_headers,
        config=config.transport,
        observer=metrics,
        hooks=hooks,
    )
    return app, metrics


def _use_log(config: GatewayConfig) -> None:
    configure(config.log.format, config.log.level)


def _below(path: str, app: ASGIApp) -> ASGIApp:
    """The app for WebSockets at this path, without the routes and middleware that have nothing to do there."""
    root = path.rstrip("/")

    def mounted(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["root_path"] = scope.get("root_path", "") + root
        return app(scope, receive, send)

    return mounted


def _metrics(gateway: Gateway, delivery: SchemaDelivery | None, reloader: Reloader | None) -> Metrics:
    delivered = None if delivery is None else delivery.status
    return Metrics(gateway, delivered, None if reloader is None else reloader.status)


class _State:
    """Answers `/health` and `/ready`: whether this process wants requests."""

    def __init__(
        self,
        apps: Sequence[GraphQLApp],
        config: ServerConfig,
        checks: Mapping[str, ReadinessCheck],
        warnings: Sequence[Callable[[], Mapping[str, str]]],
    ) -> None:
        self._apps = apps
        self._warnings = warnings
        self._config = config
        self._checks = checks
        self._draining = False

    async def health(self, _: Request) -> Response:
        """Liveness: the process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Readiness: the process wants requests, and all checks of what it needs pass."""
        problems = {"gateway": "draining"} if self._draining else {}
        for name, check in self._checks.items():
            try:
                problem = await check()
            except Exception:
                logger.exception("the readiness check %s failed", name)
                problem = "the check failed"
            if problem is not None:
                problems[name] = problem
        if problems:
            return JSONResponse({"status": "unavailable", "problems": problems}, 503)
        # A refused graph or a subgraph that is down takes no gateway out of a load balancer: the old graph is served.
        warnings = {name: text for source in self._warnings for name, text in source().items()}
        return JSONResponse({"status": "ready", "warnings": warnings} if warnings else {"status": "ready"})

    def use(self, config: GatewayConfig) -> None:
        """Take another configuration from now on."""
        self._config = config.server

    async def drain(self) -> None:
        """Be not ready from now on, end sockets and streams, and wait for queries and mutations."""
        self._draining = True
        await asyncio.gather(*(app.drain(self._config.drain_timeout_seconds) for app in self._apps))

    async def stop_being_ready(self) -> None:
        """Say no at `/ready` and do nothing else, so that load balancers notice."""
        self._draining = True
