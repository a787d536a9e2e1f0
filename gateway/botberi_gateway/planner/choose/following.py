"""A route -> the entries at its end: what `Routes` found is made."""

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose.entity_jumps import EntityJumps
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.local import step_of
from botberi_gateway.planner.choose.policy import Route
from botberi_gateway.planner.choose.positions import Positions
from botberi_gateway.planner.choose.routes import conditions_above
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.choose.typenames import Typenames
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Entry, Selection


class Follower:
    """Makes routes, for one run."""

    def __init__(self, run: Run, positions: Positions, jumps: EntityJumps, typenames: Typenames) -> None:
        self.run = run
        self.positions = positions
        self.jumps = jumps
        self.typenames = typenames

    def follow(self, goal: Goal, route: Route, last_step: int) -> list[Entry]:
        """The entry at the end of the route.

        There are several, each at a position of its own, where the parents' types lead to different positions.
        """
        if route.entry is not None:
            return [route.entry]
        if route.is_root:
            return [self._ask_root(goal, route.graph)]
        if route.parent_route is not None:
            return self._move_from_parent(goal, route.parent_route, last_step)
        assert route.key_edge is not None
        return [self.jumps.jump(goal, route.key_edge, last_step)]

    def _move_from_parent(self, goal: Goal, parent_route: Route, last_step: int) -> list[Entry]:
        """The field moves from the entries at the end of the parent's route."""
        position = goal.position
        parent, field, types = position.parent, position.field, position.parent_types
        assert parent is not None
        assert field is not None
        parent_goal = Goal(parent, types, field, conditions_above(position, goal.conditions))
        entries = []
        for above in self.follow(parent_goal, parent_route, last_step):
            for static, here in self.run.local.alike_below(above, field, types & above.position.types):
                if here:
                    child = self.positions.below_parents(position, above, here, static)
                    entries.append(self.positions.move(above, field, here, static, child))
        return entries

    def _ask_root(self, goal: Goal, graph: str) -> Entry:
        """A request for the fields of a root type."""
        position = goal.position
        type_name = min(goal.types)
        static = self.run.graph.subgraph_type(graph, type_name)
        if static is None:
            raise PlanningError(f"Subgraph {graph} has no type {type_name}")
        conditions = Conditions(defers=goal.conditions.defers if position.parent is None else frozenset())
        group = self.run.add_group("root", graph, position, goal.types, conditions)
        if position.parent is not None:  # a field that leads back to a root type: its objects have to be there first
            group.needs[min(position.entries, key=step_of).group] = None
            group.needs.update(self.typenames.learn_above(position))
            if goal.types < position.types:
                group.needs.update(self.typenames.learn(position, goal.conditions))
        group.step = 1 + max((need.step for need in group.needs), default=0)
        return self.run.enter(group, Selection(graph, static, goal.types))
