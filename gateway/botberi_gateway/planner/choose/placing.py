"""A field at a position -> the field selected in entries that give it to all objects that it is for."""

import sys
from collections.abc import Iterator

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose.context_values import ContextValues
from botberi_gateway.planner.choose.contexts import with_arguments
from botberi_gateway.planner.choose.entity_jumps import EntityJumps
from botberi_gateway.planner.choose.following import Follower
from botberi_gateway.planner.choose.gathering import Gathering
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.local import near_step, step_of
from botberi_gateway.planner.choose.options import Option, Options
from botberi_gateway.planner.choose.positions import Positions
from botberi_gateway.planner.choose.routes import Routes
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.choose.typenames import Typenames
from botberi_gateway.planner.conditions import ALWAYS
from botberi_gateway.planner.fetch_graph import Entry, Groups, Position
from botberi_gateway.planner.tree import Field


class Placing:
    """Places fields, for one run. What is called `into` collects the groups that then give the field."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.local = run.local
        self.routes = Routes(run)
        self.isolation = self.routes.isolation
        self.options = Options(run, self.routes)
        self.positions = Positions(run.graph, run.local)
        self.typenames = Typenames(run, self.routes)
        gathering = Gathering(run)
        self.context_values = ContextValues(run, gathering, self.typenames)
        self.jumps = EntityJumps(run, self.routes, self.typenames, gathering, self.context_values)
        self.follower = Follower(run, self.positions, self.jumps, self.typenames)

    def place(self, position: Position, field: Field, types: frozenset[str]) -> Groups:
        """Have the field selected so that all objects of `types` get it; the groups that then give it."""
        types = types & position.types if field.types is None else types & position.types & field.types
        into: Groups = {}
        if not types:
            return into
        self._learn_types(position, field, types, into)
        if field.is_typename:
            return into | self.typenames.place(position, field, types)
        groups = self.isolation.groups(position, types, field) if self.local.has_defers else (types,)
        for alike in groups:
            rest = self._place_leaf(position, field, alike, into) if field.type_name is None else alike
            if rest:
                self._place_by_type(position, field, rest, into)
        return into

    def _learn_types(self, position: Position, field: Field, types: frozenset[str], into: Groups) -> None:
        """Have the objects' types asked for where it depends on them whether the field is selected."""
        if field.is_typename and not field.conditions.defers:
            return
        if not self.local.has_defers and all([entry.knows_type for entry in position.entries]):  # noqa: C419 # quicker
            return
        if field.types is None:
            via = self.run.graph.types.get(field.via)
            # Selected on an object type, be it the only one that there is.
            depends_on_type = via is not None and via.kind == "OBJECT"
        else:
            depends_on_type = types != position.types
        if depends_on_type:
            into.update(self.typenames.learn(position, field.conditions, early=True))
            for earlier in self._less_deferred(position):
                self.typenames.learn(earlier, field.conditions, early=True)

    def _less_deferred(self, position: Position) -> list[Position]:
        """The same place of the answer where the client asks for it under fewer `@defer`s.

        Those objects are there earlier.
        """
        defers = position.defers
        return [p for p in self.positions.alike(position) if p.defers < defers] if defers else []

    def _place_leaf(self, position: Position, field: Field, types: frozenset[str], into: Groups) -> frozenset[str]:
        """Select the leaf in entries that give it; the types for which none does."""
        isolation = self.isolation.required(position, types, field) if self.local.has_defers else None
        entries = position.entries
        for entry in entries if len(entries) == 1 else sorted(entries, key=step_of):
            if not self.local.is_usable(entry, position, field.conditions):
                continue
            if isolation and not self.isolation.is_isolated(entry, position, field, isolation):
                continue
            if field.types is not None and self.local.would_null(entry, field):
                continue
            if field.internal and entry.group.step > near_step(position):
                break  # others wait for it: a new request may have it earlier
            here = self.local.types(entry, field) & types
            if here:
                self._select(entry, field, here, into)
                types -= here
                if not types:
                    break
        return types

    def _place_by_type(self, position: Position, field: Field, types: frozenset[str], into: Groups) -> None:
        """Together where one subgraph serves all of `types`, else in groups of types that are served alike."""
        if len(types) > 1:
            hosts = self.run.graph.common_hosts(types, field.name)
            if hosts and self._place_goal(Goal.of(position, field, types)._replace(hosts=hosts), into):
                return
        for alike in self.local.alike(types, field):
            goal = Goal.of(position, field, alike)
            if not self._place_goal(goal, into) and not self._place_goal(goal._replace(may_null_others=True), into):
                where = ".".join(position.keys) or position.type_name
                raise PlanningError(
                    f"No subgraph gives {min(alike)}.{field.name} at {where!r}{self._missing_context(goal)}"
                )

    def _missing_context(self, goal: Goal) -> str:
        """What of the reason is known why no subgraph gives a field."""
        for resolver in self.run.graph.resolvers(min(goal.types), goal.field.name):
            for argument in resolver.field.contexts:
                if not self.run.contexts.ancestors(goal.position, argument.context):
                    return (
                        f" (nothing above it sets the context {argument.context!r} of its argument {argument.name!r})"
                    )
        return ""

    def _place_goal(self, goal: Goal, into: Groups) -> bool:
        """One way for all objects of the goal, isolated if that is possible; whether there was one."""
        if not self.local.has_defers:
            return self._place_one_way(goal, into)
        isolation = self.isolation.required(goal.position, goal.types, goal.field)
        if isolation and self._place_one_way(goal._replace(isolation=isolation), into):
            return True
        return self._place_one_way(goal, into)

    def _place_one_way(self, goal: Goal, into: Groups) -> bool:
        position, field, types = goal.position, goal.field, goal.types
        child = self.positions.existing(position, field, types)
        if child is not None and not self._must_be_isolated(child, goal):
            self._place_children(child, field, into)
            return True
        entries: list[Entry] = []
        for entry, here in self._entries_that_give(goal):
            if here != types:
                self._place_by_type(position, field, here, into)
                self._place_by_type(position, field, types - here, into)
                return True
            entries.append(entry)
        options = self.options.of(goal, entries)
        if options:
            self._take_best(goal, options, into)
        return bool(options)

    def _must_be_isolated(self, child: Position, goal: Goal) -> bool:
        """Whether all entries below the field came for a key, while the field itself is to be isolated."""
        if not goal.isolation:
            return False
        groups = {entry.group for entry in child.entries}
        if any(goal.isolation <= group.defers and group.position is child for group in groups):
            return False
        return not any(
            self.isolation.is_isolated(entry, goal.position, goal.field, goal.isolation)
            for entry in goal.position.entries
            if entry.group in groups
        )

    def _entries_that_give(self, goal: Goal) -> Iterator[tuple[Entry, frozenset[str]]]:
        """Entries that give the composite field, each with the types for which it does."""
        if goal.field.type_name is None:
            return
        for entry in goal.position.entries:
            here = self.local.types(entry, goal.field) & goal.types
            if (
                here
                and self.local.is_usable(entry, goal.position, goal.field.conditions)
                and self.isolation.is_isolated(entry, goal.position, goal.field, goal.isolation)
                and (goal.may_null_others or not self.local.would_null(entry, goal.field))
            ):
                yield entry, here

    def _take_best(self, goal: Goal, options: list[Option], into: Groups) -> None:
        """Fetch the field by the option that costs least."""
        best = options[0] if len(options) == 1 else min(options, key=lambda option: option.rating)
        is_only_route = len(options) == 1 and best.is_only_route
        self.run.choices += not is_only_route
        count = len(self.run.groups)
        entries = self._enter(goal, best)
        if len(options) == 1:
            requests = [(group.step, group.graph) for group in self.run.groups[count:]]
            self.run.mandatory.update(requests)
            if is_only_route:
                self.run.only_route.update(requests)
        sent = self._with_contexts(goal, best)
        for entry in entries:
            self._select(entry, goal.field, goal.types, into, sent)

    def _enter(self, goal: Goal, option: Option) -> list[Entry]:
        """The entries in which the option has the field selected."""
        resolver = option.resolver
        if option.entry is not None:
            if resolver is not None:
                self.context_values.bring_along(option.entry, goal, resolver)
            return [option.entry]
        assert option.route is not None
        assert resolver is not None
        is_awaited = self.run.is_awaited(goal.field, resolver.graph, resolver.field.type_name)
        # What no other request waits for may come with a later one.
        last_step = self.run.policy.max_steps - 1 if is_awaited else sys.maxsize
        if resolver.field.needs_more:
            return [self.jumps.jump_requiring(goal, resolver, last_step)]
        return self.follower.follow(goal, option.route, last_step)

    def _with_contexts(self, goal: Goal, option: Option) -> Field:
        """The field with the variables of its contextual arguments, if it has any."""
        resolver = option.resolver
        if resolver is None or not resolver.field.contexts:
            return goal.field
        bringer = option.entry.group.position if option.entry is not None else None
        variables = self.run.contexts.variables(goal.position, goal.types, resolver, bringer)
        return with_arguments(goal.field, {a.name: variables[a.name] for a in resolver.field.contexts})

    def _select(
        self, entry: Entry, field: Field, types: frozenset[str], into: Groups, sent: Field | None = None
    ) -> None:
        """Select the field (as `sent`, if the subgraph is asked for it otherwise) in an entry that gives it.

        Go on below.
        """
        sent = sent or field
        into[entry.group] = None
        if field.type_name is None:
            conditions = ALWAYS if field.internal else field.conditions
            if entry.selection.find(sent, types, conditions) is None:
                entry.selection.add(sent, types, conditions, None)
            return
        for static, here in self.local.alike_below(entry, field, types):
            child = self.positions.child(entry.position, field, here, entry.graph, static)
            self.positions.move(entry, sent, here, static, child)
            self._place_children(child, field, into)

    def _place_children(self, child: Position, field: Field, into: Groups) -> None:
        """Place what is selected below: the client's fields in their turn, the planner's own at once."""
        if not field.internal:
            self.run.queue.append((child, field.children))
            return
        for below in field.children:
            into.update(self.place(child, below, child.types))
