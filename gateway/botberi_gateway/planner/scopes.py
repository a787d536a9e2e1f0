"""What the walker keeps: the scope of a selection set, collected fields, and where fragments were spread."""

from dataclasses import dataclass
from typing import NamedTuple

from graphql import DirectiveNode, FieldNode, SelectionSetNode

from botberi_gateway.planner.conditions import Conditions


class Scope(NamedTuple):
    """A selection set, and what the fragments around it say."""

    selections: SelectionSetNode
    #: The type on which its fields are selected.
    via: str
    types: frozenset[str] | None
    conditions: Conditions
    #: Directives of the fragments around, outermost first.
    directives: tuple[DirectiveNode, ...] = ()
    #: The innermost `@defer` around, below the parent's field.
    defer: int | None = None


@dataclass(slots=True)
class Collected:
    """A field, and all that is selected below it under the same response key, types and conditions."""

    node: FieldNode
    via: str
    selections: list[SelectionSetNode]
    directives: tuple[DirectiveNode, ...]


class Spread(NamedTuple):
    """Where a named fragment was spread: in which `@defer`, for which types, under which conditions on variables."""

    defer: int | None
    types: frozenset[str] | None
    conditions: Conditions

    def contains(self, other: "Spread") -> bool:
        """Whether a spread there adds nothing.

        A `@defer` collects a fragment's fields once (CollectFields of the proposal).
        """
        return (
            self.defer in (None, other.defer)
            and (self.types is None or (other.types is not None and other.types <= self.types))
            and self.conditions.is_implied_by(other.conditions)
        )
