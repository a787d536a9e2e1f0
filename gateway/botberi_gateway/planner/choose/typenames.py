"""`__typename` and the types of objects.

An entry gives them; where none knows them, a request is made for them.
"""

import sys
from dataclasses import replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.local import step_of
from botberi_gateway.planner.choose.routes import Routes
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Entry, Groups, Position
from botberi_gateway.planner.tree import Field, internal_leaf

_TYPENAME = internal_leaf("__typename")


class Typenames:
    """Selects `__typename`, for one run. Entries into an `@interfaceObject` don't know the types of their objects."""

    def __init__(self, run: Run, routes: Routes) -> None:
        self.run = run
        self.routes = routes

    def place(self, position: Position, field: Field, types: frozenset[str]) -> Groups:
        """Select `__typename` (as the field says) for objects of `types`; the groups that give it."""
        knowing = [
            entry
            for entry in sorted(position.entries, key=step_of)
            if entry.knows_type and types <= entry.types and self.run.local.is_usable(entry, position, field.conditions)
        ]
        if knowing:
            return self._select(knowing[0], field, types)
        of_some = [
            entry
            for entry in position.entries
            if entry.knows_type and self.run.local.is_usable(entry, position, field.conditions)
        ]
        if of_some:
            groups: Groups = {}
            for entry in of_some:
                groups |= self._select(entry, field, types & entry.types)
            return groups
        if not position.entries and position.parent is None:
            return {}
        return self._select(self._jump_for_types(Goal.of(position, field, types)), field, types)

    def _select(self, entry: Entry, field: Field, types: frozenset[str]) -> Groups:
        if field.key == "__typename" and not field.conditions and types == entry.types:
            entry.selection.typename = True
        elif types and entry.selection.find(field, types, field.conditions) is None:
            entry.selection.add(field, types, field.conditions, None)
        return {entry.group: None}

    def learn(self, position: Position, conditions: Conditions, *, early: bool = False) -> Groups:
        """The groups that say which types the objects are of; empty where every entry says it anyway.

        `early`: without what is deferred, as whether a deferred fragment applies has to be known before it comes.
        """
        if all(entry.knows_type for entry in position.entries):
            return {}
        if early:
            conditions = conditions.without_defers()
        return self.place(position, replace(_TYPENAME, conditions=conditions), position.types)

    def learn_above(self, position: Position) -> Groups:
        """As `learn`, for all positions above at which only some types lead here.

        Without their types the objects here aren't found.
        """
        groups: Groups = {}
        while position.parent is not None and position.field is not None:
            if position.parent_types < position.parent.types:
                groups.update(self.learn(position.parent, position.field.conditions, early=True))
            position = position.parent
        return groups

    def _jump_for_types(self, goal: Goal) -> Entry:
        """Entities of a subgraph that has the interface of the objects, and so knows their types."""
        position = goal.position
        interfaces = dict.fromkeys(
            [entry.as_interface for entry in position.entries if entry.as_interface] or [position.type_name]
        )
        edges = [
            edge for interface in interfaces for edge in self.run.graph.key_edges(interface) if not edge.as_interface
        ]
        routes = [route for edge in edges if (route := self.routes.jumps.jump(goal, edge)) is not None]
        goal_of_all = goal._replace(types=position.types)
        if routes:
            edge = min(routes, key=self.routes.rank).key_edge
            assert edge is not None
            return self.run.calls.jump(goal_of_all, edge, sys.maxsize)
        # The key comes from further subgraphs, which take the objects without knowing their types.
        with self.routes.jumps.without_types(position):
            for edge in edges:
                if self.routes.gives_key(goal_of_all, edge):
                    return self.run.calls.jump(goal_of_all, edge, sys.maxsize)
        where = ".".join(position.keys)
        raise PlanningError(f"No subgraph gives the types of {' or '.join(interfaces)} objects at {where!r}")
