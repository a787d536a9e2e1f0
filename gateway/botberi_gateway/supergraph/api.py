"""SupergraphData -> the GraphQL schemas made from it: everything, and what clients see."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    GraphQLSchema,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    ObjectTypeDefinitionNode,
    ObjectValueNode,
    OperationType,
    OperationTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    StringValueNode,
    UnionTypeDefinitionNode,
    ValueNode,
    build_ast_schema,
    parse,
)

from botberi_gateway.federation.specified import EXECUTABLE_LOCATIONS
from botberi_gateway.federation.versions import INACCESSIBLE, FeatureUrl
from botberi_gateway.supergraph.model import SupergraphData, SupergraphType

#: Directives of GraphQL itself that stay visible in the API schema.
_KEPT = frozenset({"deprecated", "specifiedBy", "oneOf"})

#: The gateway's own: it never reaches a subgraph.
_DEFER = parse(
    "directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT", no_location=True
).definitions[0]


def full_schema(supergraph: SupergraphData) -> GraphQLSchema:
    """Everything, `@inaccessible` elements included."""
    return _build(supergraph, hide=False)


def api_schema(supergraph: SupergraphData) -> GraphQLSchema:
    """Only what clients may see (federation specification, `@inaccessible`)."""
    return _build(supergraph, hide=True)


def _build(supergraph: SupergraphData, *, hide: bool) -> GraphQLSchema:
    builder = _Builder(supergraph, hide=hide)
    return build_ast_schema(DocumentNode(definitions=tuple(builder.definitions())), assume_valid=True)


def inaccessible_name(supergraph: SupergraphData) -> str:
    """The local name of `@inaccessible`, which a `@link` may rename."""
    return directive_name(supergraph, INACCESSIBLE, "inaccessible")


def directive_name(supergraph: SupergraphData, identity: str, default: str) -> str:
    """The local name of the one directive of a specification, by its `@link`."""
    for feature, values in _features(supergraph):
        if feature.identity != identity:
            continue
        imported = values.get("import")
        for item in imported.values if isinstance(imported, ListValueNode) else ():
            names = {f.name.value: f.value for f in item.fields} if isinstance(item, ObjectValueNode) else {}
            alias = names.get("as")
            if isinstance(alias, StringValueNode):
                return alias.value.removeprefix("@")
        namespace = values.get("as")
        if isinstance(namespace, StringValueNode):
            return namespace.value
    return default


def feature_namespaces(supergraph: SupergraphData) -> list[str]:
    """The namespaces of the linked specifications (`context` for `context__…`), whose types clients don't see."""
    namespaces = []
    for feature, values in _features(supergraph):
        namespace = values.get("as")
        name = namespace.value if isinstance(namespace, StringValueNode) else feature.name
        if name:
            namespaces.append(name)
    return namespaces


def _features(supergraph: SupergraphData) -> Iterator[tuple[FeatureUrl, dict[str, ValueNode]]]:
    for node in supergraph.schema_directives:
        values: dict[str, ValueNode] = {a.name.value: a.value for a in node.arguments or ()}
        url = values.get("url", values.get("feature"))
        feature = FeatureUrl.parse(url.value) if isinstance(url, StringValueNode) else None
        if feature is not None:
            yield feature, values


def _name(value: str) -> NameNode:
    return NameNode(value=value)


def _named_type(value: str) -> NamedTypeNode:
    return NamedTypeNode(name=_name(value))


def _description(text: str | None) -> StringValueNode | None:
    return None if text is None else StringValueNode(value=text, block=True)


class _Builder:
    def __init__(self, supergraph: SupergraphData, *, hide: bool) -> None:
        self.supergraph = supergraph
        self.hide = hide
        self.hiding = inaccessible_name(supergraph)
        spaces = tuple(f"{space}__" for space in feature_namespaces(supergraph))
        self.hidden = {
            t.name
            for t in supergraph.types.values()
            if hide and (self.is_inaccessible(t.directives) or t.name.startswith(spaces))
        }

    def is_inaccessible(self, directives: tuple[ConstDirectiveNode, ...] | None) -> bool:
        return any(d.name.value == self.hiding for d in directives or ())

    def definitions(self) -> list[DefinitionNode]:
        graph = self.supergraph
        roots = [("query", graph.query), ("mutation", graph.mutation), ("subscription", graph.subscription)]
        nodes: list[DefinitionNode] = [
            SchemaDefinitionNode(
                description=_description(graph.description),
                operation_types=tuple(
                    OperationTypeDefinitionNode(operation=OperationType(kind), type=_named_type(name))
                    for kind, name in roots
                    if name and name not in self.hidden
                ),
                directives=(),
            )
        ]
        nodes += [self.directive(d) for d in graph.directive_definitions if self.is_client_directive(d)]
        nodes += [_DEFER] if self.hide else []
        nodes += [self.type(t) for t in graph.types.values() if t.name not in self.hidden]
        return nodes

    def is_client_directive(self, node: DirectiveDefinitionNode) -> bool:
        """The executable directives; type system directives are no part of the API, and @defer is the gateway's own."""
        return node.name.value not in ("defer", "stream") and any(
            location.value in EXECUTABLE_LOCATIONS for location in node.locations
        )

    def directive(self, node: DirectiveDefinitionNode) -> DirectiveDefinitionNode:
        return DirectiveDefinitionNode(
            name=node.name,
            description=node.description,
            arguments=tuple(a for a in map(self.argument, node.arguments or ()) if a is not None),
            repeatable=node.repeatable,
            locations=tuple(
                location for location in node.locations if location.value in EXECUTABLE_LOCATIONS or not self.hide
            ),
        )

    def argument(self, node: InputValueDefinitionNode) -> InputValueDefinitionNode | None:
        if self.hide and (self.is_inaccessible(node.directives) or _base_name(node.type) in self.hidden):
            return None
        return InputValueDefinitionNode(
            name=node.name,
            description=node.description,
            type=node.type,
            default_value=node.default_value,
            directives=self.kept(node.directives),
        )

    def kept(self, directives: tuple[ConstDirectiveNode, ...] | None) -> tuple[ConstDirectiveNode, ...]:
        return tuple(d for d in directives or () if d.name.value in _KEPT)

    def type(self, node: SupergraphType) -> DefinitionNode:
        common: dict[str, Any] = {
            "name": _name(node.name),
            "description": _description(node.description),
            "directives": self.kept(node.directives),
        }
        match node.kind:
            case "SCALAR":
                return ScalarTypeDefinitionNode(**common)
            case "UNION":
                members = tuple(_named_type(m) for m in node.members if m not in self.hidden)
                return UnionTypeDefinitionNode(types=members, **common)
            case "ENUM":
                return EnumTypeDefinitionNode(
                    values=tuple(
                        EnumValueDefinitionNode(
                            name=_name(v.name),
                            description=_description(v.description),
                            directives=self.kept(v.directives),
                        )
                        for v in node.values.values()
                        if not (self.hide and self.is_inaccessible(v.directives))
                    ),
                    **common,
                )
            case "INPUT_OBJECT":
                arguments = (self.argument(f.node) for f in node.input_fields.values())
                return InputObjectTypeDefinitionNode(fields=tuple(a for a in arguments if a is not None), **common)
        interfaces = tuple(_named_type(i) for i in node.interfaces if i not in self.hidden)
        cls = ObjectTypeDefinitionNode if node.kind == "OBJECT" else InterfaceTypeDefinitionNode
        return cls(
            fields=tuple(
                FieldDefinitionNode(
                    name=_name(f.name),
                    description=_description(f.description),
                    type=f.type,
                    arguments=tuple(a for a in map(self.argument, f.arguments) if a is not None),
                    directives=self.kept(f.directives),
                )
                for f in node.fields.values()
                if not (self.hide and (self.is_inaccessible(f.directives) or _base_name(f.type) in self.hidden))
            ),
            interfaces=interfaces,
            **common,
        )


def _base_name(node: Any) -> str:
    while not isinstance(node, NamedTypeNode):
        node = node.type
    return node.name.value
