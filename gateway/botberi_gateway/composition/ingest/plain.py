"""A subgraph's definitions -> whether GraphQL certainly has nothing against them, found in one pass.

graphql-core's fifteen rules visit each node by name, then it builds a schema and visits that: three quarters of the
time that reading a large subgraph takes. Here a subgraph that is valid (nearly all are) is recognised as valid; any
other is left to those rules, so that all errors and places come from them.
"""

from collections.abc import Iterable, Set
from typing import Any

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DirectiveNode,
    InputValueDefinitionNode,
    ListValueNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
    TypeDefinitionNode,
    TypeExtensionNode,
    TypeNode,
    ValueNode,
    specified_directives,
)

from botberi_gateway.composition.ingest.build import KINDS
from botberi_gateway.composition.ingest.shapes import Shape, are_inputs, are_sound
from botberi_gateway.composition.ingest.values import surely_fits
from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.federation.specified import EXECUTABLE_LOCATIONS

_ROOTS = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}
_OWN_DIRECTIVES = frozenset(d.name for d in specified_directives)


class _Unsure(Exception):
    """Ends the pass: graphql-core's rules have to decide."""


class _Directive:
    """A directive's definition, in the form in which applications are compared with it."""

    __slots__ = ("arguments", "locations", "repeatable", "required")

    def __init__(self, node: DirectiveDefinitionNode) -> None:
        self.locations = {location.value for location in node.locations}
        self.repeatable = node.repeatable
        self.arguments = {a.name.value: a.type for a in node.arguments or ()}
        self.required = {
            a.name.value for a in node.arguments or () if isinstance(a.type, NonNullTypeNode) and not a.default_value
        }


def is_plainly_valid(definitions: Iterable[DefinitionNode], machinery: Set[str], field_sets: Set[str]) -> bool:
    """`definitions` with the federation's own; `machinery` are the federation's types, which only themselves may name.

    True: graphql-core's rules for SDL, its validation of the schema, and that of values in directives and defaults find
    nothing.
    """
    try:
        return _Check(machinery, field_sets).passes(list(definitions))
    except _Unsure:
        return False


class _Check:
    def __init__(self, machinery: Set[str], field_sets: Set[str]) -> None:
        self.machinery = machinery
        self.field_sets = field_sets
        self.shapes: dict[str, Shape] = {}
        self.defined: set[str] = set()
        self.applied: dict[str, set[str]] = {}
        self.directives: dict[str, _Directive] = {}
        self.roots: dict[str, str] = {}
        self.explicit = False
        #: Default values, looked at when all types are known.
        self.defaults: list[tuple[ValueNode, TypeNode]] = []
        self.given: list[tuple[ValueNode, TypeNode]] = []

    def passes(self, definitions: list[DefinitionNode]) -> bool:
        directives = [d for d in definitions if isinstance(d, DirectiveDefinitionNode)]
        for node in directives:
            self.define(node)
        for node in directives:
            client = not EXECUTABLE_LOCATIONS.isdisjoint(self.directives[node.name.value].locations)
            self.inputs(node.arguments or (), "ARGUMENT_DEFINITION", is_own=client)
        for definition in definitions:
            if isinstance(definition, TypeDefinitionNode | TypeExtensionNode):
                self.type(definition)
            elif isinstance(definition, SchemaDefinitionNode | SchemaExtensionNode):
                self.schema(definition)
            elif not isinstance(definition, DirectiveDefinitionNode):
                return False
        for kind, default in _ROOTS.items():
            if not self.explicit and default in self.shapes:
                self.roots.setdefault(kind, default)
        return (
            self.shapes.keys() <= self.defined
            and all(are_inputs(node.arguments or (), self.shapes) for node in directives)
            and are_sound(self.shapes, self.roots.values())
            and all(surely_fits(value, type_, self.shapes) for value, type_ in (*self.given, *self.defaults))
        )

    def define(self, node: DirectiveDefinitionNode) -> None:
        name = node.name.value
        if name in self.directives or name in _OWN_DIRECTIVES or name.startswith("__") or node.directives:
            raise _Unsure
        self.directives[name] = _Directive(node)
        arguments = node.arguments or ()
        if len({a.name.value for a in arguments}) < len(arguments):
            raise _Unsure

    def schema(self, node: SchemaDefinitionNode | SchemaExtensionNode) -> None:
        if isinstance(node, SchemaDefinitionNode):
            if self.explicit:
                raise _Unsure
            self.explicit = True
        for root in node.operation_types or ():
            if root.operation.value in self.roots:
                raise _Unsure
            self.roots[root.operation.value] = root.type.name.value
        if node.directives:
            self.apply(node.directives, "SCHEMA", self.applied.setdefault("", set()))

    def type(self, node: Any) -> None:
        name, kind = node.name.value, KINDS[type(node)]
        if isinstance(node, TypeDefinitionNode):
            if name in self.defined:
                raise _Unsure
            self.defined.add(name)
        shape = self.shapes.get(name)
        if shape is None:
            shape = self.shapes[name] = Shape(kind)
        elif shape.kind != kind:
            raise _Unsure
        if node.directives:
            self.apply(node.directives, kind, self.applied.setdefault(name, set()))
        if kind in ("OBJECT", "INTERFACE"):
            shape.interfaces += [i.name.value for i in node.interfaces or ()]
            self.fields(node, shape, is_own=name not in self.machinery)
        elif kind == "INPUT_OBJECT":
            self.inputs(node.fields or (), "INPUT_FIELD_DEFINITION", is_own=name not in self.machinery)
            self.unique(shape.inputs, {f.name.value: f for f in node.fields or ()}, len(node.fields or ()))
        elif kind == "UNION":
            shape.members += [m.name.value for m in node.types or ()]
            if name not in self.machinery and not self.machinery.isdisjoint(shape.members):
                raise _Unsure
        elif kind == "ENUM":
            self.values(node, shape)

    @staticmethod
    def unique(names: dict[str, Any], more: dict[str, Any], count: int) -> None:
        if len(more) < count or not names.keys().isdisjoint(more):
            raise _Unsure
        names.update(more)

    def fields(self, node: Any, shape: Shape, *, is_own: bool) -> None:
        fields = node.fields or ()
        entries = {}
        for field in fields:
            arguments = field.arguments or ()
            if is_own and base_name(field.type) in self.machinery:
                raise _Unsure
            if field.directives:
                self.apply(field.directives, "FIELD_DEFINITION", set())
            if arguments:
                self.inputs(arguments, "ARGUMENT_DEFINITION", is_own=is_own)
                if len({a.name.value for a in arguments}) < len(arguments):
                    raise _Unsure
            entries[field.name.value] = (field.type, arguments)
        self.unique(shape.fields, entries, len(fields))

    def inputs(self, nodes: Iterable[InputValueDefinitionNode], location: str, *, is_own: bool) -> None:
        for node in nodes:
            if is_own and base_name(node.type) in self.machinery:
                raise _Unsure
            if node.directives:
                self.apply(node.directives, location, set())
            if node.default_value is not None:
                self.defaults.append((node.default_value, node.type))

    def values(self, node: Any, shape: Shape) -> None:
        values = node.values or ()
        names = {v.name.value for v in values}
        if len(names) < len(values) or not shape.values.isdisjoint(names):
            raise _Unsure
        shape.values |= names
        for value in values:
            if value.directives:
                self.apply(value.directives, "ENUM_VALUE", set())

    def apply(self, nodes: Iterable[DirectiveNode], location: str, seen: set[str]) -> None:
        """`seen` are the directives that the element has so far."""
        for node in nodes:
            name = node.name.value
            definition = self.directives.get(name)
            if definition is None:
                if _is_graphqls_own(node, location) and name not in seen:
                    seen.add(name)
                    continue
                raise _Unsure
            if location not in definition.locations or (name in seen and not definition.repeatable):
                raise _Unsure
            seen.add(name)
            names = set()
            for argument in node.arguments or ():
                argument_name = argument.name.value
                type_ = definition.arguments.get(argument_name)
                if type_ is None or argument_name in names:
                    raise _Unsure
                names.add(argument_name)
                if base_name(type_) in self.field_sets:
                    if isinstance(argument.value, NullValueNode | ObjectValueNode | ListValueNode):
                        raise _Unsure
                else:
                    self.given.append((argument.value, type_))
            if not definition.required <= names:
                raise _Unsure


#: GraphQL's own directives that schemas use: the one argument, mandatory for the second, and where they may stand.
_DEPRECATED = frozenset({"FIELD_DEFINITION", "ARGUMENT_DEFINITION", "INPUT_FIELD_DEFINITION", "ENUM_VALUE"})


def _is_graphqls_own(node: DirectiveNode, location: str) -> bool:
    arguments = node.arguments or ()
    if not all(isinstance(a.value, StringValueNode) for a in arguments):
        return False
    names = [a.name.value for a in arguments]
    if node.name.value == "deprecated":
        return location in _DEPRECATED and names in ([], ["reason"])
    return node.name.value == "specifiedBy" and location == "SCALAR" and names == ["url"]
