"""SDLs of subgraphs -> the SDL of one schema that clients see, made naively, without the gateway's composition.

It is the independent half of a comparison, so it knows the rules that cases need and no more: fields are united,
arguments and input fields are those that all subgraphs have, types of fields are the loosest and types of arguments the
strictest in `!`. A case that needs another rule has a `monolith.graphql` of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    EnumTypeDefinitionNode,
    EnumTypeExtensionNode,
    InputObjectTypeDefinitionNode,
    InputObjectTypeExtensionNode,
    InterfaceTypeDefinitionNode,
    InterfaceTypeExtensionNode,
    ListTypeNode,
    NamedTypeNode,
    NameNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    UnionTypeDefinitionNode,
    UnionTypeExtensionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

_KINDS: Any = {
    "type": ObjectTypeDefinitionNode | ObjectTypeExtensionNode,
    "interface": InterfaceTypeDefinitionNode | InterfaceTypeExtensionNode,
    "input": InputObjectTypeDefinitionNode | InputObjectTypeExtensionNode,
    "enum": EnumTypeDefinitionNode | EnumTypeExtensionNode,
    "union": UnionTypeDefinitionNode | UnionTypeExtensionNode,
    "scalar": ScalarTypeDefinitionNode,
}
#: Directives that mean something to clients.
_KEPT = ("inaccessible", "deprecated", "oneOf", "specifiedBy")


@dataclass
class _Type:
    kind: str
    directives: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, None] = field(default_factory=dict)
    #: Subgraph -> name of a field, value or member -> its node.
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Subgraphs that have it as an interface object.
    objects: set[str] = field(default_factory=set)


def monolith(subgraphs: Mapping[str, str]) -> str:
    """One SDL. `@inaccessible` elements stay in it, marked as such."""
    types: dict[str, _Type] = {}
    for name, sdl in subgraphs.items():
        document = parse(sdl)
        roots = {
            operation.type.name.value: operation.operation.value.capitalize()
            for node in document.definitions
            if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
            for operation in node.operation_types or ()
        }
        document = visit(document, _Renamed(roots))
        for node in document.definitions:
            kind = next((kind for kind, classes in _KINDS.items() if isinstance(node, classes)), None)
            if kind is not None:
                _add(types, name, kind, node)
    _spread(types)
    texts = [_text(name, type_) for name, type_ in types.items()]
    return (
        "directive @inaccessible on FIELD_DEFINITION | ENUM_VALUE | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION\n"
        + "\n".join(texts)
    )


class _Renamed(Visitor):
    """Root types get the names that the whole has."""

    def __init__(self, roots: Mapping[str, str]) -> None:
        super().__init__()
        self.roots = roots

    def enter_name(self, node: NameNode, _key: Any, parent: Any, *_: Any) -> NameNode | None:
        is_type = isinstance(parent, NamedTypeNode | ObjectTypeDefinitionNode | ObjectTypeExtensionNode)
        return NameNode(value=self.roots[node.value]) if is_type and node.value in self.roots else None


def _add(types: dict[str, _Type], subgraph: str, kind: str, node: Any) -> None:
    made = types.setdefault(node.name.value, _Type(kind))
    applied = {d.name.value for d in node.directives or ()}
    if "interfaceObject" in applied:
        made.objects.add(subgraph)
    elif kind == "interface":
        made.kind = kind
    made.directives |= _kept(node.directives)
    made.interfaces |= dict.fromkeys(i.name.value for i in getattr(node, "interfaces", None) or ())
    parts = made.parts.setdefault(subgraph, {})
    for name in ("fields", "values", "types"):
        parts |= {part.name.value: part for part in getattr(node, name, None) or ()}


def _spread(types: Mapping[str, _Type]) -> None:
    """Fields of interface objects are fields of the interface's types."""
    for name, interface in types.items():
        for subgraph in interface.objects:
            for other in types.values():
                if name in other.interfaces and other.kind == "type":
                    own = other.parts.setdefault(subgraph, {})
                    for part, node in interface.parts[subgraph].items():
                        own.setdefault(part, node)


def _text(name: str, type_: _Type) -> str:
    names = list(dict.fromkeys(part for parts in type_.parts.values() for part in parts))
    head = f"{type_.kind} {name}"
    if type_.interfaces:
        head += f" implements {' & '.join(type_.interfaces)}"
    head += "".join(f" {text}" for text in type_.directives.values())
    if type_.kind == "scalar":
        return head
    if type_.kind == "union":
        return f"{head} = {' | '.join(names)}"
    if type_.kind == "enum":
        return f"{head} {{ {' '.join(_directed(part, _nodes(type_, part)) for part in names)} }}"
    if type_.kind == "input":
        shared = [part for part in names if all(part in parts for parts in type_.parts.values())]
        return f"{head} {{ {' '.join(_value(_nodes(type_, part)) for part in shared)} }}"
    lines = [_field(nodes) for part in names if (nodes := _nodes(type_, part)) and not all(map(_external, nodes))]
    return f"{head} {{\n  " + "\n  ".join(lines) + "\n}"


def _nodes(type_: _Type, part: str) -> list[Any]:
    return [parts[part] for parts in type_.parts.values() if part in parts]


def _external(node: Any) -> bool:
    return any(d.name.value == "external" for d in node.directives or ())


def _field(nodes: list[Any]) -> str:
    giving = [node for node in nodes if not _external(node)]
    arguments = []
    for argument in giving[0].arguments or ():
        found = [
            next((a for a in node.arguments or () if a.name.value == argument.name.value), None) for node in giving
        ]
        if all(a is not None and not _contextual(a) for a in found):
            arguments.append(_value(found))
    written = f"({', '.join(arguments)})" if arguments else ""
    text = f"{giving[0].name.value}{written}: {_type([node.type for node in giving], strict=False)}"
    return _directed(text, giving)


def _contextual(argument: Any) -> bool:
    return any(d.name.value == "fromContext" for d in argument.directives or ())


def _value(nodes: list[Any]) -> str:
    first = nodes[0]
    text = f"{first.name.value}: {_type([node.type for node in nodes], strict=True)}"
    if all(node.default_value is not None for node in nodes):
        text += f" = {print_ast(first.default_value)}"
    return _directed(text, nodes)


def _type(nodes: list[Any], *, strict: bool) -> str:
    required = [isinstance(node, NonNullTypeNode) for node in nodes]
    bare = [node.type if isinstance(node, NonNullTypeNode) else node for node in nodes]
    if isinstance(bare[0], ListTypeNode):
        text = f"[{_type([node.type for node in bare], strict=strict)}]"
    else:
        text = bare[0].name.value
    return text + "!" * (any(required) if strict else all(required))


def _directed(text: str, nodes: Iterable[Any]) -> str:
    kept: dict[str, str] = {}
    for node in nodes:
        kept |= _kept(node.directives)
    return " ".join([text, *kept.values()])


def _kept(directives: Iterable[DirectiveNode] | None) -> dict[str, str]:
    return {d.name.value: print_ast(d) for d in directives or () if d.name.value in _KEPT}
