"""A goal -> the ways to fetch its field, each with its cost."""

from collections.abc import Iterable
from typing import NamedTuple

from botberi_gateway.planner.choose.context_entities import ContextEntities
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.local import near_step
from botberi_gateway.planner.choose.policy import RequestKey, Route
from botberi_gateway.planner.choose.routes import Routes
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.fetch_graph import Entry
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import Resolver


class Rating(NamedTuple):
    """What an option costs, the most important first."""

    banned_requests: int
    #: Steps beyond the policy's `max_steps`, with the one that the unanswered fields below take.
    excess_steps: int
    #: Requests that it adds, and at least has to add for what lies below.
    new_requests: int
    step: int
    #: Fields below that the subgraph doesn't give.
    unanswered: int


class Option(NamedTuple):
    """A way to fetch the field: by an entry that exists, or by a route (exactly one of them is given)."""

    rating: Rating
    entry: Entry | None = None
    route: Route | None = None
    #: Who resolves the field; None: the entry gives it to its objects as they are.
    resolver: Resolver | None = None

    @property
    def is_only_route(self) -> bool:
        """Whether nothing else leads to its subgraph."""
        return self.route is None or self.route.is_only_route


class Options:
    """Lists and rates options for one run."""

    def __init__(self, run: Run, routes: Routes) -> None:
        self.run = run
        self.routes = routes
        self.context_entities = ContextEntities(run, routes.jumps)

    def of(self, goal: Goal, entries: Iterable[Entry]) -> list[Option]:
        """The options for a goal, of which `entries` give the field to all its objects.

        Others are left out where they can't be better.
        """
        options = [self._by_entry(goal, entry) for entry in entries]
        near = near_step(goal.position)
        if any(o.rating.banned_requests == 0 and o.rating.unanswered == 0 and o.rating.step <= near for o in options):
            return options
        root_subgraph = self.run.policy.root_subgraph if goal.position.parent is None else ""
        for resolver in self.run.graph.resolvers(min(goal.types), goal.field.name):
            if goal.hosts is not None and resolver.host not in goal.hosts:
                continue
            if root_subgraph and resolver.graph != root_subgraph:
                continue
            if any(o.entry is not None and o.entry.graph == resolver.graph and o.rating.step <= near for o in options):
                continue
            option = self._by_resolver(goal, resolver)
            if option is not None:
                options.append(option)
        return options

    def _by_entry(self, goal: Goal, entry: Entry) -> Option:
        static = self.run.local.static_below(entry, goal.field, goal.types)
        return Option(self._rate(goal.field, entry.graph, static, entry.group.step), entry=entry)

    def _by_resolver(self, goal: Goal, resolver: Resolver) -> Option | None:
        field, static = goal.field, resolver.field.type_name
        entry = self.context_entities.entry(goal, resolver) if resolver.field.contexts else None
        if entry is not None:
            rating = self._rate(field, resolver.graph, static, entry.group.step)
            return Option(rating, entry=entry, resolver=resolver)
        # The field of an interface, and not all objects are served alike: the route must be one on which keys lead,
        # too.
        needs_key = field.types is None and goal.types < goal.position.types and self.run.graph.is_abstract(field.via)
        is_awaited = self.run.is_awaited(field, resolver.graph, static)
        route = self.routes.to_resolver(goal.for_resolver(needs_key=needs_key, is_awaited=is_awaited), resolver)
        if route is None:
            return None
        rating = self._rate(field, route.graph, static, route.step, route.new_requests)
        return Option(rating, route=route, resolver=resolver)

    def _rate(
        self, field: Field, graph: str, static: str | None, step: int, requests: tuple[RequestKey, ...] = ()
    ) -> Rating:
        """What it costs to ask `graph` for the field in this step, where the field gives objects of `static`."""
        run = self.run
        last_step, further, count = step, 0, 0
        if field.type_name is not None and static is not None:
            unanswered = run.estimator.unanswered(field.children, graph, static)
            if unanswered:
                last_step += 1
                count = len(unanswered)
                further = run.estimator.cover(unanswered, {g for later, g in run.active if later > step})
        return Rating(
            run.count_banned(requests),
            max(last_step - run.policy.max_steps, 0),
            run.count_new(requests) + further,
            step,
            count,
        )
