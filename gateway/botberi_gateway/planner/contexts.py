"""A position and a context -> the ancestors whose objects have it, nearest first; a field with its contextual arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from botberi_gateway.planner.fetch_graph import Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, SubgraphField


@dataclass(frozen=True, slots=True)
class Ancestor:
    """Objects `up` objects above a position that have a context, of `types`; `bearer` is the type that its selection is read on."""

    position: Position
    up: int
    types: frozenset[str]
    bearer: str


class Contexts:
    """Looks only; names variables."""

    def __init__(self, graph: QueryGraph, taken: frozenset[str]) -> None:
        self.graph = graph
        self._taken = taken
        self._variables: dict[object, str] = {}
        self._counts: dict[str, int] = {}
        self._numbers = {name: number for number, name in enumerate(graph.graphs, 1)}

    def available(self, position: Position, field: SubgraphField) -> bool:
        """Whether every object at the position has ancestors that fill the field's arguments."""
        return all(self.ancestors(position, argument.context) for argument in field.contexts)

    def ancestors(self, position: Position, context: str) -> tuple[Ancestor, ...]:
        """Nearest first, until all objects at the position have one; none where some wouldn't."""
        bearers = self.graph.context_bearers(context)
        found: list[Ancestor] = []
        here, up = position, 0
        while here.parent is not None:
            types = here.parent_types
            here, up = here.parent, up + 1
            if here.parent is None and here.type_name == self.graph.roots["mutation"]:
                break  # its fields do things: none is asked for its value alone
            having = types & bearers.keys()
            by_bearer: dict[str, set[str]] = {}
            for name in having:
                by_bearer.setdefault(bearers[name], set()).add(name)
            found += [Ancestor(here, up, frozenset(by_bearer[name]), name) for name in sorted(by_bearer)]
            if having == types:
                return tuple(found)
        return ()

    def variable(self, graph: str, *use: object) -> str:
        """A variable's name for one argument of one field in the entities of one position: always the same for the same use."""
        name = self._variables.get((graph, use))
        while name is None:
            number = self._counts[graph] = self._counts.get(graph, -1) + 1
            candidate = f"contextualArgument_{self._numbers[graph]}_{number}"
            if candidate not in self._taken:
                name = self._variables[graph, use] = candidate
        return name


def with_arguments(one: Field, variables: Mapping[str, str]) -> Field:
    """The field as the subgraph is asked for it: `variables` by argument."""
    added = ", ".join(f"{name}: ${variable}" for name, variable in variables.items())
    text = f"{one.arguments_text[:-1]}, {added})" if one.arguments_text else f"({added})"
    return replace(one, arguments_text=text)
