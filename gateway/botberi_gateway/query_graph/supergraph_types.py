"""Supergraph -> facts about its own types: their kinds, fields' types, concrete types, and who sets which context."""

import weakref
from collections.abc import Mapping

from graphql import ListTypeNode, NamedTypeNode, NonNullTypeNode, StringValueNode, TypeNode

from botberi_gateway.federation.printed import printed_type
from botberi_gateway.query_graph.model import FieldType
from botberi_gateway.supergraph import Supergraph, SupergraphType

_COMPOSITE = ("OBJECT", "INTERFACE", "UNION")


class SupergraphTypes:
    """The ground floor of `QueryGraph`."""

    def __init__(self, supergraph: Supergraph) -> None:
        self._supergraph = weakref.ref(supergraph)
        self.types = supergraph.types
        self.graphs = supergraph.graphs
        self.roots = {
            "query": supergraph.query,
            "mutation": supergraph.mutation,
            "subscription": supergraph.subscription,
        }
        self._facts: dict[tuple[str, str], FieldType] = {}
        self._possible: dict[str, frozenset[str]] = {}
        self._implementations: dict[str, list[str]] | None = None
        self._bearers: dict[str, Mapping[str, str]] = {}
        self._directives: dict[str, frozenset[str]] = {}

    def directives_on(self, location: str) -> frozenset[str]:
        """Directives that subgraphs get as the client wrote them: composition keeps those that all subgraphs define."""
        names = self._directives.get(location)
        if names is None:
            supergraph = self._supergraph()
            assert supergraph is not None, "a supergraph outlives the planning for it"
            names = self._directives[location] = frozenset(
                d.name.value
                for d in supergraph.directive_definitions
                if any(place.value == location for place in d.locations)
                and d.name.value not in ("skip", "include", "defer", "stream")
            )
        return names

    def is_composite(self, name: str) -> bool:
        """Whether it is an object type, an interface or a union."""
        node = self.types.get(name)
        return node is not None and node.kind in _COMPOSITE

    def is_abstract(self, name: str) -> bool:
        """Whether it is an interface or a union."""
        return self.types[name].kind in ("INTERFACE", "UNION")

    def facts(self, type_name: str, field: str) -> FieldType:
        """The type of a field in the supergraph."""
        facts = self._facts.get((type_name, field))
        if facts is None:
            facts = self._facts[type_name, field] = type_facts(self.types[type_name].fields[field].type)
        return facts

    def possible(self, name: str) -> frozenset[str]:
        """The concrete types of the supergraph that this type can be."""
        possible = self._possible.get(name)
        if possible is None:
            possible = self._possible[name] = self._find_possible(self.types[name])
        return possible

    def _find_possible(self, node: SupergraphType) -> frozenset[str]:
        if node.kind == "OBJECT":
            return frozenset((node.name,))
        if node.kind == "UNION":
            return frozenset(node.members)
        if self._implementations is None:
            implementations: dict[str, list[str]] = {}
            for other in self.types.values():
                if other.kind == "OBJECT":
                    for interface in other.interfaces:
                        implementations.setdefault(interface, []).append(other.name)
            self._implementations = (
                implementations  # set when it is complete, as other threads may plan at the same time
            )
        possible = frozenset(self._implementations.get(node.name, ()))
        if not possible and any(join.is_interface_object for join in node.joins):
            # No type implements it, yet an `@interfaceObject` gives objects of it: of no other type than its own.
            return frozenset((node.name,))
        return possible

    def context_bearers(self, context: str) -> Mapping[str, str]:
        """Concrete types whose objects have the context -> the type that sets it.

        Their own, or an interface or union that they are in.
        """
        bearers = self._bearers.get(context)
        if bearers is None:
            setters = [node for node in self.types.values() if _sets(node, context)]
            by_type: dict[str, str] = {}
            # The type that sets it for the most types comes first: an interface's field is selected once.
            for node in sorted(setters, key=lambda n: (-len(self.possible(n.name)), n.name)):
                for name in self.possible(node.name):
                    by_type.setdefault(name, node.name)
            bearers = self._bearers[context] = by_type
        return bearers


def type_facts(node: TypeNode) -> FieldType:
    """The named type of a type node, its list levels and its text."""
    text, depth = printed_type(node), 0
    while not isinstance(node, NamedTypeNode):
        if isinstance(node, ListTypeNode):
            depth += 1
        assert isinstance(node, ListTypeNode | NonNullTypeNode)
        node = node.type
    return FieldType(node.name.value, depth, text)


def _sets(node: SupergraphType, context: str) -> bool:
    """Whether the type has `@context(name:)`, by whatever name a link imports the directive.

    Names of contexts begin with their subgraph's, so that no other directive's `name` is taken for one.
    """
    return any(
        a.name.value == "name" and isinstance(a.value, StringValueNode) and a.value.value == context
        for directive in node.directives
        for a in directive.arguments or ()
    )
