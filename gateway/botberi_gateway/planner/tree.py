"""A selection in the planner's form: fields with the concrete types, conditions and arguments under which they hold, fragments dissolved."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from graphql import ArgumentNode

#: ("variable", True) where the field is included if the variable is true; all of them hold together.
Conditions: TypeAlias = tuple[tuple[str, bool], ...]

#: A deferred field has a condition that no variable can have the name of. It parts requests as other conditions do, and is never printed.
_DEFERRED = "@"
_NONE: frozenset[int] = frozenset()


def deferred(number: int) -> tuple[str, bool]:
    """The condition of fields in the fragment of this `@defer`."""
    return f"{_DEFERRED}{number}", True


def defers(conditions: Collection[tuple[str, bool]]) -> frozenset[int]:
    """The numbers of the `@defer`s in conditions."""
    if not conditions:
        return _NONE
    return frozenset(int(name[1:]) for name, _ in conditions if name.startswith(_DEFERRED))


def only_defers(conditions: Iterable[tuple[str, bool]]) -> frozenset[tuple[str, bool]]:
    """The conditions that stand for `@defer`s."""
    return frozenset(one for one in conditions if one[0].startswith(_DEFERRED))


def without_defers(conditions: Conditions) -> Conditions:
    """The conditions on variables."""
    return tuple(one for one in conditions if not one[0].startswith(_DEFERRED))


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
    #: Directives of fragments that it stands in, as text.
    around: tuple[str, ...] = ()

    @property
    def is_typename(self) -> bool:
        return self.name == "__typename"
