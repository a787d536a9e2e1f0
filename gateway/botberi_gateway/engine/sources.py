"""Subgraphs' SDLs, and ways to reach them -> their supergraph and clients."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from graphql import parse

from botberi_gateway import errors
from botberi_gateway.config import EngineConfig
from botberi_gateway.errors import GatewayError, SubgraphError
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.supergraph.features import Unenforced, admit, unenforced_links
from botberi_gateway.upstream import AsgiClient, HttpClient
from botberi_gateway.upstream.port import SubgraphClient, SubgraphRequest

logger = logging.getLogger(__name__)

COMPOSITION_FAILED: Final = "COMPOSITION_FAILED"


class CompositionError(GatewayError):
    """The subgraphs do not compose. `errors` are those of composition, with subgraph, type, field and line."""

    code = COMPOSITION_FAILED

    def __init__(self, problems: Sequence[Any]) -> None:
        super().__init__("The subgraphs do not compose:\n" + "\n".join(f"  {error}" for error in problems))
        self.errors = tuple(problems)


@dataclass(frozen=True, slots=True)
class SubgraphSource:
    """A subgraph's SDL, and one way to reach it: a client, an ASGI app in this process, or a URL."""

    sdl: str
    url: str | None = None
    app: Any = None
    client: SubgraphClient | None = None
    #: Where the ASGI app has its GraphQL endpoint.
    path: str = "/graphql"

    def connect(self, name: str, config: EngineConfig | None = None) -> SubgraphClient:
        """The client; where only an app or a URL was given, a new one with the configuration's limits."""
        config = config or EngineConfig()
        if self.client is not None:
            return self.client
        if self.app is not None:
            return AsgiClient(name, self.app, config.in_process, path=self.path)
        if self.url is not None:
            return HttpClient(name, self.url, config.subgraphs.get(name, config.subgraph))
        raise ValueError(f"Subgraph {name!r} has neither a client, nor an app, nor a URL.")


def compose_sources(subgraphs: Mapping[str, SubgraphSource]) -> Supergraph:
    """The supergraph of these subgraphs. Raises `CompositionError`; hints are logged."""
    # Here, as a gateway that is given its supergraph starts faster without.
    from botberi_gateway.composition import Subgraph, compose

    composition = compose([Subgraph(name=n, url=s.url, sdl=s.sdl) for n, s in subgraphs.items()])
    for hint in composition.hints:
        logger.info("composition hint: %s", hint)
    if composition.supergraph is None:
        raise CompositionError(composition.errors)
    return composition.supergraph


def check_sources(subgraphs: Mapping[str, SubgraphSource], allow_unenforced: Collection[str]) -> None:
    """Raises `SupergraphError` where a subgraph links an unknown feature `for: SECURITY` or `for: EXECUTION`.

    The supergraph doesn't show it: composition, like Apollo's, drops the purpose of features that it doesn't know.
    """
    unenforced: dict[str, Unenforced] = {}
    for source in subgraphs.values():
        if "SECURITY" in source.sdl or "EXECUTION" in source.sdl:
            unenforced.update(
                (feature.name, feature) for feature in unenforced_links(parse(source.sdl, no_location=True))
            )
    admit(unenforced.values(), allow_unenforced)


async def fetch_sdl(
    name: str, client: SubgraphClient, timeout_seconds: float = 10.0, headers: Mapping[str, str] | None = None
) -> str:
    """A running subgraph's SDL, by `_service { sdl }` of the federation specification. Raises `SubgraphError`."""
    request = SubgraphRequest(
        "query SubgraphSdl { _service { sdl } }",
        operation_name="SubgraphSdl",
        headers=headers or {},
        timeout=timeout_seconds,
    )
    response = await client.execute(request)
    sdl: Any = None
    with suppress(TypeError, KeyError):
        sdl = (response.data or {})["_service"]["sdl"]
    if not isinstance(sdl, str):
        reason = response.errors[0].get("message") if response.errors else "it has no `_service { sdl }`"
        raise SubgraphError(name, f"{name} gives no SDL: {reason}", code=errors.SUBGRAPH_INVALID_RESPONSE)
    return sdl
