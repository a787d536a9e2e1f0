"""A subgraph's name and its databases -> its ASGI app, inside the gateway's process or as a service of its own."""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from botberi.run import logs
from botberi.run.errors import StartError
from botberi.run.serving import serving
from botberi.run.supervisor import Part, Ready
from botberi.wiring.internal_call import LocalCall
from botberi_gateway.server import PortTakenError, bind
from shared_schema.settings import SettingsError
from subgraphs.common.assertion import SAME_PROCESS
from subgraphs.common.settings import SubgraphSettings

logger = logging.getLogger(__name__)

NAMES: Final[tuple[str, ...]] = ("identity", "catalog", "instance")
#: Port on which each listens as a service of its own, unless the settings name another.
DEFAULT_PORTS: Final[Mapping[str, int]] = {"identity": 8081, "catalog": 8082, "instance": 8083}


def sdl_file(name: str) -> Path:
    """The printed SDL of a subgraph, which its own tests keep true."""
    module = importlib.import_module(f"subgraphs.{name}")
    assert module.__file__ is not None
    return Path(module.__file__).parent / "schema.graphql"


def make_app(name: str, overrides: Mapping[str, Any], jwks: Callable[[], Mapping[str, Any]] | None) -> Starlette:
    """A fresh app; `overrides` win over the environment. Imported late: a gateway alone loads no SQLAlchemy."""
    settings_class = getattr(importlib.import_module(f"subgraphs.{name}.settings"), f"{name.capitalize()}Settings")
    settings: SubgraphSettings = settings_class(**overrides)
    try:
        app: Starlette = importlib.import_module(f"subgraphs.{name}.app").create_app(settings, jwks=jwks)
    except SettingsError as error:
        raise StartError(str(error)) from None
    return app


class LocalSubgraph:
    """A subgraph in this process: an ASGI app for the gateway's client, alive while its part runs."""

    def __init__(self, name: str, make: Callable[[], Starlette]) -> None:
        self.name = name
        self._make = make
        self._app: Starlette | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, its log lines the subgraph's."""
        if self._app is None:
            raise ConnectionError(f"{self.name} is not running")
        with logs.speaking_as(self.name):
            # Only the gateway in this process gets here, and vouches for its callers without a signature.
            await self._app({**scope, SAME_PROCESS: True}, receive, send)

    def part(self) -> Part:
        """The part that keeps it alive."""
        return Part(self.name, self._run)

    async def _run(self, ready: Ready) -> None:
        app = self._make()
        async with app.router.lifespan_context(app):
            self._app = app
            try:
                await _until_healthy(app)
                ready("in the gateway's process")
                await asyncio.Event().wait()
            finally:
                self._app = None


def served_part(name: str, make: Callable[[], Starlette], host: str, port: int) -> Part:
    """A subgraph that listens on a port of its own."""

    async def run(ready: Ready) -> None:
        app = make()
        try:
            listener = bind(host, port)
        except PortTakenError as error:
            raise StartError(f"{error} (--port or BOTBERI_PORT)") from None
        async with serving(app, listener) as task:
            await _until_healthy(app)
            ready(f"http://{host}:{port}")
            await asyncio.wait({task})
            task.result()

    return Part(name, run)


async def _until_healthy(app: ASGIApp) -> None:
    """Until `/health` says so; the supervisor bounds the wait."""
    call = LocalCall(app)
    while True:
        with contextlib.suppress(Exception):
            if (await call.get("/health"))[0] == 200:
                return
        await asyncio.sleep(0.2)
