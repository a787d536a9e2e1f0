"""SDLs and a configuration -> a supergraph and the clients of its subgraphs."""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.config import EngineConfig, GraphConfig, SubgraphSourceConfig
from botberi_gateway.engine import CompositionError, SubgraphSource, check_sources
from botberi_gateway.errors import SupergraphError
from botberi_gateway.schema_delivery.places import (
    BucketPlace,
    FilePlace,
    Place,
    SubgraphPlace,
    TextPlace,
    UrlPlace,
    shown_url,
)
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream import AsgiClient, HttpClient
from botberi_gateway.upstream.port import SubgraphClient

logger = logging.getLogger(__name__)

#: The name of the supergraph among the SDLs; no subgraph has an empty name.
SUPERGRAPH = ""


@dataclass(frozen=True, slots=True)
class ClientRecipe:
    """What a subgraph's client is made from; an equal one isn't made again."""

    config: Any
    url: str = ""
    app: str | None = None
    #: The SDL of the mock that answers where the subgraph can't.
    mocked: str | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a gateway serves."""

    supergraph: Supergraph
    clients: Mapping[str, SubgraphClient]
    made_from: Mapping[str, ClientRecipe] = field(default_factory=dict)


def places_of(graph: GraphConfig, engine: EngineConfig) -> dict[str, Place]:
    """The SDLs that a graph is made of, by subgraph, or the supergraph's under `SUPERGRAPH`."""
    if graph.supergraph.is_set:
        place = _schema_place(graph.supergraph, graph)
        assert place is not None
        return {SUPERGRAPH: place}
    return {name: _subgraph_place(name, subgraph, graph, engine) for name, subgraph in graph.subgraphs.items()}


def _schema_place(schema: Any, graph: GraphConfig) -> Place | None:
    if schema.sdl is not None:
        return TextPlace(schema.sdl)
    if schema.file is not None:
        return FilePlace(schema.file, graph.max_sdl_bytes)
    if schema.url is not None and schema.url.startswith("s3://"):
        return BucketPlace(schema.url, graph.max_sdl_bytes, graph.fetch_timeout_seconds)
    if schema.url is not None:
        return UrlPlace(schema.url, schema.headers, graph.max_sdl_bytes, graph.fetch_timeout_seconds)
    return None


def _subgraph_place(name: str, subgraph: SubgraphSourceConfig, graph: GraphConfig, engine: EngineConfig) -> Place:
    place = _schema_place(subgraph.schema, graph)
    if place is not None:
        return place
    url = subgraph.introspection_url or subgraph.url

    def connect() -> SubgraphClient:
        if url is None:
            assert subgraph.app is not None
            return AsgiClient(name, imported(subgraph.app), engine.in_process)
        return HttpClient(name, url, engine.subgraphs.get(name, engine.subgraph))

    place_shown = f"{subgraph.app}" if url is None else shown_url(url)
    return SubgraphPlace(name, place_shown, connect, subgraph.introspection_headers, graph.fetch_timeout_seconds)


def assemble(
    graph: GraphConfig,
    engine: EngineConfig,
    texts: Mapping[str, str],
    composer: Any,
    present: Assembled | None = None,
) -> Assembled:
    """Compose, or read the supergraph. Takes seconds for large graphs: it belongs in a thread.

    Clients of `present` are used again where nothing has changed for them. Raises `CompositionError`,
    `SupergraphError`.
    """
    if SUPERGRAPH in texts:
        supergraph = Supergraph.from_sdl(texts[SUPERGRAPH])
    else:
        supergraph = _composed(graph, engine, texts, composer)
    urls = {joined.name: joined.url for joined in supergraph.graphs.values()}
    unknown = sorted(set(graph.subgraphs) - set(urls)) if SUPERGRAPH in texts else []
    if unknown:
        raise SupergraphError(f"The supergraph has no subgraph {', '.join(unknown)}; it has {', '.join(urls)}.")
    if graph.contract.is_set:
        supergraph = _filtered(supergraph, graph)
    made_from = {name: _recipe(name, urls[name], graph, engine, texts.get(name)) for name in urls}
    nowhere = sorted(
        name
        for name, recipe in made_from.items()
        if recipe.app is None and recipe.mocked is None and not recipe.url.startswith(("http://", "https://"))
    )
    if nowhere:
        raise SupergraphError(f"The supergraph has no http(s) URL for subgraph {', '.join(nowhere)}.")
    clients = {}
    for name, recipe in made_from.items():
        if present is not None and present.made_from.get(name) == recipe:
            clients[name] = present.clients[name]
        else:
            clients[name] = _client(name, recipe)
    return Assembled(supergraph, clients, made_from)


def _recipe(name: str, url: str, graph: GraphConfig, engine: EngineConfig, sdl: str | None) -> ClientRecipe:
    subgraph = graph.subgraphs.get(name)
    if subgraph is not None and subgraph.app is not None:
        return ClientRecipe(engine.in_process, app=subgraph.app)
    if subgraph is not None and subgraph.url:
        url = subgraph.url
    return ClientRecipe(engine.subgraphs.get(name, engine.subgraph), url=url, mocked=sdl if graph.mock_absent else None)


def _client(name: str, recipe: ClientRecipe) -> SubgraphClient:
    if recipe.app is not None:
        return AsgiClient(name, imported(recipe.app), recipe.config)
    client = HttpClient(name, recipe.url, recipe.config) if recipe.url else None
    if recipe.mocked is not None:
        from botberi_gateway.upstream.mock import FallbackClient, mock_client

        mock = mock_client(name, recipe.mocked)
        return mock if client is None else FallbackClient(name, client, mock)
    assert client is not None
    return client


def _composed(graph: GraphConfig, engine: EngineConfig, texts: Mapping[str, str], composer: Any) -> Supergraph:
    # Here, as a gateway that is given its supergraph starts faster without.
    from botberi_gateway.composition import Subgraph

    composition = composer.compose([Subgraph(name, sdl, graph.subgraphs[name].url) for name, sdl in texts.items()])
    for hint in composition.hints:
        logger.info("composition hint: %s", hint)
    if composition.supergraph is None:
        raise CompositionError(composition.errors)
    check_sources({name: SubgraphSource(sdl) for name, sdl in texts.items()}, engine.allow_unenforced)
    supergraph: Supergraph = composition.supergraph
    return supergraph


def _filtered(supergraph: Supergraph, graph: GraphConfig) -> Supergraph:
    from botberi_gateway.composition import contract

    tags = graph.contract
    composition = contract(
        supergraph, include=tags.include_tags, exclude=tags.exclude_tags, hide_unreachable=tags.hide_unreachable
    )
    if composition.supergraph is None:
        raise CompositionError(composition.errors)
    return composition.supergraph


def imported(name: str) -> Any:
    """What `module:attribute` names. Raises `SupergraphError`."""
    module, _, attribute = name.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise SupergraphError(f"{name} can't be imported: {error}") from None
    return value
