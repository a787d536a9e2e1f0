"""A field with contextual arguments -> an entity above it whose request can bring the arguments' values along."""

from botberi_gateway.planner.choose.contexts import objects_between
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.key_jumps import KeyJumps
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.fetch_graph import Entry
from botberi_gateway.query_graph import Resolver, key_parts
from botberi_gateway.supergraph import ContextArgument


class ContextEntities:
    """Saves the request of its own that such a field takes otherwise."""

    def __init__(self, run: Run, jumps: KeyJumps) -> None:
        self.run = run
        self.jumps = jumps

    def entry(self, goal: Goal, resolver: Resolver) -> Entry | None:
        """An entry below an entity of the resolver's subgraph, where the contexts are set by that entity or above it.

        All that the contexts select must be there before the entity is asked for. Where a value is missing, the entity
        is left out of its request with all its fields: so no argument may be one that can't be null.
        """
        position, field = goal.position, resolver.field
        if not field.contexts or field.requires or goal.field.internal:
            return None
        if self.run.local.defers_of(position, goal.field) or any(a.type.endswith("!") for a in field.contexts):
            return None
        for entry in position.entries:
            group = entry.group
            if group.kind != "entity" or entry is group.entry or entry.host != resolver.host:
                continue
            if not goal.types <= entry.types or not self.run.local.is_usable(entry, position, goal.conditions):
                continue
            depth = objects_between(group.position, position)
            if depth is not None and all(
                self._is_given_before(group.step, goal, depth, argument) for argument in field.contexts
            ):
                return entry
        return None

    def _is_given_before(self, step: int, goal: Goal, depth: int, argument: ContextArgument) -> bool:
        """Whether a context is set `depth` objects above or higher, and all of it is given before the step."""
        ancestors = self.run.contexts.ancestors(goal.position, argument.context)
        parts = key_parts(argument.selection)
        for ancestor in ancestors:
            if ancestor.up < depth or not parts:
                return False
            for part in parts:
                first_step = self.jumps.given_after(ancestor.position, ancestor.types, part, goal.conditions)
                if part.below is not None or first_step is None or first_step >= step:
                    return False
        return bool(ancestors)
