"""Addresses of subgraphs -> the gateway over all of them, composed at every start from their printed SDLs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from botberi.run.errors import StartError
from botberi.settings import GatewaySettings
from botberi_gateway.config import EngineConfig, ExecutionBudget, OperationLimits
from botberi_gateway.engine import CompositionError, Gateway, SubgraphSource
from botberi_gateway.errors import SupergraphError
from botberi_gateway.subscriptions.events import EventSource

#: Of our own subgraphs' errors: the id by which an operator finds in the log what happened.
ERROR_EXTENSIONS: Final = ("errorId",)

#: Items of a page of our own subgraphs where a client asks for no number (`subgraphs.common.pagination`, which a
#: gateway doesn't load).
PAGE_SIZE: Final = 20


def engine_config(settings: GatewaySettings) -> EngineConfig:
    """Limits of one document and of one operation."""
    document = OperationLimits(
        allow_introspection=settings.introspection,
        assumed_list_size=PAGE_SIZE,
        max_cost=settings.max_cost,
        max_root_mutations=settings.max_mutations,
    )
    budget = ExecutionBudget(
        max_answer_bytes=settings.max_answer_bytes,
        max_entities=settings.max_entities,
        max_fields=settings.max_fields,
        max_response_bytes=settings.max_response_bytes,
    )
    return EngineConfig(operation=document, budget=budget)


def make_gateway(
    sources: Mapping[str, SubgraphSource], event_source: EventSource | None, config: EngineConfig
) -> Gateway:
    """The gateway; raises `StartError` that lists what doesn't fit together."""
    try:
        return Gateway.from_subgraphs(
            sources, event_source=event_source, config=config, error_extensions=ERROR_EXTENSIONS
        )
    except (CompositionError, SupergraphError) as error:
        raise StartError(str(error)) from error


def source_at(url: str, sdl: str) -> SubgraphSource:
    """A subgraph as a service of its own; `url` is its base."""
    return SubgraphSource(sdl, url=url.rstrip("/") + "/graphql")


def read_sdl(path: Path) -> str:
    """A subgraph's printed SDL; raises `StartError`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StartError(f"The SDL {path} can't be read: {error.strerror}.") from None
