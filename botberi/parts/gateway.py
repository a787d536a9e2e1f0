"""The gateway over the platform's subgraphs: who calls, which events, and the public keys, plugged in."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from botberi import account_pages
from botberi.run.errors import StartError
from botberi.run.serving import serving
from botberi.run.supervisor import Part, Ready
from botberi.settings import GatewaySettings
from botberi.wiring import documents, readiness
from botberi.wiring.assertion import AssertionSigner
from botberi.wiring.auth import AssertionHeaders, PlatformAuthenticator
from botberi.wiring.forgetting import forgetting
from botberi.wiring.gateway_config import gateway_config
from botberi.wiring.internal_call import InternalCall
from botberi.wiring.keys import KeyRing
from botberi.wiring.nodes import NAME as NODES
from botberi.wiring.nodes import Nodes
from botberi.wiring.signing import SigningClient
from botberi.wiring.supergraph import make_gateway
from botberi.wiring.verifier import Verifier
from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.server import PortTakenError, bind, create_app, memory
from botberi_gateway.server.metrics import CONTENT_TYPE
from botberi_gateway.subscriptions.events import EventSource
from botberi_gateway.upstream.port import EncodedClient, SubgraphClient

logger = logging.getLogger(__name__)


def make_app(
    settings: GatewaySettings,
    ring: KeyRing,
    sources: Mapping[str, SubgraphSource],
    identity: InternalCall,
    event_source: EventSource | None,
    registries: Sequence[CollectorRegistry] = (),
    routes: Sequence[BaseRoute] = (),
    bus_problem: Callable[[], str | None] = lambda: None,
) -> Starlette:
    """The app, to be served; it owns what it is made of. `bus_problem` says why no events come, if none do."""
    signer = AssertionSigner(ring)
    verifier = Verifier(identity, signer)

    def keys(_: Request) -> Response:
        return JSONResponse(ring.jwks(), headers={"cache-control": "public, max-age=60"})

    def metrics(_: Request) -> Response:
        text = b"".join(generate_latest(registry) for registry in (REGISTRY, *registries))
        return Response(text, media_type=CONTENT_TYPE)

    nodes = Nodes({name: source.sdl for name, source in sources.items()}, signer)
    all_sources = {**sources, NODES: SubgraphSource(nodes.sdl, client=nodes.client())}
    config = gateway_config(settings)
    gateway = make_gateway(all_sources, event_source, config.engine)
    urls = {name: source.url for name, source in sources.items() if source.url is not None}

    def signing(name: str, client: SubgraphClient) -> SubgraphClient:
        if name not in urls:
            return client  # in this process
        assert isinstance(client, EncodedClient)
        return SigningClient(name, client, urls[name], signer)

    gateway.wrap_clients(signing)
    gateway.wrap_clients(lambda name, client: forgetting(client, verifier) if name == "identity" else client)
    gateway.wrap_clients(nodes.keep)
    return create_app(
        gateway,
        config,
        authenticator=PlatformAuthenticator(verifier, settings.cookies_are_secure, settings.key_environment),
        subgraph_headers=AssertionHeaders(signer),
        routes=[
            Route("/.well-known/jwks.json", keys),
            Route("/metrics/platform", metrics),
            *account_pages.routes(),
            *(_documents(settings, gateway, sources) if settings.documents else ()),
            *routes,
        ],
        checks=readiness.checks(identity, bus_problem),
        lifespan=verifier.lifespan,
    )


def _documents(
    settings: GatewaySettings, gateway: Gateway, sources: Mapping[str, SubgraphSource]
) -> Sequence[BaseRoute]:
    routes = list(documents.own_routes(gateway.supergraph, graphiql=settings.graphiql))
    for name, source in sources.items():
        if source.app is not None:
            routes += documents.local_routes(name, source.app)
        elif source.url is not None:
            routes += documents.remote_routes(name, source.url.removesuffix("/graphql"))
    return routes


def part(settings: GatewaySettings, make: Callable[[], Starlette], after: Sequence[str]) -> Part:
    """The part that serves it; an app is served once, so each start makes its own."""

    async def run(ready: Ready) -> None:
        app = make()
        try:
            listener = bind(settings.host, settings.port)
        except PortTakenError as error:
            raise StartError(f"{error} (--port or BOTBERI_PORT)") from None
        async with serving(app, listener, gateway_config(settings)) as task:
            # Requests come from now on, and other parts may take long to start: objects that exist now are not looked
            # at again for each of them.
            memory.settle()
            ready(f"http://{settings.host}:{settings.port}/graphql")
            # Not `await task`: being cancelled here must not cancel the server, which drains first.
            await asyncio.wait({task})
            task.result()

    return Part("gateway", run, after=after, stop_timeout=30.0)
