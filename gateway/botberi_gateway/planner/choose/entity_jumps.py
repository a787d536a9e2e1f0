"""Entity jumps: makes the group that asks a subgraph for entities, or widens one that exists.

Everything that its representations need is selected with it.
"""

from dataclasses import dataclass

from botberi_gateway.plan import ContextValue, KeySelection
from botberi_gateway.planner.choose.context_values import ContextValues, context_reasons
from botberi_gateway.planner.choose.gathering import Gathering
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.routes import Routes
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.choose.typenames import Typenames
from botberi_gateway.planner.fetch_graph import Entry, FetchGroup, Groups, Selection, Uncertain
from botberi_gateway.planner.representations import conflicting, merge_inputs
from botberi_gateway.query_graph import KeyEdge, Resolver, SubgraphType


@dataclass(slots=True)
class _Representations:
    """The representations of one jump: what they hold, which groups give it, and when they can be sent."""

    edge: KeyEdge
    #: The `__typename` in every representation; None: each object's own type.
    typename: str | None
    inputs: list[KeySelection]
    contexts: dict[str, ContextValue]
    #: The groups that give the inputs and contexts.
    needs: Groups
    reason: str
    #: The first step in which they can be sent.
    step: int
    #: See `FetchGroup.uncertain`.
    uncertain: Uncertain

    def add_to(self, group: FetchGroup) -> None:
        """Have the group send these."""
        group.needs.update(self.needs)
        merge_inputs(group.inputs, self.inputs)
        group.contexts.update(self.contexts)
        group.reasons[self.reason] = None


class EntityJumps:
    """Makes entity jumps, for one run."""

    def __init__(
        self, run: Run, routes: Routes, typenames: Typenames, gathering: Gathering, context_values: ContextValues
    ) -> None:
        self.run = run
        self.routes = routes
        self.typenames = typenames
        self.gathering = gathering
        self.context_values = context_values

    def jump(self, goal: Goal, edge: KeyEdge, last_step: int, resolver: Resolver | None = None) -> Entry:
        """The entry of the goal's objects in the subgraph that the edge leads to.

        An existing group is widened if its step is the first in which the representations can be sent, or a later one
        up to `last_step`; otherwise a group is made. With `resolver`, the fields that its field requires and its
        contextual arguments are sent too.
        """
        sent = self._representations(goal, edge, resolver)
        for entry in goal.position.entries:
            if self._can_be_widened(entry, goal, sent, last_step):
                sent.add_to(entry.group)
                return entry
        group = self.run.add_group("entity", edge.graph, goal.position, goal.types, goal.conditions, sent.typename)
        group.step, group.key_edge, group.uncertain = sent.step, sent.edge, sent.uncertain
        sent.add_to(group)
        return self.run.enter(group, self._selection(edge.graph, sent.typename, goal.types))

    def jump_requiring(self, goal: Goal, resolver: Resolver, last_step: int) -> Entry:
        """Make the jump for a field that needs more than its object (`@requires`, `@fromContext`)."""
        with self.routes.requiring(goal, resolver):
            route = self.routes.to_entity(goal, resolver)
            assert route is not None
            assert route.key_edge is not None
            return self.jump(goal, route.key_edge, last_step, resolver)

    def _representations(self, goal: Goal, edge: KeyEdge, resolver: Resolver | None) -> _Representations:
        """Select everything that the representations hold; returns how they are built from it."""
        position, types, conditions = goal.position, goal.types, goal.conditions
        needs = self.typenames.learn_above(position)
        edge = self._edge_in_use(goal, edge)
        by_interface = self.run.graph.types[edge.type_name].kind == "INTERFACE"
        target = self.run.graph.subgraph_type(edge.graph, edge.type_name)
        is_interface_there = target is not None and not target.is_interface_object
        if not by_interface or (not is_interface_there and types < position.types):
            needs.update(self.typenames.learn(position, conditions))
        self.routes.jumps.open(position, edge.host, types)
        try:
            inputs, groups = self.gathering.gather_key(position, types, edge.type_name, edge.key, conditions)
        finally:
            self.routes.jumps.close(position, edge.host, types)
        needs.update(groups)
        contexts: dict[str, ContextValue] = {}
        uncertain: Uncertain = frozenset()
        if resolver is not None:
            # After the key, when this jump may be used again: a required field may itself come by the same jump.
            if resolver.field.requires:
                required, groups = self.gathering.gather(
                    position, types, edge.type_name, resolver.field.requires, conditions, self.gathering.may_null
                )
                inputs += required
                uncertain = self._uncertain(groups, needs)
                needs.update(groups)
            contexts, groups = self.context_values.gather(goal, resolver)
            needs.update(groups)
        typename = edge.type_name if by_interface else (next(iter(types)) if len(types) == 1 else None)
        step = 1 + max((group.step for group in needs), default=0)
        return _Representations(edge, typename, inputs, contexts, needs, _reason(edge, resolver), step, uncertain)

    def _uncertain(self, required: Groups, needs: Groups) -> Uncertain:
        """Where subgraphs are asked by key for required fields: they may not know the objects (`FetchGroup.uncertain`).

        Not even a type's own subgraph does, where another still refers to an object that it has deleted. `needs` are
        the groups that give the key and the types.
        """
        uncertain: set[tuple[str, tuple[str, ...]]] = set()
        for group in required:
            if group in needs:
                continue  # without its answer there is no representation in any case
            uncertain |= group.uncertain
            if group.kind == "entity":
                uncertain.add((group.graph, group.position.keys))
        return frozenset(uncertain)

    def _edge_in_use(self, goal: Goal, edge: KeyEdge) -> KeyEdge:
        """The key of a group by which these objects already enter the subgraph, else `edge`: a group uses one key."""
        for entry in goal.position.entries:
            group = entry.group
            known = group.key_edge
            if (
                known is not None
                and group.position is goal.position
                and group.graph == edge.graph
                and goal.types <= group.types
                and group.conditions == goal.conditions
                and known.type_name == edge.type_name
            ):
                return known
        return edge

    def _can_be_widened(self, entry: Entry, goal: Goal, sent: _Representations, last_step: int) -> bool:
        """Whether the entry's group may send these representations too."""
        group, step = entry.group, sent.step
        return (
            group.kind == "entity"
            and group.position is goal.position
            and group.entry is entry
            and group.graph == sent.edge.graph
            and goal.types <= group.types
            and self.run.local.is_exactly(entry, goal.types)
            and group.typename == sent.typename
            and group.conditions == goal.conditions
            and group.uncertain == sent.uncertain
            and step <= group.step <= max(step, last_step)
            and not conflicting(group.inputs, sent.inputs)
        )

    def _selection(self, graph: str, typename: str | None, types: frozenset[str]) -> Selection:
        """The empty selection of entities that are sent under this name."""
        static: SubgraphType | None = None
        if typename is not None:
            static = self.run.graph.subgraph_type(graph, typename)
            assert static is not None
        selection = Selection(graph, static, types)
        selection.typename = static is not None and static.is_abstract
        return selection


def _reason(edge: KeyEdge, resolver: Resolver | None) -> str:
    """Why the jump is made, in words for people."""
    if resolver is None:
        return f"key {edge.key!r} of {edge.type_name}"
    field = resolver.field
    needs = [f"requires {field.requires!r}"] if field.requires else []
    needs += context_reasons(field)
    return f"{edge.type_name}.{field.name} {', '.join(needs)}"
