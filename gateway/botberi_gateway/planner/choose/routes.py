"""A goal and a host -> the best `Route` there.

A route ends with an entry that exists, a field move from the parent, an entity jump by a key, or an entity jump after
further subgraphs that give the key. Looking for routes changes nothing; `Follower` makes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botberi_gateway.planner.choose.detours import Detours
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.isolation import Isolation
from botberi_gateway.planner.choose.key_jumps import KeyJumps
from botberi_gateway.planner.choose.local import near_step
from botberi_gateway.planner.choose.policy import Route
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Entry, Position
from botberi_gateway.query_graph import Host, KeyEdge, Resolver, SubgraphType, key_parts


class Routes:
    """Finds routes for one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.graph = run.graph
        self.local = run.local
        self.jumps = KeyJumps(run)
        self.detours = Detours(run, self.jumps)
        self.isolation = Isolation(run, self.jumps, self.detours)
        #: Fields whose required fields are being gathered.
        self._requiring: set[tuple[int, Host, str, frozenset[str]]] = set()

    def rank(self, route: Route, *, is_awaited: bool = False) -> tuple[int, int, int, bool, bool]:
        """The less, the better."""
        excess_steps = max(route.step + is_awaited - self.run.policy.max_steps, 0)
        return (
            self.run.count_banned(route.new_requests) + excess_steps,
            self.run.count_new(route.new_requests),
            route.step,
            route.has_other_implementations,
            route.enters_above,
        )

    def to_resolver(self, goal: Goal, resolver: Resolver) -> Route | None:
        """The best route on which the field is asked of the resolver's subgraph."""
        position, field = goal.position, goal.field
        if resolver.field.needs_more:
            if not self.run.contexts.available(position, resolver.field):
                return None
            if (id(position), resolver.host, field.name, goal.types) in self._requiring:
                return None
            return self.to_entity(goal, resolver)
        if any(
            entry.host == resolver.host and not entry.is_uncertain and self._doesnt_suit(entry, goal)
            for entry in position.entries
        ):
            goal = goal._replace(through_parent=False)
        if goal.may_null_others:
            goal = goal._replace(selects_field=False)
        return self.reach(goal, resolver.host)

    def _doesnt_suit(self, entry: Entry, goal: Goal) -> bool:
        """Whether the goal's field must not be selected in this entry, though its subgraph has it."""
        if not self.isolation.is_isolated(entry, goal.position, goal.field, goal.isolation):
            return True
        return not goal.may_null_others and self.local.would_null(entry, goal.field)

    @contextmanager
    def requiring(self, goal: Goal, resolver: Resolver) -> Iterator[None]:
        """While what the field requires is gathered: the field itself isn't offered as a way to it."""
        requirement = (id(goal.position), resolver.host, goal.field.name, goal.types)
        self._requiring.add(requirement)
        try:
            yield
        finally:
            self._requiring.discard(requirement)

    def to_entity(self, goal: Goal, resolver: Resolver) -> Route | None:
        """An entity jump to the resolver's subgraph, even from itself.

        Representations carry what its field requires.
        """
        edges = self.jumps.edges(goal, resolver.host)
        if not edges and any(entry.graph == resolver.graph for entry in goal.position.entries):
            # As the reference planner does: requests that have left a subgraph may come back to it by any of its keys.
            edges = self.graph.own_key_edges(min(goal.types), resolver.graph)
        routes = [route for edge in edges if (route := self.jumps.jump(goal, edge)) is not None]
        if len(routes) == 1:
            return routes[0]
        return min(routes, key=self.rank) if routes else self.detours.find(goal, resolver.host)

    def reach(self, goal: Goal, host: Host) -> Route | None:
        """The best route to the goal's objects in the subgraph of `host`."""
        near = near_step(goal.position)
        options: list[Route] = []
        for by_entry in self._by_entry(goal, host):
            if by_entry.step <= near:
                return by_entry
            options.append(by_entry)
        if goal.position.parent is None and goal.position.type_name in self.graph.roots.values():
            return Route(host[0], 1, ((1, host[0]),), is_root=True)
        options += self._by_move_or_jump(goal, host)
        if not options and goal.position.entries and self._is_asked_again(goal.types):
            options.append(Route(host[0], near, ((near, host[0]),), is_root=True))
        if all(route.step > near for route in options):
            detour = self.detours.find(goal, host)
            if detour is not None:
                options.append(detour)
        if goal.needs_key and options and all(route.parent_route is not None for route in options):
            # For these types alone the parent's field would suit a supergraph that doesn't satisfy the operation.
            detour = self.detours.find(goal, host)
            options = [] if detour is None else [*options, detour]
        if len(options) <= 1:
            return options[0] if options else None
        best = min(options, key=lambda route: self.rank(route, is_awaited=goal.is_awaited))
        return best._replace(is_only_route=False)

    def _by_move_or_jump(self, goal: Goal, host: Host) -> list[Route]:
        """A field move from the parent, and entity jumps by keys that are given here."""
        routes: list[Route] = []
        if goal.position.parent is not None and goal.through_parent:
            move = self.through_parent(goal, host)
            if move is not None:
                routes.append(move)
        for edge in self.jumps.edges(goal, host):
            jump = self.jumps.jump(goal, edge)
            if jump is not None:
                routes.append(jump)
        return routes

    def _by_entry(self, goal: Goal, host: Host) -> Iterator[Route]:
        """The entries that are there already, and that suit the goal."""
        position, types = goal.position, goal.types
        for entry in position.entries:
            if entry.host != host or not types <= entry.types:
                continue
            if not (goal.isolation <= entry.group.defers and self.local.is_exactly(entry, types)):
                continue
            if goal.selects_field and (
                not self.isolation.is_isolated(entry, position, goal.field, goal.isolation)
                or self.local.would_null(entry, goal.field)
            ):
                continue
            if self.local.is_usable(entry, position, goal.conditions):
                yield Route(entry.graph, entry.group.step, (), entry=entry)

    def _is_asked_again(self, types: frozenset[str]) -> bool:
        """Whether a field that leads back to a root type is followed by a request for that root; events begin once."""
        return len(types) == 1 and min(types) in (self.graph.roots["query"], self.graph.roots["mutation"])

    def through_parent(self, goal: Goal, host: Host) -> Route | None:
        """The field that leads to the position, asked of the parents in the host's subgraph."""
        position, isolation = goal.position, goal.isolation
        assert position.parent is not None
        assert position.field is not None
        if position.parent.type_name == self.graph.roots["mutation"]:
            return None  # a mutation runs once
        defers = position.defers
        if defers and not isolation and any(defers <= entry.group.defers for entry in position.entries):
            # Keys, too, come by the fragment's own requests: the fields on the way may fail.
            route = self.through_parent(goal._replace(isolation=defers), host)
            if route is not None:
                return route
        if not isolation <= defers:
            return None  # its answer would have errors of objects beside this one, which have fragments of their own
        # How the subgraph takes the parents: in one way, unless it has several of their interfaces as
        # `@interfaceObject`.
        best: Route | None = None
        hosts: list[Host] = []
        for resolver in self.graph.resolvers(min(position.parent_types), position.field.name):
            if resolver.graph != host[0] or resolver.host in hosts or resolver.field.needs_more:
                continue
            hosts.append(resolver.host)
            route = self._from_parent(goal, host, resolver.host)
            if route is not None and (best is None or self.rank(route) < self.rank(best)):
                best = route
        return best

    def _from_parent(self, goal: Goal, host: Host, parent_host: Host) -> Route | None:
        """The field move from parents that the subgraph takes as `parent_host` says."""
        position = goal.position
        parent, field = position.parent, position.field
        assert parent is not None
        assert field is not None
        has_others = False
        for type_name in position.parent_types:
            below = self._type_below(type_name, field.name, parent_host)
            if below is None or not goal.types <= below.possible:
                return None
            if (host[1] or below.is_interface_object) and below.as_interface != host[1]:
                return None
            if goal.selects_field and self.local.other_implementations.would_null(position, goal.field, below):
                return None
            has_others = has_others or (below.is_interface_object and goal.types < position.types)
        route = self._at_root(parent, position, host[0]) or self.reach(
            Goal(
                parent,
                position.parent_types,
                field,
                conditions_above(position, goal.conditions),
                isolation=goal.isolation,
                may_null_others=goal.may_null_others,
                selects_field=not goal.may_null_others,
            ),
            parent_host,
        )
        if route is None:
            return None
        return Route(
            host[0],
            route.step,
            route.new_requests,
            parent_route=route,
            enters_above=route.enters_above
            or route.key_edge is not None
            or (route.entry is not None and route.entry.group.kind == "entity"),
            has_other_implementations=has_others or route.has_other_implementations,
        )

    def _type_below(self, type_name: str, field: str, host: Host) -> SubgraphType | None:
        """The type of the field of these parents at the host; None where it doesn't simply resolve the field."""
        for resolver in self.graph.resolvers(type_name, field):
            if resolver.host == host and not resolver.field.needs_more:
                return self.graph.subgraph_type(host[0], resolver.field.type_name)
        return None

    def _at_root(self, root: Position, position: Position, graph: str) -> Route | None:
        """The request for the root that is there: what is deferred below it and has no key comes with it."""
        assert position.field is not None
        if root.parent is not None:
            return None
        for entry in root.entries:
            if (
                entry.graph == graph
                and position.parent_types <= entry.types
                and self.local.is_usable(entry, root, position.field.conditions)
            ):
                return Route(graph, entry.group.step, (), entry=entry)
        return None

    def gives_key(self, goal: Goal, edge: KeyEdge) -> bool:
        """Whether each field of this key is given here, or a route leads to a subgraph that gives it."""
        objects = goal.of_objects()._replace(through_parent=False)
        return all(
            self.jumps.given_after(goal.position, goal.types, part, goal.conditions) is not None
            or any(
                not resolver.field.needs_more and self.reach(objects, resolver.host) is not None
                for resolver in self.graph.resolvers(min(goal.types), part.name)
            )
            for part in key_parts(edge.key)
        )


def conditions_above(position: Position, conditions: Conditions) -> Conditions:
    """The conditions of a request for the parent that is made for something at the position: deferred as that is."""
    assert position.parent is not None
    assert position.field is not None
    defers = (position.defers | conditions.defers) - position.parent.defers
    return position.field.conditions.with_defers(defers)
