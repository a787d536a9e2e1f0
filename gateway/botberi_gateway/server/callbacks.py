"""Routes for results of subscriptions that subgraphs send (HTTP callback protocol)."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from botberi_gateway.config import EngineConfig, SubgraphConfig, SubscriptionProtocol
from botberi_gateway.transport.body import ClientGone, read_body
from botberi_gateway.transport.problem import HttpProblem
from botberi_gateway.upstream.subscriptions.expected import CALLBACKS

_HEADERS: Final = {"subscription-protocol": "callback"}
_BODY_TIMEOUT_SECONDS: Final = 10.0


def callback_routes(config: EngineConfig) -> list[Route]:
    """A route for each path that the configuration's callback addresses have."""
    paths = dict.fromkeys(_paths((config.subgraph, *config.subgraphs.values())))
    return [Route(f"{path}/{{id}}", _take, methods=["POST"]) for path in paths]


def _paths(subgraphs: Iterable[SubgraphConfig]) -> Iterable[str]:
    for subgraph in subgraphs:
        subscriptions = subgraph.subscriptions
        if subscriptions.protocol is not SubscriptionProtocol.CALLBACK:
            continue
        path = urlsplit(subscriptions.callback_url or "").path.rstrip("/")
        if not path:
            raise ValueError(
                "subscriptions by callback need a callback_url with a path, such as http://gateway/callback"
            )
        yield path


async def _take(request: Request) -> Response:
    identifier = request.path_params["id"]
    maximum = CALLBACKS.max_bytes(identifier)
    if not maximum:
        return Response(status_code=404, headers=_HEADERS)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        body = await read_body(request.receive, headers, maximum, _BODY_TIMEOUT_SECONDS)
    except HttpProblem as problem:
        return Response(status_code=problem.status, headers=_HEADERS)
    except ClientGone:
        return Response(status_code=400)
    return Response(status_code=CALLBACKS.take(identifier, body), headers=_HEADERS)
