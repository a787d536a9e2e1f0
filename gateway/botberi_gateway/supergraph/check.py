"""A supergraph's document -> what is malformed in it, each fault with its line.

A gateway that served such a supergraph would fail later, with a message that says less. The faults are names that
nothing defines, kinds that can't stand where they are, joins without their arguments. Whether each operation can be
answered is proved by composition.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    EnumValueNode,
    GraphQLError,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    StringValueNode,
    TypeDefinitionNode,
    TypeNode,
    UnionTypeDefinitionNode,
    ValueNode,
    parse_type,
)
from graphql.language import ast

from botberi_gateway.errors import SupergraphError
from botberi_gateway.federation import FieldSetSyntaxError, parse_field_set
from botberi_gateway.federation.printed import printed_type

#: More errors than this don't help.
MAX_FAULTS: Final = 20
_BUILT_IN: Final = frozenset({"Int", "Float", "String", "Boolean", "ID"})
_KINDS: Final[Mapping[type[Node], str]] = {
    ast.ObjectTypeDefinitionNode: "an object",
    ast.InterfaceTypeDefinitionNode: "an interface",
    ast.UnionTypeDefinitionNode: "a union",
    ast.EnumTypeDefinitionNode: "an enum",
    ast.InputObjectTypeDefinitionNode: "an input object",
    ast.ScalarTypeDefinitionNode: "a scalar",
}
_INPUT: Final = frozenset({"an enum", "an input object", "a scalar"})
#: Join directive -> arguments that it can't be without (join specification, v0.1 to v0.5).
_MANDATORY: Final[Mapping[str, tuple[str, ...]]] = {
    "join__type": ("graph",),
    "join__owner": ("graph",),
    "join__field": (),
    "join__implements": ("graph", "interface"),
    "join__unionMember": ("graph", "member"),
    "join__enumValue": ("graph",),
}
_STRINGS: Final = frozenset(
    {"key", "requires", "provides", "type", "override", "overrideLabel", "interface", "member", "name", "url"}
)
_FIELD_SETS: Final = frozenset({"key", "requires", "provides"})
_CONTEXT_ARGUMENT: Final = ("context", "name", "type", "selection")


def is_machinery(name: str) -> bool:
    """Whether the name is one of the join, link or core specification's."""
    return name in ("join", "link", "core") or name.startswith(("join__", "link__", "core__"))


def check(document: DocumentNode) -> None:
    """Raises `SupergraphError` with a line for each fault."""
    faults = []
    for node, message in _Check(document).faults():
        faults.append(f"line {node.loc.start_token.line}: {message}" if node.loc is not None else message)
        if len(faults) >= MAX_FAULTS:
            faults.append("…")
            break
    if faults:
        raise SupergraphError("The supergraph is malformed.\n" + "\n".join(f"  {line}" for line in faults))


class _Check:
    def __init__(self, document: DocumentNode) -> None:
        self.document = document
        self.types: dict[str, TypeDefinitionNode] = {}
        self.graphs: set[str] = set()

    def faults(self) -> Iterator[tuple[Node, str]]:
        """The faults, each with its node."""
        for definition in self.document.definitions:
            if isinstance(definition, TypeDefinitionNode):
                name = definition.name.value
                if name in self.types:
                    yield definition, f'"{name}" is defined twice.'
                if name == "join__Graph" or not is_machinery(name):
                    self.types[name] = definition
        yield from self._graphs()
        for definition in self.document.definitions:
            if isinstance(definition, SchemaDefinitionNode):
                yield from self._roots(definition)
            elif not isinstance(definition, TypeDefinitionNode | DirectiveDefinitionNode) or is_machinery(
                definition.name.value
            ):
                continue
            elif isinstance(definition, DirectiveDefinitionNode):
                for argument in definition.arguments or ():
                    where = f'"@{definition.name.value}({argument.name.value}:)"'
                    yield from self._type(argument, where, argument.type, is_input=True)
            else:
                yield from self._definition(definition)

    def _graphs(self) -> Iterator[tuple[Node, str]]:
        enum = self.types.get("join__Graph")
        for value in (enum.values or ()) if isinstance(enum, EnumTypeDefinitionNode) else ():
            self.graphs.add(value.name.value)
            for directive in value.directives or ():
                if directive.name.value == "join__graph":
                    yield from self._arguments(directive, ("name",), f'"join__Graph.{value.name.value}"')

    def _roots(self, node: SchemaDefinitionNode) -> Iterator[tuple[Node, str]]:
        for root in node.operation_types:
            name, kind = root.type.name.value, root.operation.value
            if name not in self.types:
                yield root, f'The {kind} root is the type "{name}", which the supergraph doesn\'t define.'
            elif self._kind(name) != "an object":
                yield root, f'The {kind} root "{name}" is {self._kind(name)}, not an object.'

    def _kind(self, name: str) -> str:
        return "a scalar" if name in _BUILT_IN else _KINDS[type(self.types[name])]

    def _definition(self, node: TypeDefinitionNode) -> Iterator[tuple[Node, str]]:
        name = node.name.value
        anything: Any = node
        yield from self._joins(node, f'"{name}"')
        for interface in getattr(anything, "interfaces", None) or ():
            yield from self._named(interface, f'"{name}" implements', interface.name.value, "an interface")
        if isinstance(node, UnionTypeDefinitionNode):
            for member in node.types or ():
                yield from self._named(member, f'"{name}" has the member', member.name.value, "an object")
        for value in getattr(anything, "values", None) or ():
            yield from self._joins(value, f'"{name}.{value.name.value}"')
        is_input = isinstance(node, ast.InputObjectTypeDefinitionNode)
        seen: set[str] = set()
        for field in getattr(anything, "fields", None) or ():
            where = f'"{name}.{field.name.value}"'
            if field.name.value in seen:
                yield field, f"{where} is defined twice."
            seen.add(field.name.value)
            yield from self._type(field, where, field.type, is_input=is_input)
            yield from self._joins(field, where)
            for argument in getattr(field, "arguments", None) or ():
                place = f'"{name}.{field.name.value}({argument.name.value}:)"'
                yield from self._type(argument, place, argument.type, is_input=True)

    def _named(self, node: Node, where: str, name: str, kind: str) -> Iterator[tuple[Node, str]]:
        if name not in self.types:
            yield node, f'{where} "{name}", which the supergraph doesn\'t define.'
        elif self._kind(name) != kind:
            yield node, f'{where} "{name}", which is {self._kind(name)}, not {kind}.'

    def _type(self, node: Node, where: str, type_: TypeNode, *, is_input: bool) -> Iterator[tuple[Node, str]]:
        name = printed_type(type_).strip("[]!")
        if name not in self.types and name not in _BUILT_IN:
            yield node, f'{where} is of the type "{name}", which the supergraph doesn\'t define.'
        elif is_input and self._kind(name) not in _INPUT:
            yield node, f'{where} is of the type "{name}", which is {self._kind(name)} and can\'t be given.'
        elif not is_input and self._kind(name) == "an input object":
            yield node, f'{where} is of the type "{name}", which is an input object and can\'t be asked for.'

    def _joins(self, node: Any, where: str) -> Iterator[tuple[Node, str]]:
        for directive in node.directives or ():
            mandatory = _MANDATORY.get(directive.name.value)
            if mandatory is not None:
                yield from self._arguments(directive, mandatory, where)

    def _arguments(
        self, directive: ConstDirectiveNode, mandatory: Collection[str], where: str
    ) -> Iterator[tuple[Node, str]]:
        subject = f"@{directive.name.value} of {where}"
        values = {a.name.value: a.value for a in directive.arguments or () if not isinstance(a.value, NullValueNode)}
        for name in mandatory:
            if name not in values:
                yield directive, f'{subject} lacks the argument "{name}".'
        for name, value in values.items():
            fault = self._value(name, value)
            if fault is not None:
                yield directive, f'{subject} has the argument "{name}", {fault}'

    def _value(self, name: str, value: ValueNode) -> str | None:
        """The fault of an argument of a join directive, None if it has none."""
        if name == "graph":
            exists = isinstance(value, EnumValueNode) and value.value in self.graphs
            return None if exists else "which is no value of the enum join__Graph."
        if name in _STRINGS:
            if not isinstance(value, StringValueNode):
                return "which is no string."
            return _text_fault(name, value.value)
        if name == "contextArguments":
            items = value.values if isinstance(value, ListValueNode) else (value,)
            return None if all(map(_is_context_argument, items)) else "which is no list of context arguments."
        return None


def _text_fault(name: str, text: str) -> str | None:
    try:
        if name in _FIELD_SETS:
            parse_field_set(text)
        elif name == "type":
            parse_type(text, no_location=True)
    except FieldSetSyntaxError as error:
        return f'"{text}", which is no selection of fields: {error}.'
    except (GraphQLError, RecursionError):
        return f'"{text}", which is no type.'
    return None


def _is_context_argument(value: ValueNode) -> bool:
    if not isinstance(value, ObjectValueNode):
        return False
    names = {f.name.value for f in value.fields if isinstance(f.value, StringValueNode)}
    return names.issuperset(_CONTEXT_ARGUMENT)
