"""How much of a selection a subgraph can't answer by itself, and how many requests the rest would take at least."""

from collections.abc import Iterable

from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph


class Estimator:
    """Memoised for one operation; it rates, it never decides what is possible."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._escapes: dict[tuple[int, str, str], tuple[frozenset[str], ...]] = {}
        self._kept: list[tuple[Field, ...]] = []

    def escapes(self, fields: tuple[Field, ...], graph: str, static: str) -> tuple[frozenset[str], ...]:
        """For each field that `graph` doesn't resolve below an object of its type `static`: the subgraphs that do."""
        key = (id(fields), graph, static)
        found = self._escapes.get(key)
        if found is None:
            self._kept.append(fields)  # keeps the id valid
            found = self._escapes[key] = tuple(self._search(fields, graph, static))
        return found

    def _search(self, fields: Iterable[Field], graph: str, static: str) -> Iterable[frozenset[str]]:
        own = self.graph.subgraph_type(graph, static)
        if own is None:
            return
        for field in fields:
            if field.is_typename:
                continue
            types = own.possible if field.types is None else own.possible & field.types
            missing = types - self.graph.local_types(graph, static, field.name)
            if missing:
                yield frozenset(r.graph for r in self.graph.resolvers(min(missing), field.name))
            elif types and field.children:
                below = own.fields.get(field.name)
                if below is None:
                    concrete = self.graph.subgraph_type(graph, min(types))
                    below = concrete.fields.get(field.name) if concrete else None
                if below is not None:
                    yield from self.escapes(field.children, graph, below.type_name)

    def cover(self, missing: Iterable[frozenset[str]], given: set[str]) -> int:
        """Subgraphs that a greedy cover needs beside those given."""
        open_sets = {graphs for graphs in missing if graphs and graphs.isdisjoint(given)}
        count = 0
        while open_sets:
            tally: dict[str, int] = {}
            for graphs in open_sets:
                for name in graphs:
                    tally[name] = tally.get(name, 0) + 1
            best = min(tally, key=lambda name: (-tally[name], name))
            open_sets = {graphs for graphs in open_sets if best not in graphs}
            count += 1
        return count
