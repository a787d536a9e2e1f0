"""A merged type and what merging it said -> the same again, where nothing that it depends on has changed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from botberi_gateway.composition.merge.types import Owners
from botberi_gateway.composition.merge_state import MergeState, Source
from botberi_gateway.composition.problem import Problem
from botberi_gateway.composition.subgraph import SubgraphSchema
from botberi_gateway.supergraph import SupergraphType

#: Root types depend on more than the subgraphs that have them, so they are merged each time.
_ROOTS = frozenset({"Query", "Mutation", "Subscription"})


@dataclass(slots=True)
class _Merged:
    """A merged type. `owners` are compared by identity: a subgraph that was read again is another."""

    owners: list[tuple[SubgraphSchema, str]]
    type: SupergraphType
    problems: list[Problem]
    hints: list[Problem]
    shared: list[tuple[str, list[Source]]]
    used_as_input: set[str]
    used_as_output: set[str]


@dataclass(slots=True)
class MergedTypes:
    """Objects and interfaces of the last merge, by name. They hold while `surroundings` are the same."""

    surroundings: object = None
    types: dict[str, _Merged] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def begin(self, state: MergeState) -> None:
        """Forget everything if the graph around the types has changed."""
        composed = state.composed
        custom = {n: (c.definition.repeatable, sorted(c.subgraphs)) for n, c in composed.custom.items()}
        surroundings = (
            state.kinds,
            state.interfaces,
            state.members,
            state.mismatched,
            state.names,
            state.interface_objects,
            composed.names,
            composed.used,
            custom,
        )
        if surroundings != self.surroundings:
            self.surroundings = surroundings
            self.types.clear()
        self.seen.clear()

    def end(self) -> None:
        """Forget types that are gone."""
        for name in self.types.keys() - self.seen:
            del self.types[name]

    def merged(
        self, state: MergeState, name: str, owners: Owners, merge: Callable[[], SupergraphType]
    ) -> SupergraphType:
        """The type that `merge` returns or returned before; the state gets its problems and hints in both cases."""
        if name in _ROOTS or state.interfaces.get(name, set()) & state.interface_objects:
            return merge()
        self.seen.add(name)
        having = [(schema, schema.graph) for schema, _ in owners]
        previous = self.types.get(name)
        if previous is None or not _same(previous.owners, having):
            previous = self.types[name] = _record(state, having, merge)
        state.problems += previous.problems
        state.hints += previous.hints
        state.shared += previous.shared
        state.used_as_input |= previous.used_as_input
        state.used_as_output |= previous.used_as_output
        return previous.type


def _same(left: list[tuple[SubgraphSchema, str]], right: list[tuple[SubgraphSchema, str]]) -> bool:
    return len(left) == len(right) and all(a is b and g == h for (a, g), (b, h) in zip(left, right, strict=True))


def _record(
    state: MergeState, owners: list[tuple[SubgraphSchema, str]], merge: Callable[[], SupergraphType]
) -> _Merged:
    before = state.problems, state.hints, state.shared, state.used_as_input, state.used_as_output
    state.problems, state.hints, state.shared, state.used_as_input, state.used_as_output = [], [], [], set(), set()
    try:
        type_ = merge()
        return _Merged(
            owners, type_, state.problems, state.hints, state.shared, state.used_as_input, state.used_as_output
        )
    finally:
        state.problems, state.hints, state.shared, state.used_as_input, state.used_as_output = before
