"""Definitions and extensions of a document -> type definitions with the extensions folded in."""

from collections.abc import Iterable
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DefinitionNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    ScalarTypeExtensionNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
)

from botberi_gateway.composition.ingest.vocabulary import Vocabulary, rename_type
from botberi_gateway.composition.subgraph import Applied, Element, FieldDef, InputDef, TypeDef
from botberi_gateway.supergraph import TypeKind

KINDS: dict[type[Any], TypeKind] = {
    ObjectTypeDefinitionNode: "OBJECT",
    ObjectTypeExtensionNode: "OBJECT",
    InterfaceTypeDefinitionNode: "INTERFACE",
    InterfaceTypeExtensionNode: "INTERFACE",
    UnionTypeDefinitionNode: "UNION",
    UnionTypeExtensionNode: "UNION",
    EnumTypeDefinitionNode: "ENUM",
    EnumTypeExtensionNode: "ENUM",
    InputObjectTypeDefinitionNode: "INPUT_OBJECT",
    InputObjectTypeExtensionNode: "INPUT_OBJECT",
    ScalarTypeDefinitionNode: "SCALAR",
    ScalarTypeExtensionNode: "SCALAR",
}


class TypeBuilder:
    """Folds nodes into `types`. `renames` are root types that get their default name."""

    def __init__(self, words: Vocabulary, renames: dict[str, str]) -> None:
        self.renames = renames
        self.names = {local: name for name, local in words.directives.items()}
        self.types: dict[str, TypeDef] = {}

    def add(self, node: DefinitionNode) -> None:
        if not isinstance(node, TypeDefinitionNode | TypeExtensionNode):
            return
        extension = isinstance(node, TypeExtensionNode)
        name = self.renames.get(node.name.value, node.name.value)
        found = self.types.get(name)
        if found is None:
            found = self.types[name] = TypeDef(name, node, kind=KINDS[type(node)])
        anything: Any = node
        if extension:
            found.extended = True
        else:
            found.defined = True
            found.node = node
            if node.description:  # type: ignore[union-attr]
                found.description = node.description.value  # type: ignore[union-attr]
        found.directives += self.directives(node.directives, extension)
        for interface in getattr(anything, "interfaces", None) or ():
            found.interfaces[self.renames.get(interface.name.value, interface.name.value)] = interface
        if found.kind in ("OBJECT", "INTERFACE"):
            for field in anything.fields or ():
                found.fields[field.name.value] = self.field(field, name, extension)
        elif found.kind == "INPUT_OBJECT":
            for field in anything.fields or ():
                found.input_fields[field.name.value] = self.input(field, extension)
        elif found.kind == "ENUM":
            for value in anything.values or ():
                found.values[value.name.value] = Element(
                    value.name.value, value, _text(value), self.directives(value.directives, extension)
                )
        elif found.kind == "UNION":
            for member in anything.types or ():
                found.members[self.renames.get(member.name.value, member.name.value)] = member

    def field(self, node: FieldDefinitionNode, parent: str, extension: bool) -> FieldDef:
        return FieldDef(
            node.name.value,
            node,
            _text(node),
            self.directives(node.directives, extension),
            type=rename_type(node.type, self.renames),
            arguments={a.name.value: self.input(a, extension) for a in node.arguments or ()},
            parent=parent,
            on_extension=extension,
        )

    def input(self, node: InputValueDefinitionNode, extension: bool) -> InputDef:
        return InputDef(
            node.name.value,
            node,
            _text(node),
            self.directives(node.directives, extension),
            type=rename_type(node.type, self.renames),
            default=node.default_value,
        )

    def directives(self, nodes: Iterable[ConstDirectiveNode] | None, extension: bool) -> list[Applied]:
        found = []
        for node in nodes or ():
            name = self.names.get(node.name.value)
            found.append(Applied(name or node.name.value, node, name is not None, extension))
        return found


def _text(node: Any) -> str | None:
    return node.description.value if node.description else None
