"""Supergraph and active labels -> each type as one subgraph has it, `@override` applied."""

from operator import itemgetter
from typing import NamedTuple

from graphql import parse_type

from botberi_gateway.query_graph.labels import Labels, default_labels
from botberi_gateway.query_graph.model import SubgraphField, SubgraphType
from botberi_gateway.query_graph.supergraph_types import SupergraphTypes, type_facts
from botberi_gateway.supergraph import JoinField, Supergraph, SupergraphField, SupergraphType

_by_place = itemgetter(0)


class _Declaration(NamedTuple):
    """A field of a type at its place, with its join in one subgraph if it has any."""

    place: int
    field: SupergraphField
    join: JoinField | None


class _Declarations(NamedTuple):
    """The fields of one type."""

    by_graph: dict[str, list[_Declaration]]
    #: Fields without joins, which all subgraphs of the type have.
    everywhere: list[_Declaration]


class SubgraphTypes(SupergraphTypes):
    """The first floor of `QueryGraph`."""

    def __init__(self, supergraph: Supergraph, labels: Labels = default_labels) -> None:
        super().__init__(supergraph)
        self.labels = labels
        self._graphs_by_name = {g.name: g.graph for g in supergraph.graphs.values()}
        self._subgraph_types: dict[tuple[str, str], SubgraphType | None] = {}
        self._declarations: dict[str, _Declarations] = {}
        self._partial: frozenset[str] | None = None

    def subgraph_type(self, graph: str, name: str) -> SubgraphType | None:
        """The composite type as `graph` has it; None where it doesn't have it."""
        try:
            return self._subgraph_types[graph, name]
        except KeyError:
            value = self._subgraph_types[graph, name] = self._subgraph_type(graph, name)
            return value

    def _subgraph_type(self, graph: str, name: str) -> SubgraphType | None:
        node = self.types.get(name)
        if node is None or not self.is_composite(name):
            return None
        joins = [join for join in node.joins if join.graph == graph]
        if not joins:
            return None
        is_interface_object = any(join.is_interface_object for join in joins)
        fields = [self._field(node, field, join) for field, join in self._declared(node, graph)]
        return SubgraphType(
            graph=graph,
            name=name,
            kind="OBJECT" if is_interface_object else node.kind,
            is_interface_object=is_interface_object,
            fields={field.name: field for field in fields if field is not None},
            possible=self.possible(name) if is_interface_object else self._possible_in(graph, node),
            keys=tuple(join.key for join in joins if join.key and join.resolvable),
            is_assumed=all(join.is_assumed for join in joins),
        )

    def _possible_in(self, graph: str, node: SupergraphType) -> frozenset[str]:
        """The concrete types that the type can be in the subgraph."""
        if node.kind == "OBJECT":
            return frozenset((node.name,))
        if node.kind == "UNION":
            if node.member_joins:
                return frozenset(join.member for join in node.member_joins if join.graph == graph)
            return frozenset(m for m in node.members if self._has(graph, m))
        possible = set()
        for name in self.possible(node.name):
            other = self.types[name]
            if other.implements:
                if any(join.graph == graph and join.interface == node.name for join in other.implements):
                    possible.add(name)
            elif self._has(graph, name):
                possible.add(name)
        return frozenset(possible)

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
        declarations = self._declarations.get(node.name)
        if declarations is None:
            declarations = self._declarations[node.name] = _declarations(node)
        own = declarations.by_graph.get(graph, [])
        if declarations.everywhere:
            own = sorted((*own, *declarations.everywhere), key=_by_place)
        # Of several joins in one subgraph the first counts.
        return list({place: (field, join) for place, field, join in reversed(own)}.values())[::-1]

    def _field(self, parent: SupergraphType, field: SupergraphField, join: JoinField | None) -> SubgraphField | None:
        """The field as the subgraph of the join has it; None where another subgraph overrides it."""
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
        """Whether another subgraph resolves the field in place of this join's."""
        if join.override is not None and join.override_label and not self.labels(join.override_label):
            # The label is off: the field stays where it came from, if that subgraph still has it.
            source = self._graphs_by_name.get(join.override)
            return any(j.graph == source for j in field.joins)
        name = self.graphs[join.graph].name if join.graph is not None and join.graph in self.graphs else None
        return any(
            j.override == name and (not j.override_label or self.labels(j.override_label))
            for j in field.joins
            if j is not join
        )


def _declarations(node: SupergraphType) -> _Declarations:
    """The fields of a type by subgraph."""
    declarations = _Declarations({}, [])
    for index, field in enumerate(node.fields.values()):
        if not field.joins:
            declarations.everywhere.append(_Declaration(index, field, None))
        for join in field.joins:
            if join.graph is not None:
                declarations.by_graph.setdefault(join.graph, []).append(_Declaration(index, field, join))
    return declarations
