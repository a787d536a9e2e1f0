"""A selection in the planner's form: fields with the concrete types, conditions and arguments under which they hold, fragments dissolved."""

from dataclasses import dataclass, field
from typing import TypeAlias

from graphql import ArgumentNode

#: ("variable", True) where the field is included if the variable is true; all of them hold together.
Conditions: TypeAlias = tuple[tuple[str, bool], ...]


@dataclass(slots=True, eq=False)
class Field:
    """One field to be answered.

    `types` are the concrete types it holds for, None: every type its parent can be. `via` is the type it was selected on.
    `internal` ones are for the planner's own use (keys, `@requires`): nobody sees them in the answer.
    """

    key: str
    name: str
    via: str
    types: frozenset[str] | None
    conditions: Conditions
    arguments: tuple[ArgumentNode, ...]
    arguments_text: str
    directives_text: str
    #: Composite type of the supergraph, None for a leaf.
    type_name: str | None
    list_depth: int
    children: "tuple[Field, ...]" = ()
    internal: bool = False
    variables: frozenset[str] = field(default=frozenset())

    @property
    def is_typename(self) -> bool:
        return self.name == "__typename"
