"""The value that says what is asked for: a field, of which objects, and by which requests it may come."""

from typing import NamedTuple

from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import Host


class Goal(NamedTuple):
    """The field is to be fetched for the objects at `position` that are of `types`, whenever `conditions` hold.

    The chooser makes a goal for each field and group of types; `Routes` looks for ways on which it is reached, and
    makes goals of its own for the parent's field on such a way.
    """

    position: Position
    types: frozenset[str]
    field: Field
    conditions: Conditions
    #: The `@defer`s under which every request for it must stand; empty where it may come with any request.
    isolation: frozenset[int] = frozenset()
    #: The parent's field may be asked of another subgraph only where a key leads there as well.
    needs_key: bool = False
    #: Other requests wait for what is selected at the end of the way.
    is_awaited: bool = False
    #: It may be asked where errors of other implementations would null something that the client selects.
    may_null_others: bool = False
    #: The field itself is selected at the end of the way. False: something else is (a key), and an entry needn't suit
    #: the field.
    selects_field: bool = True
    #: The way may lead through the parent's field in the subgraph.
    through_parent: bool = True
    #: The subgraphs that may give the field; None: any that resolves it.
    hosts: frozenset[Host] | None = None

    @classmethod
    def of(cls, position: Position, field: Field, types: frozenset[str]) -> "Goal":
        """The field for objects of these types, under its own conditions, by whatever request."""
        return cls(position, types, field, field.conditions)

    def for_resolver(self, *, needs_key: bool, is_awaited: bool) -> "Goal":
        """The same for one of the subgraphs that resolve the field."""
        if not needs_key and not is_awaited:
            return self
        return Goal(
            self.position,
            self.types,
            self.field,
            self.conditions,
            self.isolation,
            needs_key,
            is_awaited,
            self.may_null_others,
        )

    def of_objects(self) -> "Goal":
        """The objects alone: any entry of theirs will do."""
        return Goal(self.position, self.types, self.field, self.conditions, selects_field=False)
