"""The federation specification's directives and types, as data."""

from dataclasses import dataclass
from functools import cache

from graphql import DirectiveDefinitionNode, parse

from botberi_gateway.federation.versions import (
    AUTHENTICATED,
    CACHE_TAG,
    CONTEXT,
    COST,
    INACCESSIBLE,
    POLICY,
    REQUIRES_SCOPES,
    TAG,
    Version,
)

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


@dataclass(frozen=True, slots=True)
class FederationDirective:
    """`sdl` is the definition with the specification's own names (`FieldSet`, `Scope`, …)."""

    name: str
    since: Version
    sdl: str
    in_federation_1: bool = False


@dataclass(frozen=True, slots=True)
class ComposedFeature:
    """A directive that composition carries to the supergraph under a specification of its own."""

    directive: str
    identity: str
    version: Version
    purpose: str | None
    sdl: str


def _v(minor: int) -> Version:
    return Version(2, minor)


_TAG_0_1 = "FIELD_DEFINITION | INTERFACE | OBJECT | UNION"
_TAG_0_2 = f"{_TAG_0_1} | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION"
_HIDEABLE = (
    "FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE"
    " | INPUT_OBJECT | INPUT_FIELD_DEFINITION"
)
_GUARDED = "FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM"
_COST_ON = "ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR"
_LIST_SIZE = (
    "(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true)"
    " on FIELD_DEFINITION"
)

#: Every definition, oldest first; of one name the newest that isn't newer than the schema's version holds.
DIRECTIVES: tuple[FederationDirective, ...] = (
    FederationDirective(
        "key", _v(0), "(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE", True
    ),
    FederationDirective("requires", _v(0), "(fields: FieldSet!) on FIELD_DEFINITION", True),
    FederationDirective("provides", _v(0), "(fields: FieldSet!) on FIELD_DEFINITION", True),
    FederationDirective("external", _v(0), "(reason: String) on OBJECT | FIELD_DEFINITION", True),
    FederationDirective("tag", _v(0), f"(name: String!) repeatable on {_TAG_0_2}", True),
    FederationDirective("tag", _v(3), f"(name: String!) repeatable on {_TAG_0_2} | SCHEMA"),
    FederationDirective("extends", _v(0), "on OBJECT | INTERFACE", True),
    FederationDirective("shareable", _v(0), "on OBJECT | FIELD_DEFINITION"),
    FederationDirective("shareable", _v(2), "repeatable on OBJECT | FIELD_DEFINITION"),
    FederationDirective("inaccessible", _v(0), f"on {_HIDEABLE}"),
    FederationDirective("override", _v(0), "(from: String!) on FIELD_DEFINITION"),
    FederationDirective("override", _v(7), "(from: String!, label: String) on FIELD_DEFINITION"),
    FederationDirective("composeDirective", _v(1), "(name: String) repeatable on SCHEMA"),
    FederationDirective("interfaceObject", _v(3), "on OBJECT"),
    FederationDirective("authenticated", _v(5), f"on {_GUARDED}"),
    FederationDirective("requiresScopes", _v(5), f"(scopes: [[Scope!]!]!) on {_GUARDED}"),
    FederationDirective("policy", _v(6), f"(policies: [[Policy!]!]!) on {_GUARDED}"),
    FederationDirective("context", _v(8), "(name: String!) repeatable on INTERFACE | OBJECT | UNION"),
    FederationDirective("fromContext", _v(8), "(field: ContextFieldValue) on ARGUMENT_DEFINITION"),
    FederationDirective("cost", _v(9), f"(weight: Int!) on {_COST_ON}"),
    FederationDirective("listSize", _v(9), _LIST_SIZE),
    FederationDirective("cacheTag", _v(12), "(format: String!) repeatable on OBJECT | FIELD_DEFINITION"),
)

#: GraphQL's own, which no schema has to define (GraphQL specification, September 2025, section 3.13).
GRAPHQL_DIRECTIVES: dict[str, str] = {
    "deprecated": '(reason: String! = "No longer supported")'
    " on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE",
    "specifiedBy": "(url: String!) on SCALAR",
    "oneOf": "on INPUT_OBJECT",
}

#: Scalars of the specification, and since when. `FieldSet` alone may be written in other ways by older schemas.
TYPES: dict[str, Version] = {"FieldSet": _v(0), "Scope": _v(5), "Policy": _v(6), "ContextFieldValue": _v(8)}
FEDERATION_1_TYPES = ("_FieldSet",)

#: Machinery that a subgraph's own library may print; never part of the supergraph.
SUBGRAPH_TYPES = frozenset({"_Any", "_Entity", "_Service"})
SUBGRAPH_FIELDS = frozenset({"_entities", "_service"})

COMPOSED: tuple[ComposedFeature, ...] = (
    ComposedFeature("tag", TAG, Version(0, 3), None, f"(name: String!) repeatable on {_TAG_0_2} | SCHEMA"),
    ComposedFeature("inaccessible", INACCESSIBLE, Version(0, 2), "SECURITY", f"on {_HIDEABLE}"),
    ComposedFeature("authenticated", AUTHENTICATED, Version(0, 1), "SECURITY", f"on {_GUARDED}"),
    ComposedFeature(
        "requiresScopes",
        REQUIRES_SCOPES,
        Version(0, 1),
        "SECURITY",
        f"(scopes: [[requiresScopes__Scope!]!]!) on {_GUARDED}",
    ),
    ComposedFeature("policy", POLICY, Version(0, 1), "SECURITY", f"(policies: [[policy__Policy!]!]!) on {_GUARDED}"),
    ComposedFeature("cost", COST, Version(0, 1), None, f"(weight: Int!) on {_COST_ON}"),
    ComposedFeature("listSize", COST, Version(0, 1), None, _LIST_SIZE),
    ComposedFeature(
        "context", CONTEXT, Version(0, 1), "SECURITY", "(name: String!) repeatable on INTERFACE | OBJECT | UNION"
    ),
)
#: Kept in the supergraph as `@join__directive`s that say which subgraph has them, with a link but without a definition.
JOINED: tuple[ComposedFeature, ...] = (ComposedFeature("cacheTag", CACHE_TAG, Version(0, 1), "EXECUTION", ""),)
#: The newest definition of each directive.
LATEST_DIRECTIVES = {d.name: d for d in DIRECTIVES}
COMPOSED_BY_NAME = {feature.directive: feature for feature in COMPOSED}


@cache
def directives_of(version: Version) -> dict[str, FederationDirective]:
    """Name -> definition, for a schema of this federation version (`FEDERATION_1` for federation 1)."""
    if version.major < 2:
        return {d.name: d for d in DIRECTIVES if d.in_federation_1}
    return {d.name: d for d in DIRECTIVES if d.since <= version}


@cache
def types_of(version: Version) -> frozenset[str]:
    """Scalars that a schema of this version can import."""
    return frozenset(name for name, since in TYPES.items() if since <= max(version, Version(2, 0)))


@cache
def definition(name: str, sdl: str) -> DirectiveDefinitionNode:
    """A definition's node, made of the text in this module."""
    gap = "" if sdl.startswith("(") else " "
    node = parse(f"directive @{name}{gap}{sdl}", no_location=True).definitions[0]
    assert isinstance(node, DirectiveDefinitionNode)
    return node
