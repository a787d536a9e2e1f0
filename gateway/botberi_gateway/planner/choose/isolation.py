"""Which requests a deferred field may be in: those of its fragment alone (isolated), or any.

An isolated field doesn't wait for what else a request asks for, and isn't lost by that request's errors. Only what has
a key can be asked for in a request of its own, be it the fragment's object or one below it. Further below, fields come
with the requests that were made so. What has no key piggybacks on what is fetched at its place, and is delivered later
(Apollo's planner does the same).
"""

from botberi_gateway.planner.choose.detours import Detours
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.key_jumps import KeyJumps
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.fetch_graph import Entry, Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import key_parts

_NONE: frozenset[int] = frozenset()


class Isolation:
    """Answers for one run."""

    def __init__(self, run: Run, jumps: KeyJumps, detours: Detours) -> None:
        self.run = run
        self.local = run.local
        self.jumps = jumps
        self.detours = detours

    def required(self, position: Position, types: frozenset[str], field: Field) -> frozenset[int]:
        """The `@defer`s under which all requests for the field should stand, even if an entry gives it.

        Empty: the field may come with any request.
        """
        defers = self.local.defers_of(position, field)
        if field.internal or not defers or self._is_known_key(position, types, field, defers):
            return _NONE
        if any(defers <= entry.group.defers for entry in position.entries):
            return defers
        return defers if self.has_keys(position, types, field) else _NONE

    def _is_known_key(self, position: Position, types: frozenset[str], field: Field, defers: frozenset[int]) -> bool:
        """Whether the field belongs to a key that is given without these `@defer`s.

        An isolated request would send that key, and ask for the same value again.
        """
        if field.type_name is not None or field.is_typename or field.arguments_text:
            return False
        if not all(self._is_in_key(name, field.name) for name in types):
            return False
        conditions = field.conditions.without_defers()
        return any(
            not defers <= entry.group.defers and types <= self.local.gives(entry, field.name, conditions)
            for entry in position.entries
        )

    def _is_in_key(self, type_name: str, field: str) -> bool:
        return any(
            part.name == field and part.below is None
            for edge in self.run.graph.key_edges(type_name)
            for part in key_parts(edge.key)
        )

    def is_isolated(self, entry: Entry, position: Position, field: Field, isolation: frozenset[int]) -> bool:
        """Whether the entry's request stands under these `@defer`s, and begins no higher than their fragment.

        A request that begins above has objects beside this one in its answer, which a null of this one may take along.
        What has no key comes in such a request all the same.
        """
        if not isolation:
            return True
        if not isolation <= entry.group.defers:
            return False
        here = position
        while entry.group.position is not here:
            if not isolation <= here.defers:
                return not self.has_keys(here, here.types, field)
            above, above_field = here.parent, here.field
            if above is None or above_field is None:
                return True
            here, field = above, above_field
        return True

    def groups(self, position: Position, types: frozenset[str], field: Field) -> list[frozenset[str]]:
        """The types in groups of which each is isolated as a whole, or not at all.

        Types without a key come first, if an entry gives their field.
        """
        if field.internal or len(types) < 2 or not field.conditions.defers:
            return [types]
        with_key = frozenset(name for name in types if self.has_key(position, name, field))
        others = types - with_key
        if not with_key or not others:
            return [types]
        is_at_hand = any(
            others <= self.local.types(entry, field) and self.local.is_usable(entry, position, field.conditions)
            for entry in position.entries
        )
        return [others, with_key] if is_at_hand else [types]

    def has_keys(self, position: Position, types: frozenset[str], field: Field) -> bool:
        """Whether objects of each of the types that the field is selected for have a key: see `has_key`."""
        selected = types if field.types is None else types & field.types
        return all(self.has_key(position, name, field) for name in selected)

    def has_key(self, position: Position, type_name: str, field: Field) -> bool:
        """Whether entities of the type can be asked for, by a key, in a subgraph that resolves the field.

        The key is given here, or further subgraphs give it.
        """
        goal = Goal.of(position, field, frozenset((type_name,)))
        resolvers = self.run.graph.resolvers(type_name, field.name)
        return any(
            self.jumps.jump(goal, edge) is not None
            for resolver in resolvers
            for edge in self.jumps.edges(goal, resolver.host)
        ) or any(self.detours.find(goal, resolver.host) is not None for resolver in resolvers)
