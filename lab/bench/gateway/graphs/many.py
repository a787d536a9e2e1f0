"""A number -> a graph of so many subgraphs, each with its own field of the same entity: cost by number of subgraphs."""

from lab.bench.gateway.graph import Graph, SubgraphWorld

THINGS = 10
SIZES = (3, 10, 30, 100)


def graph(subgraphs: int) -> Graph:
    """`things { id f0 f1 … }`: `f0` is with the list, each further field in a subgraph of its own."""
    rows = [{"id": f"t{number}"} for number in range(THINGS)]
    made = {
        "part0": SubgraphWorld(
            'type Thing @key(fields: "id") { id: ID! f0: Int! }\nextend type Query { things: [Thing!]! }',
            {"Thing": {"keys": ["id"], "shared": {"f0": 0}, "rows": rows}},
            {"Query": {"things": {"$rows": "Thing"}}},
        )
    }
    for number in range(1, subgraphs):
        made[f"part{number}"] = SubgraphWorld(
            f'extend type Thing @key(fields: "id") {{ id: ID! @external f{number}: Int! }}',
            {"Thing": {"keys": ["id"], "shared": {f"f{number}": number}, "rows": rows}},
        )
    return Graph(f"many{subgraphs}", made)


def query(subgraphs: int) -> str:
    """One that needs so many of them."""
    return "query { things { id " + " ".join(f"f{number}" for number in range(subgraphs)) + " } }"
