"""`GatewayConfig`, the root of the configuration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from botberi_gateway.config.engine import EngineConfig
from botberi_gateway.config.graph import GraphConfig, NamedGraphConfig
from botberi_gateway.config.plugins import PluginConfig
from botberi_gateway.config.server import LogConfig, ServerConfig
from botberi_gateway.config.setting import branch, setting
from botberi_gateway.config.transport import TransportConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All limits and settings. A server takes the whole, `GraphQLApp` its `transport`, `Gateway` its `engine`."""

    watch: bool = setting(
        False,
        "Whether the configuration's file is read again when it changes. SIGHUP has it read in any case.",
        option="--watch/--no-watch",
        restart=True,
    )
    graphs: Mapping[str, NamedGraphConfig] = setting(
        {},
        "Further graphs, or variants of the graph, by name. In a file, what an entry doesn't say is as in `graph`.",
        item=NamedGraphConfig,
        inherits="graph",
    )
    plugins: Sequence[PluginConfig] = setting(
        (), "Plug-ins, in the order of their hooks.", item=PluginConfig, restart=True
    )
    server: ServerConfig = branch(ServerConfig, "Connections, pages beside GraphQL, stopping.")
    transport: TransportConfig = branch(TransportConfig, "The GraphQL endpoint.")
    engine: EngineConfig = branch(EngineConfig, "Preparing and running operations.")
    graph: GraphConfig = branch(GraphConfig, "Where the graph comes from.")
    log: LogConfig = branch(LogConfig, "Log lines.")

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it."""
        if self.graphs and not self.graph.is_set:
            yield "graphs", "beside further graphs, the first one (graph) needs a supergraph or subgraphs"
        paths, headers = [self.server.path.rstrip("/")], []
        for name, graph in self.graphs.items():
            if graph.path is not None and graph.path.rstrip("/") in paths:
                yield f"graphs.{name}.path", f"{graph.path!r} is another graph's path"
            if graph.header is not None and graph.header in headers:
                yield f"graphs.{name}.header", f"{graph.header!r} is another graph's"
            paths += [] if graph.path is None else [graph.path.rstrip("/")]
            headers += [] if graph.header is None else [graph.header]
