"""Settings -> the instance subgraph's ASGI app."""

from __future__ import annotations

from starlette.applications import Starlette

from shared_schema.artifacts import make_storage
from subgraphs.common.app import Keys, Subgraph
from subgraphs.common.caller import Caller, RequestFacts
from subgraphs.instance.context import Context, Files
from subgraphs.instance.scheduling import ScheduleService
from subgraphs.instance.schema import build_schema, sdl
from subgraphs.instance.service import InstanceService
from subgraphs.instance.settings import InstanceSettings

__all__ = ["create_app", "sdl"]


def create_app(settings: InstanceSettings | None = None, *, jwks: Keys | None = None) -> Starlette:
    """The app; `jwks` gives the gateway's public keys in place of the file or URL of the settings."""
    settings = settings or InstanceSettings()
    subgraph = Subgraph("instance", settings, settings.require_shared_database_url(), jwks)
    storage = make_storage(settings)
    service = InstanceService(subgraph.store, settings, subgraph.checks, storage)
    schedules = ScheduleService(subgraph.store, settings, subgraph.checks)
    files = Files(storage, settings.artifact_url_seconds)

    def context(caller: Caller, facts: RequestFacts) -> Context:
        return Context(caller, subgraph.store, facts, service=service, schedules=schedules, files=files)

    return subgraph.app(build_schema(settings), context)
