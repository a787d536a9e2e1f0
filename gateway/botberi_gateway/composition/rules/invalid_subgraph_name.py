"""INVALID_SUBGRAPH_NAME, NO_SUBGRAPHS: each subgraph has a name of its own, which is not the reserved one.

https://www.apollographql.com/docs/graphos/reference/federation/errors#invalid_subgraph_name
"""

from collections.abc import Iterator, Sequence

from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.subgraph import Subgraph

#: Reserved: it stands for the supergraph itself in the paths that errors describe.
RESERVED = "_"


def check(subgraphs: Sequence[Subgraph]) -> Iterator[Problem]:
    if not subgraphs:
        yield Problem("NO_SUBGRAPHS", "There is nothing to compose: the set of subgraphs is empty.")
    seen: set[str] = set()
    for subgraph in subgraphs:
        if not subgraph.name.strip():
            yield Problem("INVALID_SUBGRAPH_NAME", "A subgraph has no name.")
        elif subgraph.name == RESERVED:
            yield Problem("INVALID_SUBGRAPH_NAME", f'"{RESERVED}" is reserved: name the subgraph otherwise.')
        elif subgraph.name in seen:
            yield Problem("INVALID_SUBGRAPH_NAME", f'Two subgraphs are named "{subgraph.name}".')
        seen.add(subgraph.name)
