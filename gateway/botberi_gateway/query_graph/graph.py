"""Supergraph -> `QueryGraph`: who resolves a field of a concrete type, and by which keys objects enter subgraphs.

It has three floors: `SupergraphTypes`, `SubgraphTypes`, and here what follows from both. Nothing is computed before it
is asked for, and everything is kept, so that the graph of a large supergraph costs what its operations touch. Tables
only grow by facts of the (immutable) supergraph; filling one twice from two threads gives the same value.
"""

import weakref
from collections import OrderedDict
from typing import TypeAlias

from graphql import FieldNode, InlineFragmentNode, SelectionSetNode

from botberi_gateway.query_graph.field_set import KeyPart
from botberi_gateway.query_graph.labels import Labels, active_labels, default_labels
from botberi_gateway.query_graph.model import Host, KeyEdge, Promise, Resolver, SubgraphType
from botberi_gateway.query_graph.subgraph_types import SubgraphTypes
from botberi_gateway.supergraph import Supergraph

#: Sets of active labels for which a supergraph's query graphs are kept.
MAX_LABEL_SETS = 64


class QueryGraph(SubgraphTypes):
    """Answers for one supergraph and one set of active labels. `query_graph(supergraph)` makes it."""

    def __init__(self, supergraph: Supergraph, labels: Labels = default_labels) -> None:
        super().__init__(supergraph, labels)
        self._resolvers: dict[tuple[str, str], tuple[Resolver, ...]] = {}
        self._key_edges: dict[str, tuple[KeyEdge, ...]] = {}
        self._key_edges_into: dict[tuple[str, str, str], tuple[KeyEdge, ...]] = {}
        self._has_below: dict[tuple[str, str, KeyPart], bool] = {}
        self._local: dict[tuple[str, str, str], frozenset[str]] = {}
        self._common: dict[tuple[frozenset[str], str], frozenset[Host]] = {}
        self._fingerprints: dict[tuple[str, str], object] = {}
        self._by_promise: dict[tuple[str, frozenset[str], str], tuple[frozenset[str], ...]] = {}

    # ---- who resolves a field ---------------------------------------------------------------------------------------

    def resolvers(self, type_name: str, field: str) -> tuple[Resolver, ...]:
        """The subgraphs that resolve the field of this concrete type, be it with `@requires` or `@fromContext`."""
        key = (type_name, field)
        resolvers = self._resolvers.get(key)
        if resolvers is None:
            resolvers = self._resolvers[key] = tuple(self._find_resolvers(type_name, field))
        return resolvers

    def _find_resolvers(self, type_name: str, field: str) -> list[Resolver]:
        node = self.types[type_name]
        resolvers = []
        for name in [type_name, *node.interfaces] if node.kind == "OBJECT" else [type_name]:
            for graph in dict.fromkeys(join.graph for join in self.types[name].joins):
                subgraph_type = self.subgraph_type(graph, name)
                if subgraph_type is None or (name != type_name and not subgraph_type.is_interface_object):
                    continue
                own = subgraph_type.fields.get(field)
                if own is not None and not own.external:
                    resolvers.append(Resolver(graph, name, own, subgraph_type.as_interface))
        return resolvers

    def local_types(self, graph: str, static: str, field: str) -> frozenset[str]:
        """The concrete types that `static` can be in `graph`, and whose field `graph` resolves.

        It resolves the field without `@requires` or `@fromContext`.
        """
        key = (graph, static, field)
        types = self._local.get(key)
        if types is None:
            types = self._local[key] = self._find_local_types(self.subgraph_type(graph, static), field)
        return types

    def _find_local_types(self, subgraph_type: SubgraphType | None, field: str) -> frozenset[str]:
        if subgraph_type is None:
            return frozenset()
        if subgraph_type.is_interface_object or subgraph_type.kind == "OBJECT":
            own = subgraph_type.fields.get(field)
            return subgraph_type.possible if own is not None and own.is_local else frozenset()
        types = []
        for name in subgraph_type.possible:
            concrete = self.subgraph_type(subgraph_type.graph, name)
            own = concrete.fields.get(field) if concrete else None
            if own is not None and own.is_local:
                types.append(name)
        return frozenset(types)

    def common_hosts(self, types: frozenset[str], field: str) -> frozenset[Host]:
        """The hosts that all these concrete types enter by the same keys, and that resolve their field alike."""
        key = (types, field)
        hosts = self._common.get(key)
        if hosts is None:
            remaining: dict[Host, object] | None = None
            for name in types:
                own: dict[Host, object] = {}
                for r in self.resolvers(name, field):
                    keys = tuple(e.key for e in self.key_edges_into(name, r.graph, r.as_interface))
                    own[r.graph, r.as_interface] = (r.field.type_name, r.field.requires, r.field.contexts, keys)
                if remaining is None:
                    remaining = own
                else:
                    remaining = {host: way for host, way in remaining.items() if own.get(host) == way}
                if not remaining:
                    break
            hosts = self._common[key] = frozenset(remaining or ())
        return hosts

    def fingerprint(self, type_name: str, field: str) -> object:
        """Equal for concrete types that a planner may treat alike when it looks for the field."""
        key = (type_name, field)
        fingerprint = self._fingerprints.get(key)
        if fingerprint is None:
            resolvers = tuple(
                (
                    r.graph,
                    "" if r.type_name == type_name else r.type_name,
                    r.field.type_name,
                    r.field.requires,
                    r.field.contexts,
                )
                for r in self.resolvers(type_name, field)
            )
            edges = tuple(
                (e.graph, "" if e.type_name == type_name else e.type_name, e.key) for e in self.key_edges(type_name)
            )
            fingerprint = self._fingerprints[key] = (resolvers, edges)
        return fingerprint

    def promise(self, graph: str, type_name: str, field: str) -> Promise | None:
        """What `graph` says in `@provides` at the field of this type; None where it says nothing."""
        own = self.subgraph_type(graph, type_name)
        declared = own.fields.get(field) if own is not None else None
        return Promise(declared.type_name, declared.provides) if declared is not None and declared.provides else None

    def types_by_promise(self, graph: str, types: frozenset[str], field: str) -> tuple[frozenset[str], ...]:
        """These concrete types in groups of those whose field has the same `promise` in `graph`."""
        key = (graph, types, field)
        by_promise = self._by_promise.get(key)
        if by_promise is None:
            groups: dict[Promise | None, list[str]] = {}
            for name in sorted(types):
                groups.setdefault(self.promise(graph, name, field), []).append(name)
            by_promise = self._by_promise[key] = tuple(frozenset(names) for names in groups.values())
        return by_promise

    # ---- keys -------------------------------------------------------------------------------------------------------

    def key_edges(self, type_name: str) -> tuple[KeyEdge, ...]:
        """The keys by which objects of this type enter subgraphs.

        It may be an interface, for objects whose type isn't known.
        """
        edges = self._key_edges.get(type_name)
        if edges is None:
            edges = self._key_edges[type_name] = tuple(self._find_key_edges(type_name))
        return edges

    def _find_key_edges(self, type_name: str) -> list[KeyEdge]:
        node = self.types[type_name]
        edges = [
            KeyEdge(join.graph, type_name, join.key, type_name if join.is_interface_object else "")
            for join in node.joins
            if join.key and join.resolvable
        ]
        if node.kind == "OBJECT":
            edges += [
                KeyEdge(join.graph, interface, join.key, interface)
                for interface in node.interfaces
                for join in self.types[interface].joins
                if join.key and join.resolvable and join.is_interface_object
            ]
        return edges

    def key_edges_into(self, type_name: str, graph: str, as_interface: str) -> tuple[KeyEdge, ...]:
        """Those of `key_edges` that lead into `graph`, which takes the objects for what `as_interface` says."""
        key = (type_name, graph, as_interface)
        edges = self._key_edges_into.get(key)
        if edges is None:
            edges = self._key_edges_into[key] = tuple(
                e for e in self.key_edges(type_name) if e.graph == graph and e.as_interface == as_interface
            )
        return edges

    def own_key_edges(self, type_name: str, graph: str) -> tuple[KeyEdge, ...]:
        """All keys of the type in `graph`, those with `resolvable: false` too.

        Objects that came from there go back by them.
        """
        return tuple(
            KeyEdge(j.graph, type_name, j.key) for j in self.types[type_name].joins if j.key and j.graph == graph
        )

    def has_below(self, graph: str, type_name: str, part: KeyPart) -> bool:
        """Whether `graph` itself gives all that a key selects below one of its fields."""
        key = (graph, type_name, part)
        has_below = self._has_below.get(key)
        if has_below is None:
            own = self.subgraph_type(graph, type_name)
            field = own.fields.get(part.name) if own is not None else None
            has_below = (
                field is not None and part.below is not None and self._covers(graph, field.type_name, part.below)
            )
            self._has_below[key] = has_below
        return has_below

    def _covers(self, graph: str, type_name: str, selection: SelectionSetNode) -> bool:
        """Whether `graph` itself gives all of the selection."""
        own = self.subgraph_type(graph, type_name)
        if own is None:
            return False
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                name = node.type_condition.name.value if node.type_condition else type_name
                if not self._covers(graph, name, node.selection_set):
                    return False
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                if self.local_types(graph, type_name, node.name.value) != own.possible:
                    return False
                if node.selection_set is not None:
                    field = own.fields.get(node.name.value)
                    if field is None or not self._covers(graph, field.type_name, node.selection_set):
                        return False
        return True


_Graphs: TypeAlias = "tuple[weakref.ref[Supergraph], OrderedDict[frozenset[str], QueryGraph]]"
_GRAPHS: dict[int, _Graphs] = {}


def query_graph(supergraph: Supergraph, labels: frozenset[str] = frozenset()) -> QueryGraph:
    """The supergraph's query graph where these progressive overrides are active: made once for each set of labels.

    Supergraphs are distinguished by identity, as they are immutable. Of many label sets those that were used longest
    ago are forgotten.
    """
    identity = id(supergraph)
    known = _GRAPHS.get(identity)
    if known is None or known[0]() is not supergraph:
        known = (weakref.ref(supergraph, lambda _: _GRAPHS.pop(identity, None)), OrderedDict())
        _GRAPHS[identity] = known
    # Threads may plan at the same time: each step leaves the table in order.
    graph = known[1].pop(labels, None)
    if graph is None:
        graph = QueryGraph(supergraph, active_labels(labels))
    known[1][labels] = graph
    while len(known[1]) > MAX_LABEL_SETS:
        known[1].pop(next(iter(known[1])), None)
    return graph
