"""The federation audit as its runner sees it: over HTTP, on the supergraph given and on the one we compose."""

from collections.abc import Iterator

import aiohttp
import pytest
from starlette.applications import Starlette

from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.transport.app import GraphQLApp
from botberi_gateway.transport.route import GraphQLRoute
from gateway.tests.support import federation
from gateway.tests.support.live_server import LiveServer, live


def given(suite: federation.Suite, base_url: str) -> Gateway:
    """As `serve --supergraph FILE --subgraph NAME=URL …` makes it."""
    addresses = {name: f"{base_url}/{suite.name}/{name}" for name in suite.subgraphs}
    return Gateway.from_supergraph(suite.supergraph_sdl, addresses)


def composed(suite: federation.Suite, base_url: str) -> Gateway:
    """As `serve --subgraphs FILE.json` makes it."""
    return Gateway.from_subgraphs(
        {name: SubgraphSource(sdl, url=f"{base_url}/{suite.name}/{name}") for name, sdl in suite.subgraphs.items()}
    )


WAYS = {"given": given, "composed": composed}


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """All gateways in one server, as `/WAY/SUITE`."""
    with federation.served() as base_url:

        def make() -> Starlette:
            return Starlette(
                routes=[
                    GraphQLRoute(f"/{name}/{suite.name}", GraphQLApp(way(suite, base_url)))
                    for name, way in WAYS.items()
                    for suite in federation.suites()
                ]
            )

        with live(make) as server:
            yield server


@federation.needs_suites("151 operations on 30 graphs: each asked of a served gateway")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("suite", federation.suites(), ids=lambda suite: suite.name)
async def test_every_case_over_http(suite: federation.Suite, way: str, server: LiveServer) -> None:
    federation.reset()
    async with aiohttp.ClientSession() as session:
        for case in suite.cases:
            async with session.post(f"{server.url}/{way}/{suite.name}", json={"query": case.query}) as response:
                case.check(await response.json())
