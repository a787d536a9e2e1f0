"""Settings -> the catalog's ASGI app."""

from __future__ import annotations

from starlette.applications import Starlette

from subgraphs.catalog.context import Context
from subgraphs.catalog.schema import build_schema, sdl
from subgraphs.catalog.service import CatalogService
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.app import Keys, Subgraph
from subgraphs.common.caller import Caller, RequestFacts

__all__ = ["create_app", "sdl"]


def create_app(settings: CatalogSettings | None = None, *, jwks: Keys | None = None) -> Starlette:
    """The app; `jwks` gives the gateway's public keys in place of the file or URL of the settings."""
    settings = settings or CatalogSettings()
    subgraph = Subgraph("catalog", settings, settings.require_shared_database_url(), jwks)
    service = CatalogService(subgraph.store, settings, subgraph.checks, subgraph.audit)

    def context(caller: Caller, facts: RequestFacts) -> Context:
        return Context(caller, subgraph.store, facts, service=service)

    return subgraph.app(build_schema(settings), context)
