"""Supergraph -> lazily built tables: a type as one subgraph has it, who resolves a field, by which key one enters a subgraph.

Nothing is computed before it is asked for, and everything is kept, so that the graph of a large supergraph costs what its operations
touch. Tables only grow by facts of the (immutable) supergraph; filling one twice from two threads gives the same value.
"""

import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    InlineFragmentNode,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    SelectionSetNode,
    StringValueNode,
    TypeNode,
    parse_type,
)

from botberi_gateway.federation.printed import printed_type
from botberi_gateway.query_graph.field_set import KeyPart
from botberi_gateway.query_graph.labels import Labels, active_labels, default_labels
from botberi_gateway.supergraph import ContextArgument, JoinField, Supergraph, SupergraphField, SupergraphType

#: Sets of active labels that a supergraph's query graphs are kept for.
MAX_LABEL_SETS = 64


@dataclass(frozen=True, slots=True)
class SubgraphField:
    """A field as one subgraph has it. `external` ones are resolvable only where `@provides` says so."""

    name: str
    type_name: str
    list_depth: int
    shape: str
    external: bool = False
    requires: str | None = None
    provides: str | None = None
    #: Arguments that come from an ancestor (`@fromContext`).
    contexts: tuple[ContextArgument, ...] = ()

    @property
    def needs_more(self) -> bool:
        """Being at an object isn't enough: other fields' values have to come along."""
        return bool(self.requires or self.contexts)

    @property
    def is_local(self) -> bool:
        """Whether an object in this subgraph gives the field, without more."""
        return not self.external and not self.requires and not self.contexts


@dataclass(frozen=True, slots=True)
class SubgraphType:
    """A composite type as one subgraph has it; `possible` are the concrete supergraph types it can be there."""

    graph: str
    name: str
    kind: str
    is_interface_object: bool
    fields: Mapping[str, SubgraphField]
    possible: frozenset[str]
    keys: tuple[str, ...]
    #: The supergraph doesn't say that the subgraph has the type (`JoinType.is_assumed`).
    is_assumed: bool = False

    @property
    def is_abstract(self) -> bool:
        """Objects need `__typename` to be told apart."""
        return self.kind != "OBJECT"

    @property
    def as_interface(self) -> str:
        """The type's name where the subgraph has it as `@interfaceObject`, else empty: see `Resolver.as_interface`."""
        return self.name if self.is_interface_object else ""


@dataclass(frozen=True, slots=True)
class Resolver:
    """`graph` resolves the field on `type_name` (the object type, or an interface that is an `@interfaceObject` there).

    `as_interface` is the interface for whose object the subgraph takes it, empty where it takes the object for what it is. A subgraph may have
    several interfaces of one type as `@interfaceObject`: being there as one of them gives no field of another.
    """

    graph: str
    type_name: str
    field: SubgraphField
    as_interface: str = ""
    #: Kept, as planning compares hosts all the time.
    host: "Host" = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", (self.graph, self.as_interface))


@dataclass(frozen=True, slots=True)
class Entry:
    """`graph` takes representations of `type_name` with `key`; `as_interface` as in `Resolver`."""

    graph: str
    type_name: str
    key: str
    as_interface: str = ""
    #: As in `Resolver`.
    host: "Host" = dataclass_field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", (self.graph, self.as_interface))


#: A subgraph, and the interface for whose objects it takes them (`Resolver.as_interface`).
Host: TypeAlias = tuple[str, str]


class Promise(NamedTuple):
    """A `@provides`: its field set, and the type that this is a field set of."""

    type_name: str
    provides: str


def type_facts(node: TypeNode) -> tuple[str, int, str]:
    """Name, number of list levels, and the type's text."""
    shape, depth = printed_type(node), 0
    while not isinstance(node, NamedTypeNode):
        if isinstance(node, ListTypeNode):
            depth += 1
        assert isinstance(node, ListTypeNode | NonNullTypeNode)
        node = node.type
    return node.name.value, depth, shape


def _sets(node: SupergraphType, context: str) -> bool:
    """`@context(name:)`, whatever a link calls the directive: names of contexts say their subgraph, nothing else is called like that."""
    return any(
        a.name.value == "name" and isinstance(a.value, StringValueNode) and a.value.value == context
        for directive in node.directives
        for a in directive.arguments or ()
    )


_index = itemgetter(0)


class QueryGraph:
    """Answers for one supergraph. Made by `query_graph(supergraph)`."""

    def __init__(self, supergraph: Supergraph, labels: Labels = default_labels) -> None:
        self._supergraph = weakref.ref(supergraph)
        self.types = supergraph.types
        self.graphs = supergraph.graphs
        self.roots = {
            "query": supergraph.query,
            "mutation": supergraph.mutation,
            "subscription": supergraph.subscription,
        }
        self.labels = labels
        self._names = {g.name: g.graph for g in supergraph.graphs.values()}
        self._subgraph_types: dict[tuple[str, str], SubgraphType | None] = {}
        self._possible: dict[str, frozenset[str]] = {}
        self._declarations: dict[str, dict[str | None, list[tuple[int, SupergraphField, JoinField | None]]]] = {}
        self._resolvers: dict[tuple[str, str], tuple[Resolver, ...]] = {}
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._entries_into: dict[tuple[str, str, str], tuple[Entry, ...]] = {}
        self._has_below: dict[tuple[str, str, KeyPart], bool] = {}
        self._local: dict[tuple[str, str, str], frozenset[str]] = {}
        self._common: dict[tuple[frozenset[str], str], frozenset[Host]] = {}
        self._signatures: dict[tuple[str, str], object] = {}
        self._promised: dict[tuple[str, frozenset[str], str], tuple[frozenset[str], ...]] = {}
        self._members: dict[str, list[str]] | None = None
        self._facts: dict[tuple[str, str], tuple[str, int, str]] = {}
        self._bearers: dict[str, Mapping[str, str]] = {}
        self._returned: dict[str, frozenset[str]] = {}
        self._partial: frozenset[str] | None = None

    # ---- the supergraph's own types -------------------------------------------------------------------------------------

    def is_composite(self, name: str) -> bool:
        """Objects, interfaces, unions."""
        node = self.types.get(name)
        return node is not None and node.kind in ("OBJECT", "INTERFACE", "UNION")

    def is_abstract(self, name: str) -> bool:
        return self.types[name].kind in ("INTERFACE", "UNION")

    def facts(self, type_name: str, field: str) -> tuple[str, int, str]:
        """(named type, list levels, text) of a field in the supergraph."""
        found = self._facts.get((type_name, field))
        if found is None:
            found = self._facts[type_name, field] = type_facts(self.types[type_name].fields[field].type)
        return found

    def possible(self, name: str) -> frozenset[str]:
        """Concrete types of the supergraph that this type can be."""
        found = self._possible.get(name)
        if found is None:
            node = self.types[name]
            if node.kind == "OBJECT":
                found = frozenset((name,))
            elif node.kind == "UNION":
                found = frozenset(node.members)
            else:
                if self._members is None:
                    members: dict[str, list[str]] = {}
                    for other in self.types.values():
                        if other.kind == "OBJECT":
                            for interface in other.interfaces:
                                members.setdefault(interface, []).append(other.name)
                    self._members = members  # whole, as other threads may plan at the same time
                found = frozenset(self._members.get(name, ()))
                if not found and any(join.is_interface_object for join in node.joins):
                    # Nobody implements it, yet an `@interfaceObject` gives objects of it: of no other type than its own.
                    found = frozenset((name,))
            self._possible[name] = found
        return found

    def context_bearers(self, context: str) -> Mapping[str, str]:
        """Concrete types whose objects have the context -> the type that sets it: their own, or an interface or union that they are in."""
        found = self._bearers.get(context)
        if found is None:
            setting = [node for node in self.types.values() if _sets(node, context)]
            bearers: dict[str, str] = {}
            # What sets it for the most comes first: an interface's field is selected once.
            for node in sorted(setting, key=lambda n: (-len(self.possible(n.name)), n.name)):
                for name in self.possible(node.name):
                    bearers.setdefault(name, node.name)
            found = self._bearers[context] = bearers
        return found

    # ---- one subgraph's view ----------------------------------------------------------------------------------------------

    def subgraph_type(self, graph: str, name: str) -> SubgraphType | None:
        """The composite type as `graph` has it, None where it hasn't."""
        try:
            return self._subgraph_types[graph, name]
        except KeyError:
            value = self._subgraph_types[graph, name] = self._subgraph_type(graph, name)
            return value

    def _subgraph_type(self, graph: str, name: str) -> SubgraphType | None:
        node = self.types.get(name)
        if node is None or node.kind not in ("OBJECT", "INTERFACE", "UNION"):
            return None
        joins = [join for join in node.joins if join.graph == graph]
        if not joins:
            return None
        interface_object = any(join.is_interface_object for join in joins)
        fields = {}
        for field, join in self._declared(node, graph):
            made = self._field(node, field, join)
            if made is not None:
                fields[field.name] = made
        return SubgraphType(
            graph=graph,
            name=name,
            kind="OBJECT" if interface_object else node.kind,
            is_interface_object=interface_object,
            fields=fields,
            possible=self.possible(name) if interface_object else self._possible_in(graph, node),
            keys=tuple(join.key for join in joins if join.key and join.resolvable),
            is_assumed=all(join.is_assumed for join in joins),
        )

    def _possible_in(self, graph: str, node: SupergraphType) -> frozenset[str]:
        if node.kind == "OBJECT":
            return frozenset((node.name,))
        if node.kind == "UNION":
            if node.member_joins:
                return frozenset(join.member for join in node.member_joins if join.graph == graph)
            return frozenset(m for m in node.members if self._has(graph, m))
        found = set()
        for name in self.possible(node.name):
            other = self.types[name]
            if other.implements:
                if any(join.graph == graph and join.interface == node.name for join in other.implements):
                    found.add(name)
            elif self._has(graph, name):
                found.add(name)
        return frozenset(found)

    @property
    def partial_unions(self) -> frozenset[str]:
        """Unions of which subgraphs know different members."""
        if self._partial is None:
            unions = (node for node in self.types.values() if node.kind == "UNION")
            self._partial = frozenset(
                node.name
                for node in unions
                if len({self._possible_in(join.graph, node) for join in node.joins if join.graph is not None}) > 1
            )
        return self._partial

    def _has(self, graph: str, name: str) -> bool:
        return any(join.graph == graph for join in self.types[name].joins)

    def _declared(self, node: SupergraphType, graph: str) -> list[tuple[SupergraphField, JoinField | None]]:
        """The fields that the subgraph has, in their order, each with its join there if it has any."""
        found = self._declarations.get(node.name)
        if found is None:
            found = {}
            everywhere: list[tuple[int, SupergraphField, JoinField | None]] = []
            for index, field in enumerate(node.fields.values()):
                if not field.joins:
                    everywhere.append((index, field, None))
                for join in field.joins:
                    if join.graph is not None:
                        found.setdefault(join.graph, []).append((index, field, join))
            found[None] = everywhere
            self._declarations[node.name] = found
        own = found.get(graph, ())
        if found[None]:
            own = sorted((*own, *found[None]), key=_index)
        # of several joins in one subgraph the first is meant
        return list({index: (field, join) for index, field, join in reversed(own)}.values())[::-1]

    def _field(self, parent: SupergraphType, field: SupergraphField, join: JoinField | None) -> SubgraphField | None:
        if join is not None and (join.used_overridden or self._overridden(field, join)):
            return None
        if join is not None and join.type:
            type_name, depth, shape = type_facts(parse_type(join.type, no_location=True))
        else:
            type_name, depth, shape = self.facts(parent.name, field.name)
        if join is None:
            return SubgraphField(field.name, type_name, depth, shape)
        return SubgraphField(
            field.name,
            type_name,
            depth,
            shape,
            join.external,
            join.requires or None,
            join.provides or None,
            join.context_arguments,
        )

    def _overridden(self, field: SupergraphField, join: JoinField) -> bool:
        if join.override is not None and join.override_label and not self.labels(join.override_label):
            # Off: the field stays where it came from, if that subgraph still has it.
            source = self._names.get(join.override)
            return any(j.graph == source for j in field.joins)
        name = self.graphs[join.graph].name if join.graph is not None and join.graph in self.graphs else None
        return any(
            j.override == name and (not j.override_label or self.labels(j.override_label))
            for j in field.joins
            if j is not join
        )

    # ---- who resolves what ------------------------------------------------------------------------------------------------

    def resolvers(self, type_name: str, field: str) -> tuple[Resolver, ...]:
        """Subgraphs that resolve the field for this concrete type, those with `@requires` and `@fromContext` included."""
        key = (type_name, field)
        found = self._resolvers.get(key)
        if found is None:
            result = []
            node = self.types[type_name]
            names = [type_name, *node.interfaces] if node.kind == "OBJECT" else [type_name]
            for name in names:
                for graph in dict.fromkeys(join.graph for join in self.types[name].joins):
                    subgraph_type = self.subgraph_type(graph, name)
                    if subgraph_type is None or (name != type_name and not subgraph_type.is_interface_object):
                        continue
                    own = subgraph_type.fields.get(field)
                    if own is not None and not own.external:
                        result.append(Resolver(graph, name, own, subgraph_type.as_interface))
            found = self._resolvers[key] = tuple(result)
        return found

    def entries(self, type_name: str) -> tuple[Entry, ...]:
        """How objects known to be of this type (or interface, where the object's type isn't known) enter subgraphs."""
        found = self._entries.get(type_name)
        if found is None:
            result = []
            node = self.types[type_name]
            for join in node.joins:
                if join.key and join.resolvable:
                    as_interface = type_name if join.is_interface_object else ""
                    result.append(Entry(join.graph, type_name, join.key, as_interface))
            if node.kind == "OBJECT":
                for interface in node.interfaces:
                    for join in self.types[interface].joins:
                        if join.key and join.resolvable and join.is_interface_object:
                            result.append(Entry(join.graph, interface, join.key, interface))
            found = self._entries[type_name] = tuple(result)
        return found

    def entries_into(self, type_name: str, graph: str, as_interface: str) -> tuple[Entry, ...]:
        """Those of `entries` that lead into `graph`, where the objects are then taken for what `as_interface` says."""
        key = (type_name, graph, as_interface)
        found = self._entries_into.get(key)
        if found is None:
            found = self._entries_into[key] = tuple(
                e for e in self.entries(type_name) if e.graph == graph and e.as_interface == as_interface
            )
        return found

    def own_keys(self, type_name: str, graph: str) -> tuple[Entry, ...]:
        """Keys of the type in `graph`, those with `resolvable: false` too: who left `graph` comes back by them."""
        return tuple(
            Entry(j.graph, type_name, j.key) for j in self.types[type_name].joins if j.key and j.graph == graph
        )

    def local_types(self, graph: str, static: str, field: str) -> frozenset[str]:
        """Of the concrete types that `static` can be in `graph`: those whose `field` is resolved there without `@requires` or `@fromContext`."""
        key = (graph, static, field)
        found = self._local.get(key)
        if found is None:
            subgraph_type = self.subgraph_type(graph, static)
            if subgraph_type is None:
                found = frozenset()
            elif subgraph_type.is_interface_object or subgraph_type.kind == "OBJECT":
                own = subgraph_type.fields.get(field)
                fine = own is not None and own.is_local
                found = subgraph_type.possible if fine else frozenset()
            else:
                result = []
                for name in subgraph_type.possible:
                    concrete = self.subgraph_type(graph, name)
                    own = concrete.fields.get(field) if concrete else None
                    if own is not None and own.is_local:
                        result.append(name)
                found = frozenset(result)
            self._local[key] = found
        return found

    def may_not_know(self, graph: str, types: frozenset[str]) -> bool:
        """Whether `graph` has no field that gives objects of some of these types: it only adds fields to objects that others give.

        Which of them it knows is for it to say: it answers null for the others.
        """
        found = self._returned.get(graph)
        if found is None:
            found = self._returned[graph] = self._returned_by(graph)
        return not types <= found

    def _returned_by(self, graph: str) -> frozenset[str]:
        named: set[str] = set()
        for node in self.types.values():
            joins = [join for join in node.joins if join.graph == graph]
            if node.kind == "INTERFACE" and any(join.key and not join.is_interface_object for join in joins):
                named.add(node.name)  # it knows of which types the interface's objects are
            if joins and node.kind in ("OBJECT", "INTERFACE"):
                named.update(self.facts(node.name, field.name)[0] for field, _ in self._declared(node, graph))
        found: set[str] = set()
        for name in named:
            below = self.subgraph_type(graph, name) if self.is_composite(name) else None
            if below is not None:
                found |= below.possible
        return frozenset(found)

    def has_below(self, graph: str, type_name: str, part: KeyPart) -> bool:
        """Whether `graph` itself gives all that a key selects below one of its fields."""
        key = (graph, type_name, part)
        found = self._has_below.get(key)
        if found is None:
            own = self.subgraph_type(graph, type_name)
            field = own.fields.get(part.name) if own is not None else None
            found = field is not None and part.below is not None and self._covers(graph, field.type_name, part.below)
            self._has_below[key] = found
        return found

    def _covers(self, graph: str, type_name: str, selection: SelectionSetNode) -> bool:
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

    def common_hosts(self, types: frozenset[str], field: str) -> frozenset[Host]:
        """Subgraphs that resolve `field` of all these concrete types alike, and that all of them enter alike."""
        key = (types, field)
        found = self._common.get(key)
        if found is None:
            remaining: dict[Host, object] | None = None
            for name in types:
                mine: dict[Host, object] = {}
                for r in self.resolvers(name, field):
                    entries = tuple(e.key for e in self.entries_into(name, r.graph, r.as_interface))
                    mine[r.graph, r.as_interface] = (r.field.type_name, r.field.requires, r.field.contexts, entries)
                if remaining is None:
                    remaining = mine
                else:
                    remaining = {g: s for g, s in remaining.items() if mine.get(g) == s}
                if not remaining:
                    break
            found = self._common[key] = frozenset(remaining or ())
        return found

    def signature(self, type_name: str, field: str) -> object:
        """Equal for concrete types that a planner may treat alike when it looks for `field`."""
        key = (type_name, field)
        found = self._signatures.get(key)
        if found is None:
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
            entries = tuple(
                (e.graph, "" if e.type_name == type_name else e.type_name, e.key) for e in self.entries(type_name)
            )
            found = self._signatures[key] = (resolvers, entries)
        return found

    def promise(self, graph: str, type_name: str, field: str) -> Promise | None:
        """What `graph` says in `@provides` at the field of this type, None where it says nothing."""
        own = self.subgraph_type(graph, type_name)
        found = own.fields.get(field) if own is not None else None
        return Promise(found.type_name, found.provides) if found is not None and found.provides else None

    def promised_alike(self, graph: str, types: frozenset[str], field: str) -> tuple[frozenset[str], ...]:
        """These concrete types in groups of those whose `field` has the same `promise` in `graph`."""
        key = (graph, types, field)
        found = self._promised.get(key)
        if found is None:
            groups: dict[Promise | None, list[str]] = {}
            for name in sorted(types):
                groups.setdefault(self.promise(graph, name, field), []).append(name)
            found = self._promised[key] = tuple(frozenset(names) for names in groups.values())
        return found


_Known: TypeAlias = "tuple[weakref.ref[Supergraph], OrderedDict[frozenset[str], QueryGraph]]"
_GRAPHS: dict[int, _Known] = {}


def query_graph(supergraph: Supergraph, labels: frozenset[str] = frozenset()) -> QueryGraph:
    """The supergraph's query graph where these progressive overrides are active: made once for each set of labels.

    By identity, as a supergraph is immutable. Of many sets those that were used longest ago are forgotten.
    """
    identity = id(supergraph)
    known = _GRAPHS.get(identity)
    if known is None or known[0]() is not supergraph:
        known = (weakref.ref(supergraph, lambda _: _GRAPHS.pop(identity, None)), OrderedDict())
        _GRAPHS[identity] = known
    # Threads may plan at the same time: each step leaves the table whole.
    graph = known[1].pop(labels, None)
    if graph is None:
        graph = QueryGraph(supergraph, active_labels(labels))
    known[1][labels] = graph
    while len(known[1]) > MAX_LABEL_SETS:
        known[1].pop(next(iter(known[1])), None)
    return graph
