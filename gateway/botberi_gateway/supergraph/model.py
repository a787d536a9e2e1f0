"""The supergraph as data: types and fields, and for each the subgraphs that have it (join specification, v0.1 to v0.5).

Types, arguments, default values and foreign directives are kept as graphql-core AST nodes, so that nothing is lost
between reading and printing. Subgraphs are named by their `join__Graph` enum value (`graph`) throughout;
`SupergraphData.graphs` gives name and URL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    InputValueDefinitionNode,
    TypeNode,
)

TypeKind: TypeAlias = Literal["OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "SCALAR"]


@dataclass(frozen=True, slots=True)
class Graph:
    """A subgraph: `graph` is its value of `join__Graph`, `name` and `url` are what `@join__graph` says."""

    graph: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class JoinType:
    """`@join__type`: the type is in this subgraph. One entry for each of its keys (field sets), or one without key."""

    graph: str
    key: str | None = None
    extension: bool = False
    resolvable: bool = True
    is_interface_object: bool = False
    #: The supergraph doesn't say that the subgraph has the type, so it may not (join v0.1 says it of entities alone).
    is_assumed: bool = False


@dataclass(frozen=True, slots=True)
class JoinImplements:
    """`@join__implements`."""

    graph: str
    interface: str


@dataclass(frozen=True, slots=True)
class JoinMember:
    """`@join__unionMember`."""

    graph: str
    member: str


@dataclass(frozen=True, slots=True)
class ContextArgument:
    """One entry of `@join__field(contextArguments:)`."""

    context: str
    name: str
    type: str
    selection: str


@dataclass(frozen=True, slots=True)
class JoinField:
    """`@join__field`. Without `graph`, no subgraph has the field at this type: it comes from an `@interfaceObject`."""

    graph: str | None
    requires: str | None = None
    provides: str | None = None
    type: str | None = None
    external: bool = False
    override: str | None = None
    override_label: str | None = None
    used_overridden: bool = False
    context_arguments: tuple[ContextArgument, ...] = ()


@dataclass(frozen=True, slots=True)
class SupergraphField:
    """A field of an object or interface. No joins: it is in every subgraph that has the type."""

    name: str
    type: TypeNode
    arguments: tuple[InputValueDefinitionNode, ...] = ()
    joins: tuple[JoinField, ...] = ()
    directives: tuple[ConstDirectiveNode, ...] = ()
    description: str | None = None


@dataclass(frozen=True, slots=True)
class InputField:
    """A field of an input object; `node` has type, default, directives that aren't joins, description."""

    name: str
    node: InputValueDefinitionNode
    joins: tuple[JoinField, ...] = ()


@dataclass(frozen=True, slots=True)
class EnumValue:
    """`graphs` are the subgraphs of `@join__enumValue`; empty: all that have the enum."""

    name: str
    graphs: tuple[str, ...] = ()
    directives: tuple[ConstDirectiveNode, ...] = ()
    description: str | None = None


@dataclass(frozen=True, slots=True)
class SupergraphType:
    """A type of the supergraph with everything that is joined to it."""

    name: str
    kind: TypeKind
    joins: tuple[JoinType, ...] = ()
    interfaces: tuple[str, ...] = ()
    implements: tuple[JoinImplements, ...] = ()
    fields: Mapping[str, SupergraphField] = field(default_factory=dict)
    input_fields: Mapping[str, InputField] = field(default_factory=dict)
    values: Mapping[str, EnumValue] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    member_joins: tuple[JoinMember, ...] = ()
    directives: tuple[ConstDirectiveNode, ...] = ()
    description: str | None = None


@dataclass(frozen=True)
class SupergraphData:
    """Everything that the SDL says. `types` has the supergraph's own types only, not those of link and join."""

    graphs: Mapping[str, Graph]
    types: Mapping[str, SupergraphType]
    query: str = "Query"
    mutation: str | None = None
    subscription: str | None = None
    #: Definitions of directives that aren't the join or link machinery.
    directive_definitions: tuple[DirectiveDefinitionNode, ...] = ()
    #: Directives on `schema`: `@link`s and whatever else was composed there.
    schema_directives: tuple[ConstDirectiveNode, ...] = ()
    description: str | None = None
    #: The document that was read, None for one made by composition.
    document: DocumentNode | None = field(default=None, repr=False, compare=False)
