"""Where the graph comes from: a supergraph, or subgraphs that the gateway composes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from botberi_gateway.config.setting import BYTES, SECONDS, branch, setting

_URLS = ("http://", "https://", "s3://")


@dataclass(frozen=True, slots=True)
class SchemaConfig:
    """Where one SDL comes from: `file`, `url` or `sdl`, at most one of them."""

    file: Path | None = setting(None, "A file with the SDL. A relative path begins at the configuration's folder.")
    url: str | None = setting(
        None,
        "A URL that answers GET with the SDL (`https://…`, with `ETag` or not), or an object of an S3-compatible "
        "bucket (`s3://bucket/key`, with the extra `s3` of this distribution).",
    )
    sdl: str | None = setting(None, "The SDL itself.")
    headers: Mapping[str, str] = setting({}, "Request headers for `url`, such as `authorization`.", secret=True)

    @property
    def is_set(self) -> bool:
        """Whether it names anything."""
        return self.file is not None or self.url is not None or self.sdl is not None

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        if sum(part is not None for part in (self.file, self.url, self.sdl)) > 1:
            yield "", "it needs one of file, url and sdl"
        if self.url is not None and not self.url.startswith(_URLS):
            yield "url", "it needs a URL that begins with http://, https:// or s3://"


@dataclass(frozen=True, slots=True)
class SubgraphSourceConfig:
    """One subgraph: where requests go, and where its SDL comes from."""

    url: str | None = setting(None, "Where requests go. With a supergraph: in place of the URL in it.")
    app: str | None = setting(
        None, "In place of `url`: an ASGI app in this process, as `module:attribute`, with GraphQL at `/graphql`."
    )
    introspection_url: str | None = setting(
        None, "Without `schema` the subgraph is asked for its SDL (`_service { sdl }`): here, in place of at `url`."
    )
    introspection_headers: Mapping[str, str] = setting({}, "Request headers for that question.", secret=True)
    schema: SchemaConfig = branch(SchemaConfig, "Where the subgraph's SDL comes from, if not from the subgraph itself.")

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        if self.url is not None and self.app is not None:
            yield "", "it needs one of url and app"
        for name, url in (("url", self.url), ("introspection_url", self.introspection_url)):
            if url is not None and not url.startswith(("http://", "https://")):
                yield name, "it needs a URL that begins with http:// or https://"
        if self.app is not None and not all(self.app.partition(":")):
            yield "app", "it needs module:attribute"


@dataclass(frozen=True, slots=True)
class ContractConfig:
    """The part of the graph that clients see, by `@tag`."""

    include_tags: Sequence[str] = setting((), "Only what has one of these tags is kept.")
    exclude_tags: Sequence[str] = setting((), "What has one of these tags is hidden.")
    hide_unreachable: bool = setting(False, "Whether types that nothing leads to any more are hidden.")

    @property
    def is_set(self) -> bool:
        """Whether it leaves out anything."""
        return bool(self.include_tags or self.exclude_tags or self.hide_unreachable)


@dataclass(frozen=True, slots=True)
class GraphConfig:
    """One graph: `supergraph`, or `subgraphs` alone, which are then composed here."""

    subgraphs: Mapping[str, SubgraphSourceConfig] = setting(
        {}, "The subgraphs by their names.", item=SubgraphSourceConfig
    )
    poll_interval_seconds: float = setting(
        10.0,
        "Time between two looks at URLs, buckets and subgraphs. 0: they are looked at once, at the start.",
        unit=SECONDS,
        minimum=0,
        option="--poll-interval",
    )
    watch_interval_seconds: float = setting(
        1.0, "Time between two looks at files. 0: they are read once, at the start.", unit=SECONDS, minimum=0
    )
    fetch_timeout_seconds: float = setting(10.0, "Time that one SDL may take to arrive.", unit=SECONDS)
    max_backoff_seconds: float = setting(
        60.0, "After failures the time between looks doubles, up to this one.", unit=SECONDS
    )
    max_sdl_bytes: int = setting(32 * 1024 * 1024, "One SDL.", unit=BYTES)
    state_folder: Path | None = setting(
        None,
        "A folder in which the last SDLs that were served are kept. With it the gateway starts although a subgraph or "
        "a URL is down, and says so in its log, at `/ready` and in its metrics.",
        option="--state-folder",
    )
    wait: bool = setting(
        False,
        "Whether the start waits for subgraphs and URLs that are down, in place of ending with an error.",
        option="--wait",
        restart=True,
    )
    mock_absent: bool = setting(
        False,
        "For development: whether a subgraph without a URL, or whose URL can't be reached, is answered for with "
        "invented data.",
    )
    warm_operations: int = setting(
        200, "Operations in use that are planned for a new graph before it is served.", unit="operations", minimum=0
    )
    warm_timeout_seconds: float = setting(10.0, "How long a new graph waits for these plans at most.", unit=SECONDS)
    supergraph: SchemaConfig = branch(SchemaConfig, "A supergraph that was composed elsewhere.")
    contract: ContractConfig = branch(ContractConfig, "The part of the graph that clients see.")

    @property
    def is_set(self) -> bool:
        """Whether it names any source."""
        return self.supergraph.is_set or bool(self.subgraphs)

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        yield from _problems_of_subgraphs(self)


@dataclass(frozen=True, slots=True)
class NamedGraphConfig(GraphConfig):
    """A further graph, or another variant of the first one, in the same process."""

    path: str | None = setting(None, "Where it is served.", restart=True)
    header: str | None = setting(
        None,
        "The value of the header `server.graph_header` by which it is chosen at the first graph's path.",
        restart=True,
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        yield from _problems_of_subgraphs(self)
        if not self.is_set:
            yield "", "it needs a supergraph or subgraphs"
        if self.path is None and self.header is None:
            yield "", "it needs a path, a header, or both"
        if self.path is not None and not (self.path.startswith("/") and self.path.rstrip("/")):
            yield "path", f"{self.path!r} is no path below the root"


def _problems_of_subgraphs(graph: GraphConfig) -> Iterator[tuple[str, str]]:
    for name, subgraph in graph.subgraphs.items():
        place = f"subgraphs.{name}"
        if graph.supergraph.is_set:
            if subgraph.schema.is_set:
                yield place, "beside a supergraph, a subgraph has no schema of its own"
        elif subgraph.url is None and subgraph.app is None and not (graph.mock_absent and subgraph.schema.is_set):
            yield place, "it needs a url or an app, where requests go"
