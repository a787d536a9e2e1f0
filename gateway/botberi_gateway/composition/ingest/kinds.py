"""A subgraph's document -> names that are given to two kinds of types.

graphql-core's rules don't find these once extensions count as definitions.
"""

from collections.abc import Iterator

from graphql import DocumentNode, GraphQLError, TypeDefinitionNode, TypeExtensionNode, is_specified_scalar_type
from graphql.language import ast
from graphql.type import specified_scalar_types

_KINDS = {
    ast.ObjectTypeDefinitionNode: "object",
    ast.ObjectTypeExtensionNode: "object",
    ast.InterfaceTypeDefinitionNode: "interface",
    ast.InterfaceTypeExtensionNode: "interface",
    ast.UnionTypeDefinitionNode: "union",
    ast.UnionTypeExtensionNode: "union",
    ast.EnumTypeDefinitionNode: "enum",
    ast.EnumTypeExtensionNode: "enum",
    ast.InputObjectTypeDefinitionNode: "input",
    ast.InputObjectTypeExtensionNode: "input",
    ast.ScalarTypeDefinitionNode: "scalar",
    ast.ScalarTypeExtensionNode: "scalar",
}


def mixed_kinds(document: DocumentNode) -> Iterator[GraphQLError]:
    """An extension of another kind than its type, or a type with the name of one of GraphQL's own scalars."""
    nodes = [d for d in document.definitions if isinstance(d, TypeDefinitionNode | TypeExtensionNode)]
    kinds = {type_.name: "scalar" for type_ in specified_scalar_types.values() if is_specified_scalar_type(type_)}
    for node in sorted(nodes, key=lambda n: isinstance(n, TypeExtensionNode)):
        name, kind = node.name.value, _KINDS[type(node)]
        first = kinds.setdefault(name, kind)
        if first != kind:
            what = "extended as" if isinstance(node, TypeExtensionNode) else "defined as"
            yield GraphQLError(f'"{name}" is of the kind {first} and can\'t be {what} {kind}.', node)
