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
        type_ = self.types.get(name)
        if type_ is None:
            type_ = self.types[name] = TypeDef(name, node, kind=KINDS[type(node)])
        anything: Any = node
        if extension:
            type_.extended = True
        else:
            type_.defined = True
            type_.node = node
            if node.description:  # type: ignore[union-attr]
                type_.description = node.description.value  # type: ignore[union-attr]
        type_.directives += self.directives(node.directives, extension=extension)
        for interface in getattr(anything, "interfaces", None) or ():
            type_.interfaces[self.renames.get(interface.name.value, interface.name.value)] = interface
        if type_.kind in ("OBJECT", "INTERFACE"):
            for field in anything.fields or ():
                type_.fields[field.name.value] = self.field(field, name, extension=extension)
        elif type_.kind == "INPUT_OBJECT":
            for field in anything.fields or ():
                type_.input_fields[field.name.value] = self.input(field, extension=extension)
        elif type_.kind == "ENUM":
            for value in anything.values or ():
                type_.values[value.name.value] = Element(
                    value.name.value, value, _text(value), self.directives(value.directives, extension=extension)
                )
        elif type_.kind == "UNION":
            for member in anything.types or ():
                type_.members[self.renames.get(member.name.value, member.name.value)] = member

    def field(self, node: FieldDefinitionNode, parent: str, *, extension: bool) -> FieldDef:
        return FieldDef(
            node.name.value,
            node,
            _text(node),
            self.directives(node.directives, extension=extension),
            type=rename_type(node.type, self.renames),
            arguments={a.name.value: self.input(a, extension=extension) for a in node.arguments or ()},
            parent=parent,
            on_extension=extension,
        )

    def input(self, node: InputValueDefinitionNode, *, extension: bool) -> InputDef:
        return InputDef(
            node.name.value,
            node,
            _text(node),
            self.directives(node.directives, extension=extension),
            type=rename_type(node.type, self.renames),
            default=node.default_value,
        )

    def directives(self, nodes: Iterable[ConstDirectiveNode] | None, *, extension: bool) -> list[Applied]:
        applications = []
        for node in nodes or ():
            name = self.names.get(node.name.value)
            applications.append(
                Applied(name or node.name.value, node, federation=name is not None, on_extension=extension)
            )
        return applications


def _text(node: Any) -> str | None:
    return node.description.value if node.description else None
