"""Types of a supergraph of join v0.1 -> the same, with the fields that its subgraphs have without saying so.

A federation 1 supergraph names for each field of an entity the one subgraph that resolves it. A subgraph that refers to
another's entity has the fields of its own keys as well, and gives their values wherever it gives the object (`extend
type User @key(fields: "id") { id: ID! @external }`); the fields that a `@provides` names it has at that place alone.
Later versions of join say so at the fields.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from graphql import (
    FieldNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeNode,
    parse,
)

from botberi_gateway.errors import SupergraphError
from botberi_gateway.supergraph.model import JoinField, SupergraphType

#: (type, field, subgraph), and whether only `@provides` makes it a field of the subgraph.
_Known = tuple[str, str, str, bool]


def with_known_fields(types: Mapping[str, SupergraphType]) -> dict[str, SupergraphType]:
    """The types, each field with a join for every subgraph that has it.

    Raises `SupergraphError` where a field set can't be read.
    """
    more: dict[str, dict[str, dict[str, bool]]] = {}
    for type_name, field, graph, external in _known(types):
        graphs = more.setdefault(type_name, {}).setdefault(field, {})
        graphs[graph] = graphs.get(graph, True) and external
    return {name: _with_joins(node, more[name]) if name in more else node for name, node in types.items()}


def _with_joins(node: SupergraphType, more: Mapping[str, Mapping[str, bool]]) -> SupergraphType:
    fields = dict(node.fields)
    for name, graphs in more.items():
        field = fields[name]
        named = {join.graph for join in field.joins}
        added = [JoinField(graph, external=external) for graph, external in graphs.items() if graph not in named]
        fields[name] = replace(field, joins=(*field.joins, *added))
    return replace(node, fields=fields)


def _known(types: Mapping[str, SupergraphType]) -> Iterator[_Known]:
    for node in types.values():
        for join in node.joins:
            if join.key:
                yield from _selected(types, node.name, _selection(join.key), join.graph, external=False)
        for field in node.fields.values():
            for join_field in field.joins:
                if join_field.provides and join_field.graph is not None:
                    provided = _selection(join_field.provides)
                    yield from _selected(types, _named(field.type), provided, join_field.graph, external=True)


def _selected(
    types: Mapping[str, SupergraphType], type_name: str, selection: SelectionSetNode, graph: str, *, external: bool
) -> Iterator[_Known]:
    """The fields that a field set selects. Those without any join (of value types) are in every subgraph."""
    node = types.get(type_name)
    if node is None:
        return
    owners = [node]
    if node.kind == "INTERFACE":
        owners += [other for other in types.values() if other.kind == "OBJECT" and type_name in other.interfaces]
    for entry in selection.selections:
        if isinstance(entry, InlineFragmentNode):
            condition = entry.type_condition.name.value if entry.type_condition else type_name
            yield from _selected(types, condition, entry.selection_set, graph, external=external)
        elif isinstance(entry, FieldNode):
            for owner in owners:
                field = owner.fields.get(entry.name.value)
                if field is None:
                    continue
                if field.joins:
                    yield owner.name, field.name, graph, external
                if entry.selection_set is not None:
                    yield from _selected(types, _named(field.type), entry.selection_set, graph, external=external)


def _selection(text: str) -> SelectionSetNode:
    try:
        definition = parse(text if text.lstrip().startswith("{") else "{" + text + "}", no_location=True).definitions[0]
    except GraphQLError as error:
        raise SupergraphError(f"Not a field set: {text!r} ({error.message})") from error
    if not isinstance(definition, OperationDefinitionNode):
        raise SupergraphError(f"Not a field set: {text!r}")
    return definition.selection_set


def _named(node: TypeNode) -> str:
    while hasattr(node, "type"):
        node = node.type
    name: str = node.name.value  # type: ignore[attr-defined]
    return name
