"""Seven subgraphs of which each field is in three: a query that has very many plans."""

from typing import Any

from lab.bench.gateway.graph import Graph, SubgraphWorld

SUBGRAPHS = 7
FIELDS = 14
THINGS = 10
#: Objects below each other in the query.
DEPTH = 4


def graph() -> Graph:
    """`things { id f0 … f13 next { … } }`; `next` is everywhere, field `k` in the subgraphs `k`, `k + 1`, `k + 2`."""
    rows = [{"id": f"t{number}", "next": {"$ref": ["Thing", f"t{(number + 1) % THINGS}"]}} for number in range(THINGS)]
    return Graph("choices", {f"shared{number}": _subgraph(number, rows) for number in range(SUBGRAPHS)})


def _subgraph(number: int, rows: list[dict[str, Any]]) -> SubgraphWorld:
    own = [k for k in range(FIELDS) if (number - k) % SUBGRAPHS < 3]
    fields = " ".join(f"f{k}: Int! @shareable" for k in own)
    root = "type Query { things: [Thing!]! @shareable }" if number < 2 else ""
    return SubgraphWorld(
        f'type Thing @key(fields: "id") {{ id: ID! next: Thing! @shareable {fields} }}\n{root}',
        {"Thing": {"keys": ["id"], "shared": {f"f{k}": k for k in own}, "rows": rows}},
        {"Query": {"things": {"$rows": "Thing"}}} if number < 2 else {},
    )


def query(mark: str = "") -> str:
    """Every field at every depth; `mark` makes its text another."""
    fields = " ".join(f"f{k}" for k in range(FIELDS))
    inner = f"id {fields}"
    for _ in range(DEPTH - 1):
        inner = f"id {fields} next {{ {inner} }}"
    return f"query Choices{mark} {{ a{mark}: things {{ {inner} }} }}"
