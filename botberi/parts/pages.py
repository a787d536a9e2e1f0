"""Pages of a part without requests of its own: `/health` (it lives), `/ready` (it works), `/metrics`."""

import asyncio
from collections.abc import Callable, Mapping

from prometheus_client import REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from botberi.run.errors import StartError
from botberi.run.serving import serving
from botberi.run.supervisor import Part, Ready
from botberi_gateway.server import PortTakenError, bind
from botberi_gateway.server.metrics import CONTENT_TYPE

#: What keeps a process from its work at this moment, by the name of what is missing.
Problems = Callable[[], Mapping[str, str]]


def make_app(problems: Problems) -> Starlette:
    """The pages."""

    def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def ready(_: Request) -> Response:
        reasons = problems()
        if reasons:
            return JSONResponse({"status": "unavailable", "problems": dict(reasons)}, 503)
        return JSONResponse({"status": "ready"})

    def metrics(_: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)])


def part(host: str, port: int, problems: Problems) -> Part:
    """The part that serves them, until the end of those whose pages they are."""

    async def run(ready: Ready) -> None:
        try:
            listener = bind(host, port)
        except PortTakenError as error:
            raise StartError(f"{error} (BOTBERI_METRICS_PORT)") from None
        async with serving(make_app(problems), listener) as task:
            ready(f"http://{host}:{port}/ready")
            await asyncio.wait({task})
            task.result()

    return Part("pages", run)
