"""The oracle's own test: bugs planted in the gateway one at a time, and the pairs that the fuzzer needs for each."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from graphql import NonNullTypeNode

from botberi_gateway.codec import encode
from botberi_gateway.executor import shape, view
from botberi_gateway.executor.answers import Sorted
from botberi_gateway.executor.errorlog import ErrorLog
from botberi_gateway.executor.joined import Joined
from botberi_gateway.executor.project import PROPAGATE, Projection
from botberi_gateway.executor.selection import Selections
from botberi_gateway.plan import KeyField, Parallel, Sequence
from botberi_gateway.planner.choose.isolation import Isolation
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph.graph import QueryGraph
from botberi_gateway.query_graph.subgraph_types import SubgraphTypes
from botberi_gateway.upstream.port import SubgraphResponse
from lab.fuzzing.fuzz import fuzz
from lab.fuzzing.planted_kinds import KIND_BUGS, Bug, by_representation


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """The gateway with this bug."""
    owner = import_module(bug.owner) if isinstance(bug.owner, str) else bug.owner
    before = owner.__dict__[bug.name]
    setattr(owner, bug.name, bug.change(before))
    shape.possible_keys.cache_clear()
    try:
        yield
    finally:
        setattr(owner, bug.name, before)
        shape.possible_keys.cache_clear()


def _included(kind: str) -> Callable[[Any], Any]:
    """Ignores one of the two directives."""

    def change(before: Any) -> Any:
        def included(self: Any, node: Any) -> Any:
            kept = tuple(d for d in node.directives or () if d.name.value != kind)
            return before(self, replace(node, directives=kept) if len(kept) < len(node.directives or ()) else node)

        return included

    return change


def _groups(rebuild: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    return lambda before: lambda self, sets, kind: rebuild(dict(before(self, sets, kind)))


def _swapped_entities(before: Any) -> Any:
    async def send(fetch: Any, batches: Any, *rest: Any) -> Any:
        answer = await before(fetch, batches, *rest)
        if isinstance(answer, SubgraphResponse) and answer.data and batches:
            data = {k: v[::-1] if isinstance(v, list) else v for k, v in answer.data.items()}
            return SubgraphResponse(data, answer.errors)
        return answer

    return send


def _fewer_variables(before: Any) -> Any:
    async def send(fetch: Any, batches: Any, *rest: Any) -> Any:
        return await before(replace(fetch, variables=fetch.variables[:-1]), batches, *rest)

    return send


def _does_not_propagate(before: Any) -> Any:
    def complete(self: Any, *arguments: Any) -> Any:
        made = before(self, *arguments)
        return None if made is PROPAGATE else made

    return complete


def _propagates_too_far(before: Any) -> Any:
    def list_value(self: Any, kind: Any, value: Any, *rest: Any) -> Any:
        made = before(self, kind, value, *rest)
        return PROPAGATE if made is None else made

    return list_value


def _first_layer(self: Any, key: str) -> Any:
    return self.layers[0][1].get(key, view.MISSING) if self.layers else view.MISSING


def _drop_last(fields: dict[str, Any], _: Any) -> dict[str, Any]:
    return dict(list(fields.items())[:-1]) if len(fields) > 2 else fields


def _own_name(fields: dict[str, Any], seen: Any) -> dict[str, Any]:
    return fields | {"__typename": seen[1].of(seen[0]) or fields["__typename"]}


def _half_key(value: Any) -> bytes:
    return encode(dict(list(value.items())[:2]))


def _no_requires(before: Any) -> Any:
    def field(self: Any, *arguments: Any) -> Any:
        made = before(self, *arguments)
        return made if made is None else replace(made, requires=None)

    return field


def _no_external(before: Any) -> Any:
    def field(self: Any, *arguments: Any) -> Any:
        made = before(self, *arguments)
        return made if made is None else replace(made, external=False)

    return field


def _conditions(kind: str) -> Callable[[Any], Any]:
    """The planner takes a directive for its opposite."""

    def change(before: Any) -> Any:
        def conditions(directives: Any, outer: Any) -> Any:
            found = before(directives, outer)
            if not found:
                return found
            changed = ((name, not value if kind == "all" else True) for name, value in found.variables)
            return Conditions(frozenset(changed), found.defers)

        return conditions

    return change


def _without_arguments(before: Any) -> Any:
    def fields(self: Any, *arguments: Any, **named: Any) -> Any:
        return tuple(replace(f, arguments=(), arguments_text="") for f in before(self, *arguments, **named))

    return fields


def _as_parallel(before: Any) -> Any:
    def in_series(*arguments: Any) -> Any:
        node = before(*arguments)
        return Sequence(node.nodes[::-1]) if isinstance(node, Sequence) and arguments[-1] == "mutation" else node

    return in_series


def _fewer_key_fields(before: Any) -> Any:
    def representation(graph: Any, part: Any) -> Any:
        made = before(graph, part)
        return replace(made, selections=made.selections[:-1]) if len(made.selections) > 1 else made

    return representation


def _shallow_keys(before: Any) -> Any:
    def representation(graph: Any, part: Any) -> Any:
        made = before(graph, part)
        cut = tuple(
            replace(s, selections=s.selections[:1]) if isinstance(s, KeyField) and s.selections else s
            for s in made.selections
        )
        return replace(made, selections=cut)

    return representation


def _all_parallel(before: Any) -> Any:
    def arrange(requests: Any, nodes: Any) -> Any:
        node = before(requests, nodes)
        return Parallel(node.nodes) if isinstance(node, Sequence) else node

    return arrange


def _any_entry(before: Any) -> Any:
    def entries(self: Any, type_name: str) -> Any:
        known = self.types[type_name]
        saved, known_joins = known.joins, tuple(replace(j, resolvable=True) for j in known.joins)
        self.types[type_name] = replace(known, joins=known_joins)
        try:
            return before(self, type_name)
        finally:
            self.types[type_name] = replace(known, joins=saved)

    return entries


def _nullable(before: Any) -> Any:
    def merge(state: Any, types: Any) -> Any:
        made = before(state, types)
        return made.type if isinstance(made, NonNullTypeNode) and len(types) > 1 else made

    return merge


def _fewer_members(before: Any) -> Any:
    def merge(state: Any, name: str, owners: Any) -> Any:
        made = before(state, name, owners)
        kept = tuple(m for m in made.members if all(m in t.members for _, t in owners)) or made.members
        return replace(made, members=kept, member_joins=tuple(j for j in made.member_joins if j.member in kept))

    return merge


def _without_entities(before: Any) -> Any:
    def init(self: Any, *arguments: Any) -> None:
        before(self, *arguments)
        self.by_entity = {}

    return init


def _whatever_came(before: Any) -> Any:
    class Interpreting(before):  # type: ignore[misc]
        def look(self, fetches: Any, execution: Any) -> Any:
            return super().look(fetches | execution.after.keys(), execution)

    return Interpreting


def _silent(before: Any) -> Any:
    async def send(fetch: Any, batches: Any, *rest: Any) -> Any:
        answer = await before(fetch, batches, *rest)
        if isinstance(answer, SubgraphResponse):
            return SubgraphResponse(answer.data or {}, ())
        empty = {b.entities.response_key: [None] * len(b.representations) for b in batches}
        return SubgraphResponse(empty, ())

    return send


_PROJECT, _FETCHING, _REQUEST = (
    "botberi_gateway.executor.project",
    "botberi_gateway.executor.fetching",
    "botberi_gateway.executor.request",
)
_EMIT, _ENTITIES, _ARRANGE, _WALK = (
    "botberi_gateway.planner.emit",
    "botberi_gateway.planner.entities",
    "botberi_gateway.planner.arrange",
    "botberi_gateway.planner.walk",
)
BUGS = (
    Bug("@skip is ignored in the answer", "executor", Selections, "included", _included("skip")),
    Bug("@include is ignored in the answer", "executor", Selections, "included", _included("include")),
    Bug("fields come in reverse order", "executor", Selections, "fields", _groups(lambda g: dict(reversed(g.items())))),
    Bug(
        "fields come sorted by response key",
        "executor",
        Selections,
        "fields",
        _groups(lambda g: dict(sorted(g.items()))),
    ),
    Bug(
        "aliases are forgotten",
        "executor",
        Selections,
        "fields",
        _groups(lambda g: {nodes[0].name.value: nodes for nodes in g.values()}),
    ),
    Bug(
        "of merged fields only the first counts",
        "executor",
        Selections,
        "fields",
        _groups(lambda g: {k: n[:1] for k, n in g.items()}),
    ),
    Bug(
        "fragments apply to every type", "executor", Selections, "applies", lambda _: lambda self, condition, kind: True
    ),
    Bug(
        "fragments on abstract types never apply",
        "executor",
        Selections,
        "applies",
        lambda _: lambda self, c, kind: c == kind.name,
    ),
    Bug("nulls don't propagate", "executor", Projection, "complete", _does_not_propagate),
    Bug("a null list propagates", "executor", Projection, "list_value", _propagates_too_far),
    Bug("only the first layer is read", "executor", view.ObjectView, "value", lambda _: _first_layer),
    Bug(
        "paths lack list indices",
        "executor",
        view.View,
        "path",
        lambda b: lambda self: tuple(k for k in b(self) if isinstance(k, str)),
    ),
    Bug(
        "errors of entities are dropped",
        "executor",
        Sorted,
        "__init__",
        _without_entities,
    ),
    Bug("every failure counts as explained", "executor", ErrorLog, "explains", lambda _: lambda self, path: True),
    Bug(
        "deferred fields show what happens to be there",
        "executor",
        "botberi_gateway.executor.incremental",
        "_Interpreting",
        _whatever_came,
    ),
    Bug(
        "a fetch reads what came beside it",
        "executor",
        Joined,
        "view",
        lambda b: lambda self, ended=None: b(self),
    ),
    Bug(
        "an error's path ends one key early",
        "executor",
        Selections,
        "known_part",
        lambda b: lambda self, path: b(self, path)[:-1],
    ),
    Bug("renamed keys aren't restored", "executor", _FETCHING, "renamed", lambda _: lambda value, *rest: value),
    Bug("answers aren't checked by type", "executor", _PROJECT, "leaf", lambda _: lambda kind, value: value),
    Bug(
        "big integers pass through a float",
        "executor",
        _PROJECT,
        "leaf",
        lambda b: (
            lambda kind, value: int(float(value)) if kind.name == "Big" and isinstance(value, int) else b(kind, value)
        ),
    ),
    Bug("entities are joined in reverse order", "executor", _FETCHING, "send", _swapped_entities),
    Bug("a failed call is taken for an empty answer", "executor", _FETCHING, "send", _silent),
    Bug("the last variable isn't forwarded", "executor", _FETCHING, "send", _fewer_variables),
    Bug(
        "only the first object of a list is fetched",
        "executor",
        _REQUEST,
        "objects_at",
        lambda b: lambda *a: list(b(*a))[:1],
    ),
    Bug(
        "equal representations are sent twice",
        "executor",
        _REQUEST,
        "encode",
        lambda _: lambda value: str(id(value)).encode(),
    ),
    Bug("compound keys are compared by their first field", "executor", _REQUEST, "encode", lambda _: _half_key),
    Bug("representations lack their last field", "executor", _REQUEST, "represent", by_representation(_drop_last)),
    Bug(
        "representations lack what is null",
        "executor",
        _REQUEST,
        "represent",
        by_representation(lambda f, _: {k: v for k, v in f.items() if v is not None}),
    ),
    Bug(
        "interface objects are asked for by the object's name",
        "executor",
        _REQUEST,
        "represent",
        by_representation(_own_name),
    ),
    Bug("conditions of requests are ignored", "executor", _FETCHING, "_holds", lambda _: lambda *a: False),
    Bug(
        "errors are reported twice",
        "executor",
        ErrorLog,
        "add",
        lambda b: (
            lambda self, order, entry: (
                b(self, order, entry),
                self._entries.append((order, len(self._entries), entry)),
            )[0]
        ),
    ),
    Bug(
        "defaults of variables are ignored",
        "operation",
        "botberi_gateway.operation",
        "coerce_variables",
        lambda _: lambda operation, values: dict(values),
    ),
    Bug("@requires is ignored", "planner", SubgraphTypes, "_field", _no_requires),
    Bug("@external fields are fetched", "planner", SubgraphTypes, "_field", _no_external),
    Bug("@override is ignored", "planner", SubgraphTypes, "_overridden", lambda _: lambda *a: False),
    Bug("resolvable: false is ignored", "planner", QueryGraph, "key_edges", _any_entry),
    Bug(
        "deferred fields come with what comes at once",
        "planner",
        Isolation,
        "required",
        lambda _: lambda *a: frozenset(),
    ),
    Bug("@skip counts as @include", "planner", _WALK, "_with_conditions_of", _conditions("skip")),
    Bug("arguments are dropped", "planner", Walker, "_fields", _without_arguments),
    Bug("mutations run in reverse", "planner", _EMIT, "_in_series", _as_parallel),
    Bug("keys lack their last field", "planner", _ENTITIES, "_representation", _fewer_key_fields),
    Bug("nested keys lack all but their first field", "planner", _ENTITIES, "_representation", _shallow_keys),
    Bug("steps that need each other run at once", "planner", _ARRANGE, "_in_steps", _all_parallel),
    Bug(
        "shared non-null fields become nullable",
        "composition",
        "botberi_gateway.composition.merge.fields",
        "merge_output_types",
        _nullable,
    ),
    Bug(
        "unions keep common members only",
        "composition",
        "botberi_gateway.composition.merge.merge",
        "merge_union",
        _fewer_members,
    ),
    *KIND_BUGS,
)


@dataclass(frozen=True)
class Found:
    """How long it took."""

    bug: Bug
    pairs: int
    problem: str
    seconds: float


def hunt(bug: Bug, pairs: int, seed: int) -> Found:
    """Pairs until the first mismatch; `problem` is empty where there was none."""
    begun = time.monotonic()
    with planted(bug):
        report = fuzz(pairs, seed)
    problem = report.findings[0].problem if report.findings else ""
    return Found(bug, report.pairs, problem, time.monotonic() - begun)
