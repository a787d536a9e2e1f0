"""SDL and a root value -> a gateway over one subgraph in this process."""

from typing import Any

from graphql import build_schema

from botberi_gateway.config import EngineConfig, OperationLimits
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.upstream import SchemaClient

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'


def local_gateway(
    sdl: str, root: Any = None, limits: OperationLimits | None = None, *, max_interpreted_runs: int = 2, **options: Any
) -> Gateway:
    """`sdl` uses none of federation's directives; `root` answers the root fields."""
    client = SchemaClient("only", build_schema(sdl), root_value=root)
    engine = EngineConfig(operation=limits or OperationLimits(), max_interpreted_runs=max_interpreted_runs)
    return Gateway.from_subgraphs({"only": SubgraphSource(LINK + sdl, client=client)}, config=engine, **options)


async def ask(gateway: Gateway, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The response as a client reads it. Raises `GatewayError` for what isn't executed."""
    result = await gateway.execute(GraphQLRequest(query, variables=variables or {}))
    return result.to_json()
