"""How much of a selection a subgraph can't answer by itself, and how many requests the rest would take at least."""

from collections.abc import Iterable

from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph


class Estimator:
    """Estimates for one operation, each made once. They rate routes; what is possible doesn't depend on them."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._unanswered: dict[tuple[int, str, str], tuple[frozenset[str], ...]] = {}
        #: Keeps the ids in the table's keys valid.
        self._selections: list[tuple[Field, ...]] = []

    def unanswered(self, fields: tuple[Field, ...], graph: str, static: str) -> tuple[frozenset[str], ...]:
        """Of each field of an object of type `static`, here or below, that `graph` doesn't give: who resolves it."""
        key = (id(fields), graph, static)
        known = self._unanswered.get(key)
        if known is None:
            self._selections.append(fields)
            known = self._unanswered[key] = tuple(self._search(fields, graph, static))
        return known

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
                    yield from self.unanswered(field.children, graph, below.type_name)

    def cover(self, unanswered: Iterable[frozenset[str]], subgraphs: set[str]) -> int:
        """How many more subgraphs than `subgraphs` a greedy cover of these fields takes."""
        uncovered = {graphs for graphs in unanswered if graphs and graphs.isdisjoint(subgraphs)}
        count = 0
        while uncovered:
            tally: dict[str, int] = {}
            for graphs in uncovered:
                for name in graphs:
                    tally[name] = tally.get(name, 0) + 1
            best = min(tally, key=lambda name: (-tally[name], name))
            uncovered = {graphs for graphs in uncovered if best not in graphs}
            count += 1
        return count
