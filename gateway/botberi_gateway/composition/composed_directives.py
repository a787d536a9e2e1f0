"""The subgraphs' links -> which directives go to the supergraph, under which names."""

from dataclasses import dataclass, field

from graphql import DirectiveDefinitionNode

from botberi_gateway.composition.problem import Problem
from botberi_gateway.federation import Link


@dataclass(slots=True)
class CustomDirective:
    """A directive of a subgraph's own that `@composeDirective` keeps, or one for operations that all subgraphs know."""

    name: str
    definition: DirectiveDefinitionNode
    link: Link | None
    #: Its name in its specification.
    original: str
    subgraphs: set[str] = field(default_factory=set)


@dataclass(slots=True)
class ComposedDirectives:
    """`names`: specification's name of a federation directive -> name in the supergraph."""

    names: dict[str, str] = field(default_factory=dict)
    #: Local name (the same in every subgraph) -> directive.
    custom: dict[str, CustomDirective] = field(default_factory=dict)
    #: Names of federation directives that some subgraph applies.
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    hints: list[Problem] = field(default_factory=list)
