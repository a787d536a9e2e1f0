"""The text of a `fields` argument -> its selection set."""

from functools import lru_cache

from graphql import (
    FieldNode,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
)

#: Deeper than any real key; a limit against text made to exhaust the stack.
MAX_TOKENS = 10_000


class FieldSetSyntaxError(ValueError):
    """The text is no selection set."""


@lru_cache(maxsize=16_384)
def parse_field_set(text: str) -> SelectionSetNode:
    """Read `a b { c }` (braces around the whole are optional). Raises `FieldSetSyntaxError`."""
    body = text if text.lstrip().startswith("{") else "{" + text + "}"
    try:
        document = parse(body, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLSyntaxError, RecursionError) as error:
        message = error.message if isinstance(error, GraphQLSyntaxError) else "it is nested too deep"
        raise FieldSetSyntaxError(message) from error
    if len(document.definitions) != 1 or not isinstance(document.definitions[0], OperationDefinitionNode):
        raise FieldSetSyntaxError("it is not a selection of fields")
    if not document.definitions[0].selection_set.selections:
        raise FieldSetSyntaxError("it is empty")
    return document.definitions[0].selection_set


def normal_field_set(text: str) -> str:
    """One text for equal field sets: sorted, single spaces. Text that can't be parsed stays as it is."""
    try:
        return _normal(parse_field_set(text))
    except FieldSetSyntaxError:
        return text


def _normal(node: SelectionSetNode) -> str:
    parts = []
    for selection in node.selections:
        if isinstance(selection, FieldNode):
            arguments = ", ".join(sorted(print_ast(a) for a in selection.arguments or ()))
            part = f"{selection.name.value}({arguments})" if arguments else selection.name.value
            if selection.selection_set:
                part += " { " + _normal(selection.selection_set) + " }"
        elif isinstance(selection, InlineFragmentNode):
            on = f" on {selection.type_condition.name.value}" if selection.type_condition else ""
            part = f"...{on} {{ {_normal(selection.selection_set)} }}"
        else:
            part = print_ast(selection)
        parts.append(part)
    return " ".join(sorted(parts))
