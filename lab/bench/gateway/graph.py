"""A graph to measure on, as data: the subgraphs' SDLs, what each answers (a world), and the supergraph.

The file of a world (read by `go/world`): `{"subgraphs": {NAME: {"sdl", "abstract", "tables", "roots"}}, "delayMs",
"guarded"}`.
`abstract` has the members of interfaces and unions; `tables` the objects of a type: `{"keys": […], "shared": {…},
"rows": […]}`, fields of `shared` being in each row that doesn't have its own; `roots` the fields of Query, Mutation,
Subscription. A value is JSON, or an object with one of these rules:

| rule | value |
| --- | --- |
| `{"$ref": [TYPE, KEY], "with": {…}}` | a row of this subgraph, with some fields of its own |
| `{"$rows": TYPE, "first": ARGUMENT, "default": N}` | the rows of a type, as many as the argument says, or all |
| `{"$one": TYPE, "argument": NAME}` | the row whose first key is the argument, or null |
| `{"$sum": [FIELD, …], "plus": N}` | the representation's fields, added (for `@requires`); an error if one is missing |
| `{"$make": TYPE, "fields": {FIELD: RULE}}` | a new object |
| `{"$argument": NAME}` | the root field's argument |
| `{"$error": TEXT}` | null, and an error |
| `{"$stream": TYPE}` | of a subscription: a row every `everyMs`, with `event` (a number) and `at` (microseconds) |
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import DirectiveDefinitionNode, DocumentNode, SchemaExtensionNode, parse, print_ast

from botberi_gateway.composition import Subgraph, compose

#: Where the subgraphs are, in a supergraph that was written before they were started.
BASE = "${SUBGRAPH_BASE_URL}"
LINK = """extend schema @link(url: "https://specs.apollo.dev/federation/v2.5",
  import: ["@key", "@requires", "@external", "@provides", "@shareable"])
"""


@dataclass(frozen=True)
class SubgraphWorld:
    """One subgraph. `sdl` is such as a gateway of federation 1 takes as well; `LINK` is put before it."""

    sdl: str
    tables: dict[str, Any] = field(default_factory=dict)
    roots: dict[str, dict[str, Any]] = field(default_factory=dict)
    abstract: dict[str, list[str]] = field(default_factory=dict)
    link: bool = True

    @property
    def federation_2(self) -> str:
        return LINK + self.sdl if self.link else self.sdl

    @property
    def federation_1(self) -> str:
        """Without links, and without definitions of directives that every gateway has."""
        nodes = parse(self.sdl).definitions
        kept = [one for one in nodes if not isinstance(one, SchemaExtensionNode | DirectiveDefinitionNode)]
        return print_ast(DocumentNode(definitions=tuple(kept)))

    def as_json(self) -> dict[str, Any]:
        return {"sdl": self.federation_2, "tables": self.tables, "roots": self.roots, "abstract": self.abstract}


@dataclass(frozen=True)
class Graph:
    """`template` is the supergraph with `BASE` in its URLs; without it the subgraphs are composed."""

    name: str
    subgraphs: dict[str, SubgraphWorld]
    template: str | None = None
    #: Milliseconds that a subgraph takes for each answer.
    delay_ms: int = 0
    #: A subgraph answers requests alone that have an `authorization` header.
    guarded: bool = False

    def supergraph(self, base: str) -> str:
        """The SDL, its subgraphs at `base`/NAME. Raises `ValueError` where they don't compose."""
        if self.template is not None:
            return self.template.replace(BASE, base)
        given = [Subgraph(name, one.federation_2, f"{base}/{name}") for name, one in self.subgraphs.items()]
        made = compose(given)
        if made.supergraph is None:
            raise ValueError("; ".join(problem.message for problem in made.errors))
        return made.supergraph.to_sdl()

    def world(self) -> dict[str, Any]:
        """World as the subgraphs' server reads it."""
        subgraphs = {name: one.as_json() for name, one in self.subgraphs.items()}
        return {"subgraphs": subgraphs, "delayMs": self.delay_ms, "guarded": self.guarded}
