"""All fields of an operation -> fetch groups, under one policy.

The chooser goes over the answer's positions breadth first. For each field there it lists the options: an entry that
gives it, a field move from an entry at the parent, an entity jump by a key, or several jumps where the key isn't at
hand. An option is rated by the steps and requests that it would add; the policy says which requests cost nothing, as
another field needs them anyway, and which are banned. `search` runs the chooser under several policies.
"""

from botberi_gateway.planner.choose.estimate import Estimator
from botberi_gateway.planner.choose.placing import Placing
from botberi_gateway.planner.choose.policy import Outcome, Policy
from botberi_gateway.planner.choose.run import Calls, Run
from botberi_gateway.planner.conditions import ALWAYS
from botberi_gateway.planner.fetch_graph import FetchGroup, Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph


class Chooser:
    """Runs once."""

    def __init__(self, graph: QueryGraph, walker: Walker, estimator: Estimator, policy: Policy) -> None:
        self.run_state = Run(graph, walker, estimator, policy)
        self.placing = Placing(self.run_state)

    def run(self, root: Position, groups: list[FetchGroup], fields: tuple[Field, ...]) -> Outcome:
        """Place every field of `root`, and all below. `groups` are there from the start (an event's)."""
        run, placing = self.run_state, self.placing
        run.groups.extend(groups)
        run.calls = Calls(placing.place, placing.jumps.jump, placing.routes.through_parent)
        try:
            run.queue.append((root, fields))
            while run.queue:
                position, below = run.queue.popleft()
                self._place_all(position, below)
        finally:
            del run.calls  # the reference cycle that they are
        return Outcome(run.groups, frozenset(run.mandatory), frozenset(run.only_route), run.choices, run.work)

    def _place_all(self, position: Position, fields: tuple[Field, ...]) -> None:
        """First the fields that cost nothing or have one way: what they fetch may serve the others."""
        position.client_fields += fields
        if position.parent is None and position.type_name == self.run_state.graph.roots["mutation"]:
            for field in fields:  # in the client's order: they change things
                self.placing.place(position, field, position.types)
            return
        if any(field.conditions is not ALWAYS for field in fields):
            fields = tuple(sorted(fields, key=lambda field: field.conditions.number))
        later = []
        for field in fields:
            if self._is_obvious(position, field):
                self.placing.place(position, field, position.types)
            else:
                later.append(field)
        for field in later:
            self.placing.place(position, field, position.types)

    def _is_obvious(self, position: Position, field: Field) -> bool:
        """Whether an entry gives the field, or at most one subgraph can."""
        if field.is_typename:
            return True
        types = position.types if field.types is None else position.types & field.types
        local = self.run_state.local
        if field.type_name is None:
            for entry in position.entries:
                if (
                    types <= local.types(entry, field)
                    and local.is_usable(entry, position, field.conditions)
                    and not local.would_null(entry, field)
                ):
                    return True
        resolvers = self.run_state.graph.resolvers
        return all(len(resolvers(name, field.name)) <= 1 for name in types)
