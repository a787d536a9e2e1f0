"""Settings -> identity's ASGI app."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Route

from subgraphs.common.app import Keys, Subgraph
from subgraphs.common.audit import into_log
from subgraphs.common.caller import Caller, RequestFacts
from subgraphs.identity.context import Context
from subgraphs.identity.passwords import Passwords
from subgraphs.identity.rest import ENDPOINTS
from subgraphs.identity.schema import build_schema, sdl
from subgraphs.identity.service import IdentityService
from subgraphs.identity.settings import IdentitySettings
from subgraphs.identity.verify import VerifyEndpoint

__all__ = ["create_app", "sdl"]


def create_app(settings: IdentitySettings | None = None, *, jwks: Keys | None = None) -> Starlette:
    """The app; `jwks` gives the gateway's public keys in place of the file or URL of the settings."""
    settings = settings or IdentitySettings()
    subgraph = Subgraph("identity", settings, settings.require_user_database_url(), jwks, into_log, secured=False)
    passwords = Passwords(settings)
    service = IdentityService(subgraph.store, settings, passwords)
    verify = VerifyEndpoint(subgraph.verifier, subgraph.store, settings, subgraph.denials, subgraph.logger)

    def context(caller: Caller, facts: RequestFacts) -> Context:
        return Context(caller, subgraph.store, facts, service=service, settings=settings)

    return subgraph.app(
        build_schema(settings),
        context,
        routes=[Route("/internal/verify", verify.__call__, methods=["POST"])],
        endpoints=ENDPOINTS,
        on_close=[passwords.close],
    )
