"""The state of one run of the chooser, which all its parts share."""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from botberi_gateway.planner.choose.contexts import Contexts
from botberi_gateway.planner.choose.estimate import Estimator
from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.local import Local
from botberi_gateway.planner.choose.policy import Policy, RequestKey, Route
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Entry, FetchGroup, GroupKind, Groups, Position, Selection
from botberi_gateway.planner.representations import ResponseKeys
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import Host, KeyEdge, QueryGraph, Resolver


class Place(Protocol):
    """Has a field selected for objects of these types; the groups that then give it."""

    def __call__(self, position: Position, field: Field, types: frozenset[str], /) -> Groups: ...


class Jump(Protocol):
    """Makes an entity jump, to select a field of the resolver if there is one.

    An existing group later than the first possible step is used only up to `last_step`.
    """

    def __call__(self, goal: Goal, edge: KeyEdge, last_step: int, resolver: Resolver | None = None, /) -> Entry: ...


class ThroughParent(Protocol):
    """The route through the parent's field."""

    def __call__(self, goal: Goal, host: Host, /) -> Route | None: ...


@dataclass(slots=True)
class Calls:
    """The calls by which parts of the chooser reach those that are built of them.

    A key's fields are placed like all others.
    """

    place: Place
    jump: Jump
    through_parent: ThroughParent


class Run:
    """One operation under one policy: what answers questions about it, and what has been made so far."""

    #: Set by the chooser, as long as it runs.
    calls: Calls

    def __init__(self, graph: QueryGraph, walker: Walker, estimator: Estimator, policy: Policy) -> None:
        self.graph = graph
        self.walker = walker
        self.estimator = estimator
        self.policy = policy
        self.local = Local(graph, walker)
        self.contexts = Contexts(graph, walker.variables)
        self.response_keys = ResponseKeys(walker.names)
        self.groups: list[FetchGroup] = []
        #: Requests that exist, or that the policy has for free.
        self.active: set[RequestKey] = set(policy.free_requests)
        #: Positions whose fields aren't placed yet.
        self.queue: deque[tuple[Position, tuple[Field, ...]]] = deque()
        # For the outcome: see `Outcome`.
        self.mandatory: set[RequestKey] = set()
        self.only_route: set[RequestKey] = set()
        self.choices = 0
        self.work = 0

    def count_new(self, requests: tuple[RequestKey, ...]) -> int:
        """How many of these requests would be added to the plan."""
        active = self.active
        return sum([request not in active for request in requests])

    def count_banned(self, requests: tuple[RequestKey, ...]) -> int:
        """How many of these requests the policy bans."""
        banned = self.policy.banned_requests
        return sum([request in banned for request in requests]) if banned else 0

    def is_awaited(self, field: Field, graph: str, static: str) -> bool:
        """Whether other requests would wait for the field, if `graph` gives it with objects of type `static`."""
        return field.internal or (
            field.type_name is not None and bool(self.estimator.unanswered(field.children, graph, static))
        )

    def add_group(
        self,
        kind: GroupKind,
        graph: str,
        position: Position,
        types: frozenset[str],
        conditions: Conditions,
        typename: str | None = None,
    ) -> FetchGroup:
        """A new group, without its entry yet."""
        group = FetchGroup(graph, kind, position, types, typename, conditions, len(self.groups))
        self.groups.append(group)
        return group

    def enter(self, group: FetchGroup, selection: Selection) -> Entry:
        """The group's own entry, at its position. Its step must be known."""
        self.active.add((group.step, group.graph))
        group.entry = Entry(group.position, group, selection, group.conditions)
        group.position.entries.append(group.entry)
        return group.entry
