"""An operation's fields -> the cheapest fetch groups that a bounded search finds.

Fewest steps, then requests, then selected fields.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose import Chooser, Outcome, Policy, RequestKey
from botberi_gateway.planner.choose.estimate import Estimator
from botberi_gateway.planner.fetch_graph import FetchGroup, Position, Selection, release
from botberi_gateway.planner.optimize import optimize
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph

#: Fields placed over all runs of the search; the first run always ends. 1,600 placements take about 0.05 s in CPython
#: 3.11 (measured on the corpus' hardest operation), so that the search ends after some 0.3 s there.
BUDGET = 9_000
#: Keys looked at over all runs. 14,000 take about 0.4 s, or a second where other work fills the processor's caches: a
#: wide query over a hundred subgraphs looks at thousands in each run.
MAX_WORK = 14_000
#: Each run beyond the second tests whether one request can be avoided.
MAX_RUNS = 24


class Cost(NamedTuple):
    """What is minimised, in this order."""

    steps: int
    requests: int
    groups: int
    selected: int


class Start(NamedTuple):
    """Where a run begins: a position without anything selected, and the groups that are there already (an event's)."""

    position: Position
    groups: list[FetchGroup]


#: Makes a fresh start for each run.
Starter: TypeAlias = Callable[[], Start]


def at_root(root: str) -> Starter:
    """Begins at a root type of the supergraph."""
    return lambda: Start(Position(root, frozenset((root,))), [])


@dataclass(slots=True)
class _Search:
    """The state of one search: the best outcome so far, and what of the budget is left."""

    graph: QueryGraph
    walker: Walker
    starter: Starter
    fields: tuple[Field, ...]
    root_subgraph: str
    estimator: Estimator = field(init=False)
    policy: Policy = field(init=False)
    cost: Cost = field(init=False)
    outcome: Outcome = field(init=False)
    runs_left: int = 0
    tried: set[Policy] = field(default_factory=set)

    def run(self) -> list[FetchGroup]:
        """The groups of the best outcome."""
        self.estimator = Estimator(self.graph)
        self.policy = Policy(root_subgraph=self.root_subgraph)
        self.cost, self.outcome = self._choose(self.policy)
        if self.outcome.choices and self.cost.requests > 1:
            self.runs_left = min(MAX_RUNS, BUDGET // max(self.cost.selected, 1), MAX_WORK // max(self.outcome.work, 1))
            self._attempt(Policy(self.cost.steps, self.outcome.mandatory, root_subgraph=self.root_subgraph))
            while self.runs_left > 0 and self.cost.requests > 1 and self._avoid_a_request():
                pass
        return self.outcome.groups

    def _choose(self, policy: Policy) -> tuple[Cost, Outcome]:
        start = self.starter()
        chooser = Chooser(self.graph, self.walker, self.estimator, policy)
        outcome = chooser.run(start.position, start.groups, self.fields)
        optimize(outcome.groups)
        return cost(outcome.groups), outcome

    def _attempt(self, policy: Policy) -> bool:
        """Run under another policy; whether that was better."""
        if self.runs_left <= 0 or policy in self.tried:
            return False
        self.tried.add(policy)
        self.runs_left -= 1
        cost, outcome = self._choose(policy)
        if not cost < self.cost:
            release(outcome.groups)
            return False
        release(self.outcome.groups)
        self.cost, self.outcome, self.policy = cost, outcome, policy
        return True

    def _avoid_a_request(self) -> bool:
        """Whether there is a better plan without one of the requests.

        Requests to which another subgraph is an alternative are tried first.
        """
        steps, outcome = self.cost.steps, self.outcome
        present = request_keys(outcome.groups)
        others = sorted(present - outcome.mandatory, reverse=True)
        other_routes = sorted(present & outcome.mandatory - outcome.only_route, reverse=True)
        for request in (*others, *other_routes):
            banned = self.policy.banned_requests | {request}
            # Where all other requests are made anyway? And where only the mandatory ones are?
            for free in (present, outcome.mandatory):
                if self._attempt(Policy(steps, free - banned, banned, self.root_subgraph)):
                    return True
        return False


def search(
    graph: QueryGraph, walker: Walker, starter: Starter, fields: tuple[Field, ...], root_subgraph: str = ""
) -> list[FetchGroup]:
    """The best groups found. `root_subgraph`: the one that may give root fields; empty: any may."""
    return _Search(graph, walker, starter, fields, root_subgraph).run()


def search_from_one(graph: QueryGraph, walker: Walker, root: str, field: Field) -> list[FetchGroup]:
    """Groups for a root field that only one subgraph may be asked for, and once.

    A mutation changes something, events begin there. Of several subgraphs that have the field it may be that one alone
    leads to all that is selected below. Raises `PlanningError` where none does.
    """
    graphs = list(dict.fromkeys(r.graph for r in graph.resolvers(root, field.name)))
    problem: PlanningError | None = None
    for subgraph in ("", *(graphs if len(graphs) > 1 else ())):
        try:
            groups = search(graph, walker, at_root(root), (field,), subgraph)
        except PlanningError as error:
            problem = problem or error
            continue
        if sum(group.kind == "root" and not group.position.path for group in groups) == 1:
            return groups
        release(groups)
    raise problem or PlanningError(f"No subgraph alone gives {field.name}")


def request_keys(groups: list[FetchGroup]) -> frozenset[RequestKey]:
    """The requests that these groups become."""
    return frozenset((group.step, group.graph) for group in groups if group.kind != "event")


def cost(groups: list[FetchGroup]) -> Cost:
    """The cost of a finished run."""
    requests = {
        (group.step, group.graph, group.kind, group.position.path if group.kind == "root" else (), group.defers)
        for group in groups
        if group.kind != "event"
    }
    steps = max((group.step for group in groups), default=0)
    return Cost(steps, len(requests), len(groups), sum(_size(group.selection) for group in groups))


def _size(selection: Selection) -> int:
    """The number of fields in a selection, all levels together."""
    return sum(1 + (_size(item.child) if item.child else 0) for item in selection.items)
