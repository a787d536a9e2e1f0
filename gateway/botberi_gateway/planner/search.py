"""Operation's fields -> the cheapest fetch graph that a bounded search finds: fewest steps, then requests, then selected fields."""

from collections.abc import Callable
from dataclasses import dataclass

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose import Chooser
from botberi_gateway.planner.estimate import Estimator
from botberi_gateway.planner.fetch_graph import Item, Part, Position, Selection, release
from botberi_gateway.planner.optimize import optimize
from botberi_gateway.planner.policy import Outcome, Policy, Slot
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph

#: Fields placed over all runs of the search; the first run always ends. 1,600 placements take about 0.05 s in CPython 3.11 (measured on the
#: corpus' hardest operation), so the search ends after some 0.3 s there.
BUDGET = 9_000
#: Keys looked at over all runs. 14,000 take about 0.4 s, a second where other work fills the caches: a wide query over a hundred subgraphs looks
#: at thousands in each run.
WORK = 14_000
#: Runs at most: beyond the second each one tests whether one request can be avoided.
MAX_RUNS = 24


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """What is minimised, in this order."""

    steps: int
    requests: int
    parts: int
    selected: int


def search(
    graph: QueryGraph,
    walker: Walker,
    start: Callable[[], tuple[Position, list[Part]]],
    fields: tuple[Field, ...],
    subgraph: str = "",
) -> list[Part]:
    """The best parts found. `start` makes a fresh root position (and the parts it has from the start) for each run.

    `subgraph`: the one that may give root fields, empty where any may.
    """
    estimator = Estimator(graph)

    def run(policy: Policy) -> tuple[Cost, Outcome]:
        root, parts = start()
        chooser = Chooser(graph, walker, estimator, policy)
        chooser.parts.extend(parts)
        outcome = chooser.run(root, fields)
        optimize(outcome.parts)
        return cost(outcome.parts), outcome

    used = Policy(start=subgraph)
    best, outcome = run(used)
    if not outcome.choices:
        return outcome.parts
    size = max(best.selected, 1)
    runs_left = min(MAX_RUNS, BUDGET // size, WORK // max(outcome.work, 1))
    if best.requests <= 1:
        return outcome.parts
    tried: set[Policy] = set()

    def attempt(policy: Policy) -> bool:
        nonlocal best, outcome, runs_left, used
        if runs_left <= 0 or policy in tried:
            return False
        tried.add(policy)
        runs_left -= 1
        other_cost, other = run(policy)
        if not other_cost < best:
            release(other.parts)
            return False
        release(outcome.parts)
        best, outcome, used = other_cost, other, policy
        return True

    attempt(Policy(best.steps, outcome.forced, start=subgraph))
    improved = True
    while improved and runs_left > 0 and best.requests > 1:
        # Can one request be avoided, the others being there anyway? And if they needn't be?
        present = slots(outcome.parts)
        improved = False
        open_slots = sorted(present - outcome.forced, reverse=True)
        for slot in (*open_slots, *sorted(present & outcome.forced - outcome.sole, reverse=True)):
            banned = used.banned | {slot}
            if attempt(Policy(best.steps, present - banned, banned, subgraph)) or attempt(
                Policy(best.steps, outcome.forced - banned, banned, subgraph)
            ):
                improved = True
                break
    return outcome.parts


def search_from_one(graph: QueryGraph, walker: Walker, position: Callable[[], Position], field: Field) -> list[Part]:
    """Parts for a root field that may be asked for once only, of one subgraph: a mutation does something, events begin there.

    Of several subgraphs that have the field one alone may lead to all that is selected below. Raises `PlanningError` where none does.
    """
    graphs = list(dict.fromkeys(r.graph for r in graph.resolvers(position().type_name, field.name)))
    problem: PlanningError | None = None
    for subgraph in ("", *(graphs if len(graphs) > 1 else ())):
        try:
            parts = search(graph, walker, lambda: (position(), []), (field,), subgraph)
        except PlanningError as error:
            problem = problem or error
            continue
        if sum(part.kind == "root" and not part.position.path for part in parts) == 1:
            return parts
        release(parts)
    raise problem or PlanningError(f"No subgraph alone gives {field.name}")


def slots(parts: list[Part]) -> frozenset[Slot]:
    """The requests that these parts become."""
    return frozenset((part.level, part.graph) for part in parts if part.kind != "event")


def cost(parts: list[Part]) -> Cost:
    """Rate a finished run."""
    requests = {
        (part.level, part.graph, part.kind, part.position.path if part.kind == "root" else (), part.defers)
        for part in parts
        if part.kind != "event"
    }
    steps = max((part.level for part in parts), default=0)
    return Cost(steps, len(requests), len(parts), sum(_size(part.selection) for part in parts))


def _size(selection: Selection) -> int:
    return sum(1 + (_size(item.child) if isinstance(item, Item) and item.child else 0) for item in selection.items)
