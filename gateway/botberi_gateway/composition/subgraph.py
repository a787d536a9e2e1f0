"""A subgraph as composition sees it: types with their extensions, directives under the specification's names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    ConstDirectiveNode,
    ConstValueNode,
    DirectiveDefinitionNode,
    DocumentNode,
    NamedTypeNode,
    NameNode,
    Node,
    StringValueNode,
    TypeNode,
    value_from_ast_untyped,
)

from botberi_gateway.federation import Links, Version
from botberi_gateway.supergraph import TypeKind


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A subgraph as `compose` takes it: a name, the SDL, and the URL at which its service listens."""

    name: str
    sdl: str
    url: str | None = None


@dataclass(slots=True)
class Applied:
    """A directive on an element. `name` is the specification's own for the federation's directives, else as written."""

    name: str
    node: ConstDirectiveNode
    federation: bool = False
    on_extension: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Literal values; variables can't occur."""
        return {a.name.value: value_from_ast_untyped(a.value) for a in self.node.arguments or ()}

    def text(self, argument: str) -> str | None:
        """The argument if it is a string or an enum value, which the reference composers take for a string."""
        value = self.arguments.get(argument)
        return value if isinstance(value, str) else None

    def field_set(self) -> str | None:
        """The argument `fields` if it is a string, which an enum value isn't."""
        for argument in self.node.arguments or ():
            if argument.name.value == "fields":
                return argument.value.value if isinstance(argument.value, StringValueNode) else None
        return None


@dataclass(slots=True)
class Element:
    """Anything that carries directives."""

    name: str
    node: Node | None = None
    description: str | None = None
    directives: list[Applied] = field(default_factory=list)

    def applied(self, name: str) -> Iterator[Applied]:
        """Applications of a federation directive."""
        if not self.directives:
            return iter(())
        return (d for d in self.directives if d.federation and d.name == name)

    def has(self, name: str) -> bool:
        if not self.directives:  # asked of every field many times, and most have none
            return False
        return any(d.name == name and d.federation for d in self.directives)

    def drop(self, name: str) -> None:
        self.directives = [d for d in self.directives if not (d.federation and d.name == name)]


_UNKNOWN = NamedTypeNode(name=NameNode(value="_"))


@dataclass(slots=True)
class InputDef(Element):
    """An argument or an input field."""

    type: TypeNode = _UNKNOWN
    default: ConstValueNode | None = None


@dataclass(slots=True)
class FieldDef(Element):
    """A field of an object or interface."""

    type: TypeNode = _UNKNOWN
    arguments: dict[str, InputDef] = field(default_factory=dict)
    parent: str = ""
    on_extension: bool = False

    @property
    def coordinate(self) -> str:
        return f"{self.parent}.{self.name}"


@dataclass(slots=True)
class TypeDef(Element):
    """A type with all its extensions."""

    kind: TypeKind = "OBJECT"
    interfaces: dict[str, Node | None] = field(default_factory=dict)
    fields: dict[str, FieldDef] = field(default_factory=dict)
    input_fields: dict[str, InputDef] = field(default_factory=dict)
    values: dict[str, Element] = field(default_factory=dict)
    members: dict[str, Node | None] = field(default_factory=dict)
    defined: bool = False
    extended: bool = False

    @property
    def keys(self) -> list[Applied]:
        return list(self.applied("key"))

    @property
    def is_interface_object(self) -> bool:
        return self.has("interfaceObject")


@dataclass(slots=True)
class SubgraphSchema:
    """One subgraph, ingested. `graph` is its value of `join__Graph`."""

    name: str
    url: str
    graph: str
    version: Version
    links: Links
    types: dict[str, TypeDef]
    directive_definitions: dict[str, DirectiveDefinitionNode]
    #: Federation directive (specification's name) -> local name.
    federation_names: dict[str, str]
    #: Federation types (local names): not part of the supergraph.
    federation_types: frozenset[str]
    schema: Element
    document: DocumentNode
    #: Arguments of the subgraph's own directives.
    directive_arguments: dict[str, dict[str, InputDef]] = field(default_factory=dict)
    #: Root types are renamed to the default names already.
    query: bool = False
    mutation: bool = False
    subscription: bool = False
    #: (type, field) pairs that no rule but existence applies to: @external key fields of federation 1 style extensions.
    fake_external: set[tuple[str, str]] = field(default_factory=set)
    #: Fields used by a key, a @requires, a @provides or an interface.
    used: set[tuple[str, str]] = field(default_factory=set)
    #: (type, field) pairs some @provides of this subgraph selects.
    provided: set[tuple[str, str]] = field(default_factory=set)
    #: Fields of keys, which need no @shareable.
    key_fields: set[tuple[str, str]] = field(default_factory=set)

    #: It was of federation 1 and is now as if it were of federation 2.
    was_upgraded: bool = False

    @property
    def is_federation_2(self) -> bool:
        return self.version.major >= 2

    def objects(self) -> Iterator[TypeDef]:
        return (t for t in self.types.values() if t.kind == "OBJECT")

    def composites(self) -> Iterator[TypeDef]:
        return (t for t in self.types.values() if t.kind in ("OBJECT", "INTERFACE"))

    def input_field_types(self, name: str) -> dict[str, TypeNode] | None:
        """Types of an input object's fields; None for what is no input object here."""
        type_ = self.types.get(name)
        if type_ is None or type_.kind != "INPUT_OBJECT":
            return None
        return {field.name: field.type for field in type_.input_fields.values()}

    def possible_types(self, name: str) -> set[str]:
        """Names of the object types that a value of this type can have here."""
        type_ = self.types.get(name)
        if type_ is None:
            return set()
        if type_.kind == "UNION":
            return set(type_.members)
        if type_.kind == "INTERFACE":
            return {t.name for t in self.objects() if name in t.interfaces}
        return {name} if type_.kind == "OBJECT" else set()

    def is_external(self, type_: TypeDef, field_: FieldDef) -> bool:
        """`@external` on the field or its type, where it means what it says."""
        if not field_.directives and not type_.directives:
            return False  # as most are, and all are asked many times
        if (type_.name, field_.name) in self.fake_external:
            return False
        return field_.has("external") or type_.has("external")

    def is_shareable(self, type_: TypeDef, field_: FieldDef) -> bool:
        """Marked `@shareable` by itself or its type, part of a key, or of a kind that is always shared."""
        return (
            type_.kind == "INTERFACE"
            or field_.has("shareable")
            or any(a.on_extension is field_.on_extension for a in type_.applied("shareable"))
            or (type_.name, field_.name) in self.key_fields
        )


def base_name(node: TypeNode) -> str:
    """The named type under lists and non-nulls."""
    current: Any = node
    while not isinstance(current, NamedTypeNode):
        current = current.type
    return current.name.value


def is_one_of(type_: TypeDef) -> bool:
    """An input object of which exactly one field is to be given: GraphQL's own `@oneOf`."""
    return any(d.name == "oneOf" and not d.federation for d in type_.directives)
