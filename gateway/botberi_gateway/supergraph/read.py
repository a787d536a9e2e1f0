"""Supergraph SDL -> supergraph data, of the class that is asked for."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    GraphQLError,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    TypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    value_from_ast_untyped,
)

from botberi_gateway.errors import SupergraphError
from botberi_gateway.supergraph.check import check, is_machinery
from botberi_gateway.supergraph.federation_1 import with_known_fields
from botberi_gateway.supergraph.model import (
    ContextArgument,
    EnumValue,
    Graph,
    InputField,
    JoinField,
    JoinImplements,
    JoinMember,
    JoinType,
    SupergraphData,
    SupergraphField,
    SupergraphType,
    TypeKind,
)

_KINDS: dict[type[TypeDefinitionNode], TypeKind] = {
    ObjectTypeDefinitionNode: "OBJECT",
    InterfaceTypeDefinitionNode: "INTERFACE",
    UnionTypeDefinitionNode: "UNION",
    EnumTypeDefinitionNode: "ENUM",
    InputObjectTypeDefinitionNode: "INPUT_OBJECT",
    ScalarTypeDefinitionNode: "SCALAR",
}
#: The face of this package reads `Supergraph`s, which this module is below of.
Read = TypeVar("Read", bound=SupergraphData)


def read_into(kind: type[Read], sdl: str) -> Read:
    """Read join specification v0.1 to v0.5. Raises `SupergraphError` where the text is not a supergraph."""
    try:
        document = parse(sdl)
    except GraphQLError as error:
        place = error.locations[0] if error.locations else None
        at = f" (line {place.line}, column {place.column})" if place else ""
        raise SupergraphError(f"The supergraph SDL can't be parsed: {error.message}{at}") from error
    except RecursionError as error:
        raise SupergraphError("The supergraph SDL can't be parsed: it is nested too deep.") from error
    if not _has_graphs(document):
        raise SupergraphError("This SDL is no supergraph: it has no enum join__Graph with @join__graph values.")
    check(document)
    graphs = _graphs(document)
    roots = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
    schema_directives: tuple[ConstDirectiveNode, ...] = ()
    description = None
    types: dict[str, SupergraphType] = {}
    directives = []
    explicit_roots: set[str] | None = None
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode):
            explicit_roots = set()
            for operation in node.operation_types:
                roots[operation.operation.value] = operation.type.name.value
                explicit_roots.add(operation.operation.value)
            schema_directives = tuple(node.directives or ())
            description = node.description.value if node.description else None
        elif isinstance(node, DirectiveDefinitionNode):
            if not is_machinery(node.name.value):
                directives.append(node)
        elif isinstance(node, TypeDefinitionNode) and not is_machinery(node.name.value):
            types[node.name.value] = _read_type(node, graphs)

    if any(
        d.name.value == "join__owner" for node in document.definitions for d in getattr(node, "directives", None) or ()
    ):
        types = with_known_fields(types)

    def root(kind: str) -> str | None:
        is_named = explicit_roots is None or kind in explicit_roots
        return roots[kind] if is_named and roots[kind] in types else None

    query = root("query")
    if query is None:
        raise SupergraphError("The supergraph has no query root type.")
    return kind(
        graphs=graphs,
        types=types,
        query=query,
        mutation=root("mutation"),
        subscription=root("subscription"),
        directive_definitions=tuple(directives),
        schema_directives=schema_directives,
        description=description,
        document=document,
    )


def _arguments(directive: ConstDirectiveNode) -> dict[str, Any]:
    return {argument.name.value: value_from_ast_untyped(argument.value) for argument in directive.arguments or ()}


def _named(node: Any, name: str) -> Iterator[dict[str, Any]]:
    for directive in node.directives or ():
        if directive.name.value == name:
            yield _arguments(directive)


def _foreign(directives: Iterable[ConstDirectiveNode] | None) -> tuple[ConstDirectiveNode, ...]:
    """`@join__directive` stays: it says what a subgraph's directive was, and nothing else keeps it."""
    return tuple(
        d for d in directives or () if d.name.value == "join__directive" or not d.name.value.startswith("join__")
    )


def _has_graphs(document: DocumentNode) -> bool:
    return any(
        directive.name.value == "join__graph"
        for node in document.definitions
        if isinstance(node, EnumTypeDefinitionNode) and node.name.value == "join__Graph"
        for value in node.values or ()
        for directive in value.directives or ()
    )


def _graphs(document: DocumentNode) -> dict[str, Graph]:
    for node in document.definitions:
        if isinstance(node, EnumTypeDefinitionNode) and node.name.value == "join__Graph":
            return {
                value.name.value: Graph(value.name.value, arguments["name"], arguments.get("url") or "")
                for value in node.values or ()
                for arguments in _named(value, "join__graph")
            }
    return {}


def _without_joins(node: InputValueDefinitionNode) -> InputValueDefinitionNode:
    return InputValueDefinitionNode(
        name=node.name,
        description=node.description,
        type=node.type,
        default_value=node.default_value,
        directives=_foreign(node.directives),
        loc=node.loc,
    )


def _text(node: Any) -> str | None:
    return node.description.value if node.description else None


def _read_type(node: TypeDefinitionNode, graphs: dict[str, Graph]) -> SupergraphType:
    name = node.name.value
    anything = cast(Any, node)
    owners = [arguments["graph"] for arguments in _named(node, "join__owner")]
    joins = tuple(
        JoinType(
            graph=arguments["graph"],
            key=arguments.get("key"),
            extension=bool(arguments.get("extension", False)),
            resolvable=bool(arguments.get("resolvable", True)),
            is_interface_object=bool(arguments.get("isInterfaceObject", False)),
        )
        for arguments in _named(node, "join__type")
    )
    if not joins:  # join v0.1 marks entities only; any other type may be in every subgraph
        joins = tuple(JoinType(graph, is_assumed=True) for graph in graphs)
    return SupergraphType(
        name=name,
        kind=_KINDS[type(node)],
        joins=joins,
        interfaces=tuple(i.name.value for i in getattr(node, "interfaces", None) or ()),
        implements=tuple(JoinImplements(a["graph"], a["interface"]) for a in _named(node, "join__implements")),
        fields={
            f.name.value: _read_field(f, owners[0] if owners else None)
            for f in (
                anything.fields or ()
                if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode)
                else ()
            )
        },
        input_fields={
            f.name.value: InputField(f.name.value, _without_joins(f), tuple(_read_joins(f)))
            for f in (anything.fields or () if isinstance(node, InputObjectTypeDefinitionNode) else ())
        },
        values={
            v.name.value: EnumValue(
                v.name.value,
                tuple(a["graph"] for a in _named(v, "join__enumValue")),
                _foreign(v.directives),
                _text(v),
            )
            for v in (anything.values or () if isinstance(node, EnumTypeDefinitionNode) else ())
        },
        members=tuple(t.name.value for t in anything.types or ()) if isinstance(node, UnionTypeDefinitionNode) else (),
        member_joins=tuple(JoinMember(a["graph"], a["member"]) for a in _named(node, "join__unionMember")),
        directives=_foreign(node.directives),
        description=_text(node),
    )


def _read_field(node: Any, owner: str | None) -> SupergraphField:
    joins = tuple(_read_joins(node))
    if not joins and owner is not None:  # join v0.1: a field without a join is its type's owner's
        joins = (JoinField(owner),)
    return SupergraphField(
        name=node.name.value,
        type=node.type,
        arguments=tuple(node.arguments or ()),
        joins=joins,
        directives=_foreign(node.directives),
        description=_text(node),
    )


def _read_joins(node: Any) -> Iterator[JoinField]:
    for a in _named(node, "join__field"):
        yield JoinField(
            graph=a.get("graph"),
            requires=a.get("requires"),
            provides=a.get("provides"),
            type=a.get("type"),
            external=bool(a.get("external", False)),
            override=a.get("override"),
            override_label=a.get("overrideLabel"),
            used_overridden=bool(a.get("usedOverridden", False)),
            context_arguments=tuple(
                ContextArgument(c["context"], c["name"], c["type"], c["selection"])
                for c in a.get("contextArguments") or ()
            ),
        )
