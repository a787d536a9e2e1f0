"""Which subgraphs can have the objects at a place of the answer, whatever plan is chosen.

By the fields that lead there, and by keys.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from botberi_gateway.query_graph import Host, QueryGraph, Resolver, key_parts

#: Concrete type -> the hosts that can have objects of it here. A root type isn't in it: every host that has the type
#: has it.
Reach: TypeAlias = Mapping[str, frozenset[Host]]


class Reaching:
    """Answers for one query graph, kept for one operation."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self._roots = frozenset((graph.roots["query"], graph.roots["mutation"], graph.roots["subscription"]))
        self._closures: dict[tuple[str, frozenset[Host]], frozenset[Host]] = {}

    def candidates(self, type_name: str, field: str, reach: Reach) -> tuple[Resolver, ...]:
        """The resolvers of the field of this concrete type that can have its objects."""
        resolvers = self.graph.resolvers(type_name, field)
        if type_name in self._roots:
            return resolvers
        hosts = reach.get(type_name, frozenset())
        return tuple(resolver for resolver in resolvers if resolver.host in hosts)

    def below(self, candidates: Iterable[Resolver]) -> Reach:
        """The hosts that can have the objects that a field gives which these resolve."""
        direct: dict[str, set[Host]] = {}
        for resolver in candidates:
            static = self.graph.subgraph_type(resolver.graph, resolver.field.type_name)
            if static is not None:
                for name in static.possible:
                    direct.setdefault(name, set()).add((resolver.graph, static.as_interface))
        return {name: self._with_keys(name, frozenset(hosts)) for name, hosts in direct.items()}

    def _with_keys(self, type_name: str, hosts: frozenset[Host]) -> frozenset[Host]:
        """These hosts, and those to which keys lead whose fields one of them gives."""
        closure = self._closures.get((type_name, hosts))
        if closure is None:
            reached = set(hosts)
            edges = [edge for edge in self.graph.key_edges(type_name) if edge.host not in reached]
            while more := [edge for edge in edges if self._has_key(type_name, edge.key, reached)]:
                reached.update(edge.host for edge in more)
                edges = [edge for edge in edges if edge.host not in reached]
            closure = self._closures[type_name, hosts] = frozenset(reached)
        return closure

    def _has_key(self, type_name: str, key: str, hosts: set[Host]) -> bool:
        """Whether each field of the key is resolved by one of the hosts."""
        return all(
            any(resolver.host in hosts for resolver in self.graph.resolvers(type_name, part.name))
            for part in key_parts(key)
        )
