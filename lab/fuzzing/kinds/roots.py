"""Root types under other names, and fields that lead back to the query root."""

from lab.fuzzing.maker import Maker
from lab.fuzzing.text import ROOTS, Kind


def add_roots(maker: Maker) -> None:
    """A graph in four has renamed roots in some subgraphs; another in four a field that gives the root again."""
    source = maker.kinds
    if source.random() < 0.25:
        for graph in maker.graphs.values():
            for root in ROOTS:
                if root in graph.blocks and source.random() < 0.6:
                    graph.roots[root] = source.choice((f"Root{root}", f"{root}Root", f"The{root}"))
    if source.random() < 0.25:
        name = source.choice([n for n in maker.names if "Query" in maker.graphs[n].blocks])
        graph = maker.graphs[name]
        parents = [b.name for b in graph.blocks.values() if b.kind is Kind.TYPE and b.name not in ("H0", "K0")]
        own = [e for e in maker.entities.values() if name in e.hosts]
        parents = [p for p in parents if p in ("Query", "Mutation") or p in {e.name for e in own}]
        for parent in source.sample(parents, min(len(parents), source.choice((1, 1, 2)))):
            type_ = source.choice(("Query", "Query!", "Query", "[Query!]"))
            graph.block(Kind.TYPE, parent).add("again", "", type_)
            maker.whole.block(Kind.TYPE, parent).add("again", "", type_)
