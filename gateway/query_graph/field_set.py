"""Text of a field set (`"id owner { id }"`) -> selection set AST, parsed once for each text."""

from functools import lru_cache
from typing import TypeAlias

from graphql import GraphQLError, OperationDefinitionNode, SelectionSetNode, parse

from gateway.errors import SupergraphError

FieldSet: TypeAlias = SelectionSetNode


@lru_cache(maxsize=8192)
def parse_field_set(text: str) -> FieldSet:
    """The selection set. Raises `SupergraphError` where the text is no selection."""
    source = text if text.lstrip().startswith("{") else "{" + text + "}"
    try:
        definition = parse(source, no_location=True).definitions[0]
    except GraphQLError as error:
        raise SupergraphError(f"Not a field set: {text!r} ({error.message})") from error
    if not isinstance(definition, OperationDefinitionNode):
        raise SupergraphError(f"Not a field set: {text!r}")
    return definition.selection_set
