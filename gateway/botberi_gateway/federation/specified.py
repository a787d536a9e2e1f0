"""Names that GraphQL and the federation specification give, beside the federation's directives."""

from functools import cache

from graphql import DirectiveDefinitionNode, parse

from botberi_gateway.federation.versions import Version

#: Where a directive of operations may stand (GraphQL specification, ExecutableDirectiveLocation).
EXECUTABLE_LOCATIONS = frozenset(
    {
        "QUERY",
        "MUTATION",
        "SUBSCRIPTION",
        "FIELD",
        "FRAGMENT_DEFINITION",
        "FRAGMENT_SPREAD",
        "INLINE_FRAGMENT",
        "VARIABLE_DEFINITION",
    }
)

#: GraphQL's own, which no schema has to define (GraphQL specification, September 2025, section 3.13).
GRAPHQL_DIRECTIVES: dict[str, str] = {
    "deprecated": '(reason: String! = "No longer supported")'
    " on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE",
    "specifiedBy": "(url: String!) on SCALAR",
    "oneOf": "on INPUT_OBJECT",
}

#: Scalars of the specification, and since when. `FieldSet` alone may be written in other ways by older schemas.
TYPES: dict[str, Version] = {
    "FieldSet": Version(2, 0),
    "Scope": Version(2, 5),
    "Policy": Version(2, 6),
    "ContextFieldValue": Version(2, 8),
}
FEDERATION_1_TYPES = ("_FieldSet",)

#: Machinery that a subgraph's own library may print; never part of the supergraph.
SUBGRAPH_TYPES = frozenset({"_Any", "_Entity", "_Service"})
SUBGRAPH_FIELDS = frozenset({"_entities", "_service"})


@cache
def types_of(version: Version) -> frozenset[str]:
    """Scalars that a schema of this version can import."""
    return frozenset(name for name, since in TYPES.items() if since <= max(version, Version(2, 0)))


@cache
def definition(name: str, sdl: str) -> DirectiveDefinitionNode:
    """A definition's node, made of the text after the directive's name."""
    gap = "" if sdl.startswith("(") else " "
    node = parse(f"directive @{name}{gap}{sdl}", no_location=True).definitions[0]
    assert isinstance(node, DirectiveDefinitionNode)
    return node
