"""The elements of the API that aren't @inaccessible make a schema by themselves.

QUERY_ROOT_TYPE_INACCESSIBLE, REFERENCED_INACCESSIBLE, ONLY_INACCESSIBLE_CHILDREN, IMPLEMENTED_BY_INACCESSIBLE,
REQUIRED_INACCESSIBLE, DEFAULT_VALUE_USES_INACCESSIBLE, DISALLOWED_INACCESSIBLE.

The specification: https://specs.apollo.dev/inaccessible/v0.2/
The codes: https://www.apollographql.com/docs/graphos/reference/federation/errors
"""

from collections.abc import Iterator

from graphql import (
    ConstDirectiveNode,
    EnumValueNode,
    InputValueDefinitionNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    ObjectValueNode,
    TypeNode,
    ValueNode,
)

from botberi_gateway.composition.merge_state import MergeState
from botberi_gateway.composition.problem import Problem, places
from botberi_gateway.composition.subgraph import base_name
from botberi_gateway.federation.specified import EXECUTABLE_LOCATIONS
from botberi_gateway.supergraph import Supergraph, SupergraphField, SupergraphType


def check(supergraph: Supergraph, state: MergeState) -> Iterator[Problem]:
    name = state.composed.names.get("inaccessible")
    if name is None or "inaccessible" not in state.composed.used:
        return
    checker = _Checker(supergraph, state, name)
    yield from checker.directives()
    for type_ in supergraph.types.values():
        yield from checker.type(type_)


class _Checker:
    def __init__(self, supergraph: Supergraph, state: MergeState, directive: str) -> None:
        self.supergraph = supergraph
        self.state = state
        self.directive = directive
        self.hidden = {t.name for t in supergraph.types.values() if self.is_hidden(t.directives)}

    def is_hidden(self, directives: tuple[ConstDirectiveNode, ...] | None) -> bool:
        return any(d.name.value == self.directive for d in directives or ())

    def problem(self, code: str, message: str, type_name: str, field: str | None = None) -> Problem:
        places_ = []
        for schema, type_ in self.state.sources(type_name):
            if field is None:
                places_.append((schema.name, type_.node))
                continue
            member = type_.fields.get(field) or type_.input_fields.get(field) or type_.values.get(field)
            if member is not None:
                places_.append((schema.name, member.node))
        return Problem(code, message, places(places_))

    def directives(self) -> Iterator[Problem]:
        for node in self.supergraph.directive_definitions:
            for argument in node.arguments or ():
                if self.is_hidden(argument.directives) and not any(
                    place.value in EXECUTABLE_LOCATIONS for place in node.locations
                ):
                    message = (
                        f'"@{node.name.value}({argument.name.value}:)" can\'t be @inaccessible: clients never see it.'
                    )
                    yield Problem("DISALLOWED_INACCESSIBLE", message)
                    continue
                where = f'"@{node.name.value}({argument.name.value}:)"'
                yield from self.input(argument, where, "argument", f"@{node.name.value}", argument.name.value)

    def type(self, type_: SupergraphType) -> Iterator[Problem]:
        if type_.name in self.hidden:
            if type_.name == self.supergraph.query:
                message = f'"{type_.name}" is @inaccessible, but clients need a query root.'
                yield self.problem("QUERY_ROOT_TYPE_INACCESSIBLE", message, type_.name)
            return
        children = self.children(type_)
        if children and all(children):
            what = {"ENUM": "values", "UNION": "members"}.get(type_.kind, "fields")
            message = f'All {what} of "{type_.name}" are @inaccessible, so the type has to be as well.'
            yield self.problem("ONLY_INACCESSIBLE_CHILDREN", message, type_.name)
        for field in type_.fields.values():
            yield from self.field(type_, field)
        for entry in type_.input_fields.values():
            yield from self.input(entry.node, f'"{type_.name}.{entry.name}"', "input field", type_.name, entry.name)

    def children(self, type_: SupergraphType) -> list[bool]:
        match type_.kind:
            case "UNION":
                return [m in self.hidden for m in type_.members]
            case "ENUM":
                return [self.is_hidden(v.directives) for v in type_.values.values()]
            case "INPUT_OBJECT":
                return [self.is_hidden(f.node.directives) for f in type_.input_fields.values()]
        return [self.is_hidden(f.directives) for f in type_.fields.values()]

    def field(self, type_: SupergraphType, field: SupergraphField) -> Iterator[Problem]:
        coordinate = f"{type_.name}.{field.name}"
        interfaces = [
            i.fields[field.name]
            for name in type_.interfaces
            if (i := self.supergraph.types.get(name)) is not None and name not in self.hidden and field.name in i.fields
        ]
        owners = [n for n in type_.interfaces if n not in self.hidden]
        if self.is_hidden(field.directives):
            if any(not self.is_hidden(other.directives) for other in interfaces):
                message = f'"{coordinate}" is @inaccessible, but a field of {", ".join(owners)} that clients see.'
                yield self.problem("IMPLEMENTED_BY_INACCESSIBLE", message, type_.name, field.name)
            return
        yield from self.reference(field.type, f'"{coordinate}"', type_.name, field.name)
        for argument in field.arguments:
            name = argument.name.value
            where = f'"{coordinate}({name}:)"'
            if self.is_hidden(argument.directives) and any(
                a.name.value == name and not self.is_hidden(a.directives)
                for other in interfaces
                if not self.is_hidden(other.directives)
                for a in other.arguments
            ):
                message = f"{where} is @inaccessible, but an argument of {', '.join(owners)} that clients see."
                yield self.problem("IMPLEMENTED_BY_INACCESSIBLE", message, type_.name, field.name)
                continue
            yield from self.input(argument, where, "argument", type_.name, field.name)

    def input(
        self, node: InputValueDefinitionNode, where: str, what: str, type_name: str, field: str
    ) -> Iterator[Problem]:
        if self.is_hidden(node.directives):
            if isinstance(node.type, NonNullTypeNode) and node.default_value is None:
                message = f"{where} is @inaccessible, but a mandatory {what}: clients couldn't give it."
                yield self.problem("REQUIRED_INACCESSIBLE", message, type_name, field)
            return
        yield from self.reference(node.type, where, type_name, field)
        if node.default_value is not None:
            for used in self.hidden_in_value(node.default_value, node.type):
                message = f'The default value of {where} uses "{used}", which is @inaccessible.'
                yield self.problem("DEFAULT_VALUE_USES_INACCESSIBLE", message, type_name, field)

    def reference(self, node: TypeNode, where: str, type_name: str, field: str) -> Iterator[Problem]:
        target = base_name(node)
        if target in self.hidden:
            message = f'"{target}" is @inaccessible, but {where}, which clients see, is of this type.'
            yield self.problem("REFERENCED_INACCESSIBLE", message, type_name, field)

    def hidden_in_value(self, value: ValueNode, node: TypeNode) -> Iterator[str]:
        if isinstance(node, NonNullTypeNode):
            node = node.type
        if isinstance(value, ListValueNode):
            inner = node.type if isinstance(node, ListTypeNode) else node
            for item in value.values:
                yield from self.hidden_in_value(item, inner)
            return
        type_ = self.supergraph.types.get(base_name(node))
        if type_ is None:
            return
        if isinstance(value, EnumValueNode):
            member = type_.values.get(value.value)
            if member is not None and self.is_hidden(member.directives):
                yield f"{type_.name}.{member.name}"
        elif isinstance(value, ObjectValueNode):
            for entry in value.fields:
                field = type_.input_fields.get(entry.name.value)
                if field is None:
                    continue
                if self.is_hidden(field.node.directives):
                    yield f"{type_.name}.{field.name}"
                else:
                    yield from self.hidden_in_value(entry.value, field.node.type)
