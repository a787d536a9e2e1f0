"""Supergraph -> proof that each query of its API can be answered, or the smallest queries that can't.

The walk goes over states (an object type, and the positions at which an object of it can be) and not over paths, so
that it ends after as many steps as there are states. A state need not be looked at if one with fewer positions was:
more positions only help.
"""

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import islice, product

from graphql import ConstDirectiveNode

from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.satisfiability.explain import explain, explain_two
from botberi_gateway.composition.satisfiability.reach import Position, Reach
from botberi_gateway.query_graph import QueryGraph
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.supergraph.api import inaccessible_name

#: All combinations of so many labels are looked at; of more: all on, all off, and each alone.
MAX_LABELS = 6
#: More errors than this aren't reported.
MAX_ERRORS = 50

State = tuple[str, frozenset[Position]]
#: Type -> sets of positions, none of which holds another.
Seen = dict[str, list[AbstractSet[Position]]]


def unsatisfiable(supergraph: Supergraph) -> dict[str, Problem]:
    """`SATISFIABILITY_ERROR`s by coordinate: one for each field that can't always be fetched, with a shortest query."""
    problems: dict[str, Problem] = {}
    for on in _label_choices(supergraph):
        graph = QueryGraph(supergraph, on.__contains__)
        for coordinate, problem in _Walk(supergraph, Reach(graph)).problems():
            problems.setdefault(coordinate, problem)
            if len(problems) >= MAX_ERRORS:
                return problems
    return problems


def _label_choices(supergraph: Supergraph) -> Iterator[frozenset[str]]:
    labels = sorted(
        {
            join.override_label
            for type_ in supergraph.types.values()
            for field in type_.fields.values()
            for join in field.joins
            if join.override_label and join.override is not None
        }
    )
    if len(labels) <= MAX_LABELS:
        for choice in product((True, False), repeat=len(labels)):
            yield frozenset(label for label, on in zip(labels, choice, strict=True) if on)
        return
    every = frozenset(labels)
    yield from (every, frozenset())
    for label in labels:
        yield frozenset((label,))
        yield every - {label}


def _visible(supergraph: Supergraph, graph: QueryGraph) -> dict[str, list[str]]:
    """Types and fields of the API schema. The schema itself would take longer to build than many graphs to prove."""
    hiding = inaccessible_name(supergraph)

    def is_hidden(directives: tuple[ConstDirectiveNode, ...]) -> bool:
        return any(d.name.value == hiding for d in directives)

    hidden = {t.name for t in supergraph.types.values() if is_hidden(t.directives)}
    return {
        name: [
            field.name
            for field in type_.fields.values()
            if not is_hidden(field.directives) and graph.facts(name, field.name)[0] not in hidden
        ]
        for name, type_ in supergraph.types.items()
        if name not in hidden
    }


class _Walk:
    def __init__(
        self,
        supergraph: Supergraph,
        reach: Reach,
        visible: dict[str, list[str]] | None = None,
        starts: dict[Position, Problem | None] | None = None,
    ) -> None:
        self.supergraph = supergraph
        self.reach = reach
        self.graph = reach.graph
        self.visible = _visible(supergraph, self.graph) if visible is None else visible
        #: Where a shared mutation may begin -> what can't be had from there alone, None if everything can.
        self.starts: dict[Position, Problem | None] = {} if starts is None else starts
        #: State -> (state before, what was selected from there).
        self.came_from: dict[State, tuple[State, str] | None] = {}
        self.seen: Seen = {}
        #: The same for what is reached from a state.
        self.expanded: Seen = {}
        self.queue: deque[State] = deque()

    def problems(self) -> Iterator[tuple[str, Problem]]:
        for kind, name in self.graph.roots.items():
            if name and name in self.visible:
                start = frozenset(
                    self.reach.with_contexts(Position(g, name))
                    for g in self.graph.graphs
                    if self.graph.subgraph_type(g, name) is not None
                )
                self.came_from[name, start] = None
                self.queue.append((name, start))
                yield from self._walk(kind)

    def _walk(self, kind: str) -> Iterator[tuple[str, Problem]]:
        while self.queue:
            state = self.queue.popleft()
            type_name, positions = state
            reached = self.reach.all_reached(type_name, positions)
            if not self._is_known(type_name, reached):
                coordinate = f"{type_name}.__typename"
                yield coordinate, explain(self.reach, state, "__typename", self._query(kind, state, "__typename"))
                continue
            if self._is_covered(self.expanded, type_name, reached):
                continue  # by keys one gets from here wherever one got from there
            fields = frozenset[str]().union(*map(self.reach.given, reached))
            for field in self.visible[type_name]:
                target = self.graph.facts(type_name, field)[0]
                if field in fields and not self.graph.is_composite(target):
                    continue
                targets = (c for p in reached if (c := self.reach.child(type_name, p, field)) is not None)
                # a leaf has no selection, so one position that has it is enough
                children = set(targets if self.graph.is_composite(target) else islice(targets, 1))
                if not children:
                    query = self._query(kind, state, self._leaf(type_name, field))
                    yield f"{type_name}.{field}", explain(self.reach, state, field, query)
                    continue
                if not self.graph.is_composite(target):
                    continue
                if kind == "mutation" and self.came_from[state] is None and len(children) > 1:
                    problem = self._needs_two(state, field, children)
                    if problem is not None:
                        yield f"{type_name}.{field}", problem
                        continue
                self._enter(state, field, children)

    def _enter(self, state: State, field: str, children: AbstractSet[Position]) -> None:
        target = self.graph.facts(state[0], field)[0]
        for concrete, below in self.reach.split(children):
            if self._is_object(concrete) and concrete in self.graph.possible(target):
                selection = field if concrete == target else f"{field}|{concrete}"
                self._visit((concrete, frozenset(below)), state, selection)

    def _needs_two(self, state: State, field: str, children: AbstractSet[Position]) -> Problem | None:
        """A mutation runs once, so one subgraph has to be enough to begin in; None if one is."""
        reasons = []
        for child in sorted(children, key=lambda p: (p.graph, p.type_name, p.provides or "")):
            if child not in self.starts:
                walk = _Walk(self.supergraph, self.reach, self.visible, self.starts)
                walk.came_from[state] = None
                walk._enter(state, field, {child})
                self.starts[child] = next((problem for _, problem in walk._walk("mutation")), None)
            start = self.starts[child]
            if start is None:
                return None
            reasons.append((child, start))
        return explain_two(self.reach, f"{state[0]}.{field}", reasons)

    def _is_object(self, name: str) -> bool:
        """Whether it is an object type of the API. An interface without implementations has no objects to check."""
        return name in self.visible and self.supergraph.types[name].kind == "OBJECT"

    def _is_known(self, type_name: str, reached: set[Position]) -> bool:
        """Whether one of the subgraphs at these positions knows that the object is of this type."""
        return any(p.type_name == type_name for p in reached)

    def _visit(self, state: State, before: State, selection: str) -> None:
        if self._is_covered(self.seen, *state):
            return
        self.came_from.setdefault(state, (before, selection))
        self.queue.append(state)

    @staticmethod
    def _is_covered(seen: Seen, type_name: str, positions: AbstractSet[Position]) -> bool:
        """Whether a state with no more positions was seen already. If not, this one is noted."""
        smaller = seen.setdefault(type_name, [])
        if any(other <= positions for other in smaller):
            return True
        smaller[:] = [other for other in smaller if not positions <= other]
        smaller.append(positions)
        return False

    def _leaf(self, type_name: str, field: str) -> str:
        target = self.graph.facts(type_name, field)[0]
        return f"{field} {{ __typename }}" if self.graph.is_composite(target) else field

    def _query(self, kind: str, state: State, leaf: str) -> str:
        """The shortest operation that leads to the state."""
        text = leaf
        current = self.came_from[state]
        while current is not None:
            before, selection = current
            field, _, concrete = selection.partition("|")
            text = f"{field} {{ ... on {concrete} {{ {text} }} }}" if concrete else f"{field} {{ {text} }}"
            current = self.came_from[before]
        return f"{{ {text} }}" if kind == "query" else f"{kind} {{ {text} }}"
