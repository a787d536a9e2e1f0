"""Two API schemas, old and new -> what changed for clients: breaking, dangerous or safe, each at its coordinate.

Codes and classes are those of graphql-js' `findSchemaChanges` where it has them; it lacks defaults of input fields,
root types, `@oneOf` and deprecations, and says nothing of enums that are used for input alone.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeAlias

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeNode,
    Undefined,
    get_named_type,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    parse_type,
    print_ast,
)

from botberi_gateway.federation.literals import comparable

Severity: TypeAlias = Literal["breaking", "dangerous", "safe"]
SEVERITIES: Final[tuple[Severity, ...]] = ("breaking", "dangerous", "safe")


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `coordinate` is a schema coordinate: `Type`, `Type.field`, `Type.field(argument:)`, `@directive`."""

    severity: Severity
    code: str
    coordinate: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {
            "severity": self.severity,
            "code": self.code,
            "coordinate": self.coordinate,
            "message": self.message,
        }


def changes(old: GraphQLSchema, new: GraphQLSchema) -> list[Change]:
    """All changes: the gravest first, then by coordinate."""
    result = [*_roots(old, new), *_types(old, new), *_directives(old, new)]
    return sorted(result, key=lambda c: (SEVERITIES.index(c.severity), c.coordinate, c.code))


def _roots(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[Change]:
    for kind in ("query", "mutation", "subscription"):
        before, after = getattr(old, f"{kind}_type"), getattr(new, f"{kind}_type")
        if before is not None and after is None:
            yield Change("breaking", "ROOT_TYPE_REMOVED", before.name, f"There are no {kind} operations any more.")
        elif before is None and after is not None:
            yield Change("safe", "ROOT_TYPE_ADDED", after.name, f"There are {kind} operations now.")


def _own(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {
        name: type_
        for name, type_ in schema.type_map.items()
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
    }


def _types(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[Change]:
    before, after = _own(old), _own(new)
    outputs = _output_types(new)
    for name in before.keys() - after.keys():
        yield Change("breaking", "TYPE_REMOVED", name, f'"{name}" was removed.')
    for name in after.keys() - before.keys():
        yield Change("safe", "TYPE_ADDED", name, f'"{name}" was added.')
    for name in before.keys() & after.keys():
        old_type, new_type = before[name], after[name]
        if type(old_type) is not type(new_type):
            kinds = f"{_kind(old_type)} to {_kind(new_type)}"
            yield Change("breaking", "TYPE_CHANGED_KIND", name, f'"{name}" changed from {kinds}.')
        elif isinstance(old_type, GraphQLEnumType):
            assert isinstance(new_type, GraphQLEnumType)
            yield from _enum(old_type, new_type, for_output=name in outputs)
        elif isinstance(old_type, GraphQLUnionType):
            assert isinstance(new_type, GraphQLUnionType)
            yield from _names(old_type.types, new_type.types, name, "TYPE", "UNION", "member")
        elif isinstance(old_type, GraphQLInputObjectType):
            assert isinstance(new_type, GraphQLInputObjectType)
            yield from _input(old_type, new_type)
        elif isinstance(old_type, GraphQLObjectType | GraphQLInterfaceType):
            yield from _composite(old_type, new_type)


def _kind(type_: GraphQLNamedType) -> str:
    return type(type_).__name__.removeprefix("GraphQL").removesuffix("Type").lower()


def _output_types(schema: GraphQLSchema) -> set[str]:
    """Names of what fields give."""
    return {
        get_named_type(field.type).name
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and not is_introspection_type(type_)
        for field in type_.fields.values()
    }


def _names(old: Any, new: Any, owner: str, what: str, place: str, word: str) -> Iterator[Change]:
    before, after = {t.name for t in old}, {t.name for t in new}
    for name in before - after:
        yield Change("breaking", f"{what}_REMOVED_FROM_{place}", owner, f'"{owner}" lost the {word} "{name}".')
    for name in after - before:
        message = f'"{owner}" has a new {word}, "{name}", which clients may not expect.'
        yield Change("dangerous", f"{what}_ADDED_TO_{place}", owner, message)


def _enum(old: GraphQLEnumType, new: GraphQLEnumType, *, for_output: bool) -> Iterator[Change]:
    for value in old.values.keys() - new.values.keys():
        coordinate = f"{old.name}.{value}"
        yield Change("breaking", "VALUE_REMOVED_FROM_ENUM", coordinate, f'"{coordinate}" was removed.')
    for value in new.values.keys() - old.values.keys():
        coordinate = f"{old.name}.{value}"
        if for_output:
            message = f'"{coordinate}" is new, which clients may not expect.'
            yield Change("dangerous", "VALUE_ADDED_TO_ENUM", coordinate, message)
        else:
            yield Change("safe", "VALUE_ADDED_TO_INPUT_ENUM", coordinate, f'"{coordinate}" is new.')
    for value in old.values.keys() & new.values.keys():
        yield from _deprecation(old.values[value], new.values[value], f"{old.name}.{value}")


def _composite(old: Any, new: Any) -> Iterator[Change]:
    had, has = {i.name for i in old.interfaces}, {i.name for i in new.interfaces}
    for name in had - has:
        message = f'"{old.name}" no longer implements "{name}".'
        yield Change("breaking", "IMPLEMENTED_INTERFACE_REMOVED", old.name, message)
    for name in has - had:
        message = f'"{old.name}" now implements "{name}", whose clients may not expect it.'
        yield Change("dangerous", "IMPLEMENTED_INTERFACE_ADDED", old.name, message)
    for name in old.fields.keys() - new.fields.keys():
        coordinate = f"{old.name}.{name}"
        yield Change("breaking", "FIELD_REMOVED", coordinate, f'"{coordinate}" was removed.')
    for name in new.fields.keys() - old.fields.keys():
        coordinate = f"{old.name}.{name}"
        yield Change("safe", "FIELD_ADDED", coordinate, f'"{coordinate}" was added.')
    for name in old.fields.keys() & new.fields.keys():
        old_field, new_field = old.fields[name], new.fields[name]
        coordinate = f"{old.name}.{name}"
        yield from _type_change(old_field.type, new_field.type, coordinate, "FIELD", _output_fits)
        yield from _deprecation(old_field, new_field, coordinate)
        yield from _arguments(old_field.args, new_field.args, coordinate)


_Input: TypeAlias = GraphQLArgument | GraphQLInputField


def _arguments(
    old: Mapping[str, GraphQLArgument], new: Mapping[str, GraphQLArgument], owner: str, prefix: str = ""
) -> Iterator[Change]:
    for name in old.keys() - new.keys():
        yield Change("breaking", f"{prefix}ARG_REMOVED", f"{owner}({name}:)", f'"{owner}({name}:)" was removed.')
    for name in new.keys() - old.keys():
        yield _added(new[name], f"{owner}({name}:)", f"{prefix}ARG")
    for name in old.keys() & new.keys():
        coordinate = f"{owner}({name}:)"
        yield from _type_change(old[name].type, new[name].type, coordinate, f"{prefix}ARG", _input_fits)
        yield from _default(old[name], new[name], coordinate, f"{prefix}ARG")
        yield from _deprecation(old[name], new[name], coordinate)


def _added(node: GraphQLArgument | GraphQLInputField, coordinate: str, what: str) -> Change:
    if isinstance(node.type, GraphQLNonNull) and _default_text(node) is None:
        return Change("breaking", f"REQUIRED_{what}_ADDED", coordinate, f'"{coordinate}" is new and has to be given.')
    return Change("dangerous", f"OPTIONAL_{what}_ADDED", coordinate, f'"{coordinate}" is new and may be given.')


def _input(old: GraphQLInputObjectType, new: GraphQLInputObjectType) -> Iterator[Change]:
    if old.is_one_of != new.is_one_of:
        severity: Severity = "breaking" if new.is_one_of else "safe"
        word = "takes exactly one of its fields now" if new.is_one_of else "takes any of its fields now"
        code = "ONE_OF_ADDED" if new.is_one_of else "ONE_OF_REMOVED"
        yield Change(severity, code, old.name, f'"{old.name}" {word}.')
    for name in old.fields.keys() - new.fields.keys():
        coordinate = f"{old.name}.{name}"
        yield Change("breaking", "FIELD_REMOVED", coordinate, f'"{coordinate}" was removed.')
    for name in new.fields.keys() - old.fields.keys():
        yield _added(new.fields[name], f"{old.name}.{name}", "INPUT_FIELD")
    for name in old.fields.keys() & new.fields.keys():
        coordinate = f"{old.name}.{name}"
        yield from _type_change(old.fields[name].type, new.fields[name].type, coordinate, "FIELD", _input_fits)
        yield from _default(old.fields[name], new.fields[name], coordinate, "INPUT_FIELD")
        yield from _deprecation(old.fields[name], new.fields[name], coordinate)


def _type_change(old: Any, new: Any, coordinate: str, what: str, fits: Callable[[Any, Any], bool]) -> Iterator[Change]:
    if str(old) == str(new):
        return
    message = f'"{coordinate}" changed its type from {old} to {new}.'
    if fits(old, new):
        yield Change("safe", f"{what}_CHANGED_KIND_SAFE", coordinate, message)
    else:
        yield Change("breaking", f"{what}_CHANGED_KIND", coordinate, message)


def _output_fits(old: Any, new: Any) -> bool:
    """Whether values of the new type fit the old one: the same type, or non-null where null was possible."""
    if isinstance(new, GraphQLNonNull):
        return _output_fits(old.of_type if isinstance(old, GraphQLNonNull) else old, new.of_type)
    if isinstance(old, GraphQLList):
        return isinstance(new, GraphQLList) and _output_fits(old.of_type, new.of_type)
    return str(old) == str(new)


def _input_fits(old: Any, new: Any) -> bool:
    """Whether each value of the old type is one of the new type."""
    if isinstance(old, GraphQLNonNull):
        return _input_fits(old.of_type, new.of_type if isinstance(new, GraphQLNonNull) else new)
    if isinstance(old, GraphQLList):
        return isinstance(new, GraphQLList) and _input_fits(old.of_type, new.of_type)
    return str(old) == str(new)


def _default(old: _Input, new: _Input, coordinate: str, what: str) -> Iterator[Change]:
    before, after = _default_text(old), _default_text(new)
    if before == after or _default_value(old) == _default_value(new):
        return
    message = f'The default of "{coordinate}" changed from {before or "nothing"} to {after or "nothing"}.'
    if before is None:
        yield Change("safe", f"{what}_DEFAULT_VALUE_ADDED", coordinate, message)
    elif after is None and isinstance(new.type, GraphQLNonNull):
        yield Change("breaking", f"{what}_DEFAULT_VALUE_REMOVED", coordinate, message)
    else:
        yield Change("dangerous", f"{what}_DEFAULT_VALUE_CHANGE", coordinate, message)


def _default_value(node: _Input) -> Hashable:
    """Equal for equal values of the argument's type, however they are written; the text where there is no literal."""
    literal = node.default.literal if node.default is not None else None
    if literal is None:
        return _default_text(node)
    return comparable(
        literal, parse_type(str(node.type), no_location=True), partial(_field_types, get_named_type(node.type))
    )


def _field_types(type_: GraphQLNamedType, name: str) -> dict[str, TypeNode] | None:
    """Types of the fields of an input object that this type is, or that its fields lead to."""
    seen: set[str] = set()
    waiting = [type_]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, GraphQLInputObjectType) or current.name in seen:
            continue
        seen.add(current.name)
        if current.name == name:
            return {n: parse_type(str(f.type), no_location=True) for n, f in current.fields.items()}
        waiting += [get_named_type(f.type) for f in current.fields.values()]
    return None


def _default_text(node: _Input) -> str | None:
    """The default as it is written, for schemas that are built from SDL; None for no default."""
    if node.default is None:
        return None if node.default_value is Undefined else repr(node.default_value)
    return print_ast(node.default.literal) if node.default.literal is not None else repr(node.default.value)


def _deprecation(old: Any, new: Any, coordinate: str) -> Iterator[Change]:
    if old.deprecation_reason is None and new.deprecation_reason is not None:
        message = f'"{coordinate}" is deprecated now: {new.deprecation_reason}'
        yield Change("safe", "DEPRECATION_ADDED", coordinate, message)
    elif old.deprecation_reason is not None and new.deprecation_reason is None:
        yield Change("safe", "DEPRECATION_REMOVED", coordinate, f'"{coordinate}" is no longer deprecated.')


def _directives(old: GraphQLSchema, new: GraphQLSchema) -> Iterator[Change]:
    before = {d.name: d for d in old.directives if not is_specified_directive(d)}
    after = {d.name: d for d in new.directives if not is_specified_directive(d)}
    for name in before.keys() - after.keys():
        yield Change("breaking", "DIRECTIVE_REMOVED", f"@{name}", f'"@{name}" was removed.')
    for name in after.keys() - before.keys():
        yield Change("safe", "DIRECTIVE_ADDED", f"@{name}", f'"@{name}" was added.')
    for name in before.keys() & after.keys():
        old_directive, new_directive = before[name], after[name]
        if old_directive.is_repeatable and not new_directive.is_repeatable:
            message = f'"@{name}" can no longer be repeated.'
            yield Change("breaking", "DIRECTIVE_REPEATABLE_REMOVED", f"@{name}", message)
        for location in sorted(place.value for place in set(old_directive.locations) - set(new_directive.locations)):
            message = f'"@{name}" can no longer be on {location}.'
            yield Change("breaking", "DIRECTIVE_LOCATION_REMOVED", f"@{name}", message)
        yield from _arguments(old_directive.args, new_directive.args, f"@{name}", "DIRECTIVE_")
