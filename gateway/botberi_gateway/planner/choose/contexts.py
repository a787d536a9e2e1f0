"""A position and a context -> the ancestors whose objects have it, nearest first.

A field with its contextual arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from botberi_gateway.planner.fetch_graph import Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, Resolver, SubgraphField

#: Marks in a text where the copy of a field has its suffix. No operation has such a character: it is half of one.
CUT: Final = "\udc00"


@dataclass(frozen=True, slots=True)
class Ancestor:
    """Objects of `types` that have a context, `up` objects above a position.

    `bearer` is the type that the context's selection is about.
    """

    position: Position
    up: int
    types: frozenset[str]
    bearer: str


class Contexts:
    """Finds the ancestors that set contexts, and names the variables that carry their values."""

    def __init__(self, graph: QueryGraph, client_variables: frozenset[str]) -> None:
        self.graph = graph
        self._client_variables = client_variables
        self._variables: dict[object, str] = {}
        self._counts: dict[str, int] = {}
        self._numbers = {name: number for number, name in enumerate(graph.graphs, 1)}

    def available(self, position: Position, field: SubgraphField) -> bool:
        """Whether every object at the position has ancestors that fill the field's arguments."""
        return all(self.ancestors(position, argument.context) for argument in field.contexts)

    def ancestors(self, position: Position, context: str) -> tuple[Ancestor, ...]:
        """The nearest first, until all objects at the position have one; none at all where some objects have none."""
        bearers = self.graph.context_bearers(context)
        ancestors: list[Ancestor] = []
        here, up = position, 0
        while here.parent is not None:
            types = here.parent_types
            here, up = here.parent, up + 1
            if here.parent is None and here.type_name == self.graph.roots["mutation"]:
                break  # a mutation's fields change things: none is asked for its value alone
            having = types & bearers.keys()
            by_bearer: dict[str, set[str]] = {}
            for name in having:
                by_bearer.setdefault(bearers[name], set()).add(name)
            ancestors += [Ancestor(here, up, frozenset(by_bearer[name]), name) for name in sorted(by_bearer)]
            if having == types:
                return tuple(ancestors)
        return ()

    def variables(
        self, position: Position, types: frozenset[str], resolver: Resolver, bringer: Position | None = None
    ) -> dict[str, str]:
        """The variable of each contextual argument of a field.

        `bringer`: the entities above the position whose request brings the values along; all that stands below them
        shares the variables.
        """
        arguments = resolver.field.contexts
        if bringer is not None:
            return {
                a.name: self._variable(resolver.graph, id(bringer), a.context, a.selection, a.type) for a in arguments
            }
        use = (id(position), types, resolver.type_name, resolver.field.name)
        return {a.name: self._variable(resolver.graph, *use, a.name) for a in arguments}

    def _variable(self, graph: str, *use: object) -> str:
        """A variable's name, always the same for the same use."""
        name = self._variables.get((graph, use))
        while name is None:
            number = self._counts[graph] = self._counts.get(graph, -1) + 1
            candidate = f"contextualArgument_{self._numbers[graph]}_{number}"
            if candidate not in self._client_variables:
                name = self._variables[graph, use] = candidate
        return name


def objects_between(above: Position, position: Position) -> int | None:
    """How many objects `above` stands above the position; None where it doesn't stand above it."""
    count, here = 0, position
    while here is not above:
        if here.parent is None:
            return None
        count, here = count + 1, here.parent
    return count


def with_arguments(field: Field, variables: Mapping[str, str]) -> Field:
    """The field as a subgraph is asked for it: with these variables, by argument, beside the client's arguments.

    The text is marked where a copy of the field has its suffix.
    """
    added = ", ".join(f"{name}: ${variable}{CUT}" for name, variable in variables.items())
    text = f"{field.arguments_text[:-1]}, {added})" if field.arguments_text else f"({added})"
    return replace(field, arguments_text=text)
