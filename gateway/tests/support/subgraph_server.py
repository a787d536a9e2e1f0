"""The toy graph's subgraphs over HTTP, as services of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi_gateway.upstream.port import SubgraphRequest
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, clients


def make_app(world: World) -> Starlette:
    """`/accounts` and `/reviews`, each a GraphQL endpoint."""
    table = clients(world)

    async def answer(request: Request) -> JSONResponse:
        body = await request.json()
        client = table[request.path_params["name"]]
        found = await client.execute(
            SubgraphRequest(
                body["query"], body.get("variables") or {}, body.get("operationName"), headers=dict(request.headers)
            )
        )
        return JSONResponse({"data": found.data, **({"errors": list(found.errors)} if found.errors else {})})

    return Starlette(routes=[Route("/{name}", answer, methods=["POST"])])


@contextmanager
def subgraph_services(world: World | None = None) -> Iterator[LiveServer]:
    """Both, on one free port."""
    with live(lambda: make_app(world or World())) as server:
        yield server
