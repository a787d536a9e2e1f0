"""Which subgraphs can have the objects at a place of the answer, whatever plan is chosen: by the fields that lead there, and by keys."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from botberi_gateway.query_graph import Host, QueryGraph, Resolver, key_parts

#: By concrete type: who can have objects of it here. A root type is anybody's who has it.
Reach: TypeAlias = Mapping[str, frozenset[Host]]


class Reaching:
    """Answers for one query graph, kept for one operation."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._roots = frozenset((graph.roots["query"], graph.roots["mutation"], graph.roots["subscription"]))
        self._closed: dict[tuple[str, frozenset[Host]], frozenset[Host]] = {}

    def candidates(self, type_name: str, field: str, reach: Reach) -> tuple[Resolver, ...]:
        """Who resolves the field of objects of this concrete type, and can have them."""
        resolvers = self.graph.resolvers(type_name, field)
        if type_name in self._roots:
            return resolvers
        hosts = reach.get(type_name, frozenset())
        return tuple(resolver for resolver in resolvers if resolver.host in hosts)

    def below(self, candidates: Iterable[Resolver]) -> Reach:
        """Who can have the objects that a field gives which these resolve."""
        direct: dict[str, set[Host]] = {}
        for resolver in candidates:
            static = self.graph.subgraph_type(resolver.graph, resolver.field.type_name)
            if static is not None:
                for name in static.possible:
                    direct.setdefault(name, set()).add((resolver.graph, static.as_interface))
        return {name: self._by_keys(name, frozenset(hosts)) for name, hosts in direct.items()}

    def _by_keys(self, type_name: str, hosts: frozenset[Host]) -> frozenset[Host]:
        """These hosts, and those that keys lead to whose fields some host gives."""
        found = self._closed.get((type_name, hosts))
        if found is None:
            reached = set(hosts)
            entries = [entry for entry in self.graph.entries(type_name) if entry.host not in reached]
            while more := [entry for entry in entries if self._has_key(type_name, entry.key, reached)]:
                reached.update(entry.host for entry in more)
                entries = [entry for entry in entries if entry.host not in reached]
            found = self._closed[type_name, hosts] = frozenset(reached)
        return found

    def _has_key(self, type_name: str, key: str, hosts: set[Host]) -> bool:
        return all(
            any(resolver.host in hosts for resolver in self.graph.resolvers(type_name, part.name))
            for part in key_parts(key)
        )
