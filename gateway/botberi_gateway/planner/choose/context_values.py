"""Contextual arguments (`@fromContext`) -> their values selected at the ancestors that set the contexts."""

from dataclasses import replace

from botberi_gateway.plan import ContextSource, ContextValue
from botberi_gateway.planner.choose.contexts import Ancestor, objects_between
from botberi_gateway.planner.choose.gathering import Gathering, select_typename
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.choose.typenames import Typenames
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Entry, Groups, Position
from botberi_gateway.query_graph import Resolver, SubgraphField


class ContextValues:
    """Has such values selected, for one run."""

    def __init__(self, run: Run, gathering: Gathering, typenames: Typenames) -> None:
        self.run = run
        self.gathering = gathering
        self.typenames = typenames

    def gather(
        self, goal: Goal, resolver: Resolver, bringer: Position | None = None
    ) -> tuple[dict[str, ContextValue], Groups]:
        """How the values are read, by variable, and the groups that give them. `bringer`: see `Contexts.variables`."""
        variables = self.run.contexts.variables(goal.position, goal.types, resolver, bringer)
        values: dict[str, ContextValue] = {}
        groups: Groups = {}
        for argument in resolver.field.contexts:
            sources = []
            for ancestor in self.run.contexts.ancestors(goal.position, argument.context):
                source, from_groups = self._source(ancestor, argument.selection, goal)
                sources.append(source)
                groups.update(from_groups)
            variable = variables[argument.name]
            values[variable] = ContextValue(variable, argument.type, tuple(sources))
        return values, groups

    def _source(self, ancestor: Ancestor, selection: str, goal: Goal) -> tuple[ContextSource, Groups]:
        above = ancestor.position
        # What lies between may be skipped: the value isn't needed then.
        between = goal.position.conditions
        conditions = goal.conditions.union(
            Conditions(between.variables - above.conditions.variables, between.defers - above.conditions.defers)
        )
        inputs, groups = self.gathering.gather(above, ancestor.types, ancestor.bearer, selection, conditions)
        by_type = len(above.types) > 1
        if by_type:
            groups.update(self.typenames.learn(above, conditions))
            select_typename(above, groups)
        return ContextSource(ancestor.up, ancestor.types if by_type else None, tuple(inputs)), groups

    def bring_along(self, entry: Entry, goal: Goal, resolver: Resolver) -> None:
        """Have the entities above this entry bring the values of the field's arguments: see `ContextEntities.entry`."""
        group = entry.group
        depth = objects_between(group.position, goal.position)
        assert depth is not None
        values, groups = self.gather(goal, resolver, group.position)
        group.needs.update(groups)
        for variable, value in values.items():
            sources = tuple(replace(source, up=source.up - depth) for source in value.sources)
            group.contexts[variable] = replace(value, sources=sources)
        group.reasons[f"{resolver.type_name}.{resolver.field.name} {', '.join(context_reasons(resolver.field))}"] = None


def context_reasons(field: SubgraphField) -> list[str]:
    """Of each contextual argument, for the reasons of a fetch."""
    return [f"takes {a.name!r} from {a.context} {a.selection}" for a in field.contexts]
