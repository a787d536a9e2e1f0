"""Facts about a schema, written as SDL -> which of them an SDL lacks.

A type, field, argument, value or member that the facts name has to be there; a field's type, an argument's type and
default, and each directive that they write have to be the same. What the facts leave out is not looked at.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from graphql import DirectiveNode, parse, print_ast


def missing(facts: str, sdl: str) -> list[str]:
    """A line for each fact that the SDL lacks or has otherwise."""
    actual = {_name(node): node for node in parse(sdl, no_location=True).definitions}
    found: list[str] = []
    for node in parse(facts, no_location=True).definitions:
        name = _name(node)
        if name not in actual:
            found.append(f"{name} is missing")
        else:
            found += _element(name, node, actual[name])
    return found


def present(names: Iterable[str], sdl: str) -> list[str]:
    """The names that the SDL has.

    Names are `Type`, `Type.field`, `Type.field.argument`, `ENUM.VALUE`, `Union.Member` or `@directive`.
    """
    known = set(_names(sdl))
    return [name for name in names if name in known]


def _names(sdl: str) -> Iterator[str]:
    for node in parse(sdl, no_location=True).definitions:
        name = _name(node)
        yield name
        for part, inner in _parts(node).items():
            yield f"{name}.{part}"
            yield from (f"{name}.{part}.{argument.name.value}" for argument in getattr(inner, "arguments", None) or ())


def _name(node: Any) -> str:
    if node.kind.startswith("schema"):
        return "schema"
    return ("@" if node.kind == "directive_definition" else "") + str(node.name.value)


def _parts(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in ("fields", "values", "types", "operation_types"):
        for part in getattr(node, attribute, None) or ():
            name = part.operation.value if part.kind == "operation_type_definition" else part.name.value
            found[name] = part
    return found


def _element(name: str, wanted: Any, actual: Any) -> Iterator[str]:
    if wanted.kind.replace("extension", "definition") != actual.kind.replace("extension", "definition"):
        yield f"{name} is {actual.kind}, not {wanted.kind}"
        return
    for attribute in ("type", "default_value"):
        one, other = getattr(wanted, attribute, None), getattr(actual, attribute, None)
        if one is not None and (other is None or print_ast(one) != print_ast(other)):
            yield f"{name}: its {attribute} is {other and print_ast(other)}, not {print_ast(one)}"
        if (
            attribute == "default_value"
            and one is None
            and other is not None
            and wanted.kind == "input_value_definition"
        ):
            yield f"{name} has the default {print_ast(other)}"
    if getattr(wanted, "description", None) is not None and (
        actual.description is None or actual.description.value != wanted.description.value
    ):
        yield f"{name}: its description is {actual.description and actual.description.value!r}"
    if getattr(wanted, "repeatable", None) is not None and wanted.repeatable != actual.repeatable:
        yield f"{name}: repeatable is {actual.repeatable}"
    for attribute in ("interfaces", "locations"):
        there = {
            item.name.value if hasattr(item, "name") else item.value for item in getattr(actual, attribute, None) or ()
        }
        for item in getattr(wanted, attribute, None) or ():
            text = item.name.value if hasattr(item, "name") else item.value
            if text not in there:
                yield f"{name} lacks {text} among its {attribute}"
    applied = [_directive(d) for d in getattr(actual, "directives", None) or ()]
    for directive in getattr(wanted, "directives", None) or ():
        text = _directive(directive)
        if text not in applied:
            yield f"{name} lacks {text}; it has {' '.join(applied)}"
        else:
            applied.remove(text)
    for argument in getattr(wanted, "arguments", None) or ():
        other = next((a for a in actual.arguments or () if a.name.value == argument.name.value), None)
        label = f"{name}.{argument.name.value}"
        yield from [f"{label} is missing"] if other is None else _element(label, argument, other)
    parts = _parts(actual)
    for part, inner in _parts(wanted).items():
        label = f"{name}.{part}"
        yield from [f"{label} is missing"] if part not in parts else _element(label, inner, parts[part])


def _directive(node: DirectiveNode) -> str:
    arguments = sorted(f"{a.name.value}: {print_ast(a.value)}" for a in node.arguments or ())
    return f"@{node.name.value}" + (f"({', '.join(arguments)})" if arguments else "")
