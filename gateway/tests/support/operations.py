"""GraphQL text -> `Operation`, without validation: for tests that start behind it."""

from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, parse

from botberi_gateway.operation import Operation


def operation_of(schema: GraphQLSchema, source: str) -> Operation:
    """The document's first operation."""
    document = parse(source)
    definition = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    return Operation(schema, document, definition, fragments)
