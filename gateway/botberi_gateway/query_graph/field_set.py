"""The text of a field set (`"id owner { id }"`) -> its selection set, parsed once for each text."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, SelectionSetNode, parse

from botberi_gateway.errors import SupergraphError

FieldSet: TypeAlias = SelectionSetNode


@lru_cache(maxsize=8192)
def parse_field_set(text: str) -> FieldSet:
    """The selection set of a field set. Raises `SupergraphError` where the text is no selection."""
    source = text if text.lstrip().startswith("{") else "{" + text + "}"
    try:
        definition = parse(source, no_location=True).definitions[0]
    except GraphQLError as error:
        raise SupergraphError(f"Not a field set: {text!r} ({error.message})") from error
    if not isinstance(definition, OperationDefinitionNode):
        raise SupergraphError(f"Not a field set: {text!r}")
    return definition.selection_set


@dataclass(frozen=True, slots=True, eq=False)
class KeyPart:
    """A field at the first level of a key; `below` is what is selected of it."""

    name: str
    below: SelectionSetNode | None


@lru_cache(maxsize=8192)
def key_parts(text: str) -> tuple[KeyPart, ...]:
    """The fields at the first level of a key."""
    return tuple(
        KeyPart(node.name.value, node.selection_set)
        for node in parse_field_set(text).selections
        if isinstance(node, FieldNode) and node.name.value != "__typename"
    )
