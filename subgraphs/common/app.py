"""A schema, its context and its database -> the ASGI app of a subgraph, with a lifespan that owns the pool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from shared_schema.database import Database, PoolOptions
from subgraphs.common.assertion import AssertionVerifier
from subgraphs.common.audit import Denials, Writer, by_event
from subgraphs.common.context import Store
from subgraphs.common.documents import Endpoint
from subgraphs.common.documents.service import service_routes
from subgraphs.common.endpoint import GraphQLEndpoint, Limits, MakeContext
from subgraphs.common.keys import Jwks, KeySource, mapping_keys
from subgraphs.common.metrics import SubgraphMetrics
from subgraphs.common.parameters import ParameterChecks
from subgraphs.common.schema import SubgraphSchema
from subgraphs.common.settings import SubgraphSettings

# Keys as the composition root has them: a source, a JWKS, or a callable that gives the present JWKS.
Keys = KeySource | Jwks | Callable[[], Jwks]

# Of the last refusals, into the audit log.
_CLOSE_SECONDS = 5.0


class Subgraph:
    """State that the parts of one subgraph's app share, made once and closed with the app."""

    def __init__(
        self,
        name: str,
        settings: SubgraphSettings,
        database_url: str,
        keys: Keys | None = None,
        audit: Writer | None = None,
        *,
        secured: bool = True,
    ) -> None:
        """`audit` writes into the audit log; by events where it is None. `secured`: see `Store`."""
        self.name = name
        self.settings = settings
        self.logger = logging.getLogger(f"subgraphs.{name}")
        self.metrics = SubgraphMetrics(name)
        self.verifier = AssertionVerifier(name, key_source(settings, keys))
        options = PoolOptions.from_settings(settings, application_name=f"botberi-{name}")
        self.store = Store(Database(database_url, options), secured=secured)
        self.audit = audit or by_event(name)
        self.denials = Denials(self.store, self.audit)
        self.checks = ParameterChecks(
            processes=settings.parameters_check_processes, seconds=settings.parameters_check_seconds
        )

    def app(
        self,
        schema: SubgraphSchema,
        make_context: MakeContext,
        *,
        routes: Sequence[BaseRoute] = (),
        endpoints: Sequence[Endpoint] = (),
        on_close: Sequence[Callable[[], Any]] = (),
    ) -> Starlette:
        """The ASGI app: `/graphql`, `/health`, `/metrics`, `/docs/<name>` and `routes`, which `endpoints` describe."""
        limits = Limits(
            body_bytes=self.settings.subgraph_max_body_bytes,
            seconds=self.settings.subgraph_request_timeout_seconds,
            max_fields=self.settings.subgraph_max_fields,
        )
        endpoint = GraphQLEndpoint(schema, self.verifier, make_context, limits, self.metrics, self.logger, self.denials)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            writing = asyncio.create_task(self.denials.run(), name="denials")
            try:
                yield
            finally:
                for close in on_close:
                    close()
                writing.cancel()
                await asyncio.wait({writing}, timeout=_CLOSE_SECONDS)
                await self.checks.aclose()
                await self.store.database.aclose()

        app = Starlette(
            routes=[
                Route("/graphql", endpoint.__call__, methods=["POST"]),
                Route("/health", self._health, methods=["GET"]),
                Route("/metrics", self.metrics.endpoint, methods=["GET"]),
                *service_routes(self.name, schema.sdl, endpoints),
                *routes,
            ],
            lifespan=lifespan,
        )
        # A program that runs the app in its own process watches the pool and scrapes the registry.
        app.state.subgraph = self
        return app

    async def _health(self, _: Request) -> JSONResponse:
        try:
            await self.store.database.ping()
        except Exception as problem:
            self.logger.error("Not healthy, the database does not answer: %r", problem)
            return JSONResponse({"status": "unavailable", "subgraph": self.name}, status_code=503)
        return JSONResponse({"status": "ok", "subgraph": self.name})


def key_source(settings: SubgraphSettings, keys: Keys | None) -> KeySource:
    """The keys that were handed over, or those that the settings name."""
    if keys is None:
        return settings.key_source()
    if hasattr(keys, "key"):
        return keys
    return mapping_keys(keys)
