"""Bugs to plant in what the kinds of `lab.fuzzing.kinds` are about."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from graphql import print_ast

import botberi_gateway.composition.merge.arguments
import botberi_gateway.supergraph.api
import botberi_gateway.supergraph.read
from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.project import Projection
from botberi_gateway.operation.fields_merge import FieldsMergeRule
from botberi_gateway.plan import KeyField, KeySelection
from botberi_gateway.query_graph import KeyEdge, QueryGraph, Resolver
from botberi_gateway.upstream.port import SubgraphResponse


class Change(Protocol):
    """Code at a place -> code that replaces it."""

    def __call__(self, before: Any, /) -> Any: ...


@dataclass(frozen=True)
class Bug:
    """`change` gets what stands at `owner.name` and gives what stands there instead."""

    title: str
    room: str
    owner: Any
    name: str
    change: Change


def by_representation(rebuild: Any) -> Change:
    """Another representation: `rebuild` gets its fields, the object's view and what is known of types."""

    def change(before: Any) -> Any:
        def represent(seen: Any, choices: Any, names: Any) -> Any:
            made = before(seen, choices, names)
            return None if made is None else (rebuild(made[0], (seen, names)), made[1])

        return represent

    return change


def _without_typenames(selections: tuple[KeySelection, ...]) -> tuple[KeySelection, ...]:
    kept = []
    for selection in selections:
        if isinstance(selection, KeyField) and selection.name == "__typename":
            continue
        kept.append(replace(selection, selections=_without_typenames(selection.selections)))
    return tuple(kept)


def _no_typenames(before: Any) -> Any:
    def representation(graph: Any, part: Any) -> Any:
        made = before(graph, part)
        return replace(made, selections=_without_typenames(made.selections))

    return representation


def _fewer_entities(before: Any) -> Any:
    """Those that aren't known are left out of the list, so that the others move up."""

    async def send(fetch: Any, batches: Any, *rest: Any) -> Any:
        answer = await before(fetch, batches, *rest)
        if not isinstance(answer, SubgraphResponse) or not answer.data or not batches:
            return answer
        data = dict(answer.data)
        for batch in batches:
            found = data.get(batch.response_key)
            if isinstance(found, list):
                known = [one for one in found if one is not None]
                data[batch.response_key] = known + [None] * (len(found) - len(known))
        return SubgraphResponse(data, answer.errors)

    return send


def _unknown_fails(before: Any) -> Any:
    def checked(fetch: Any, representation: Any, entity: Any, *rest: Any) -> Any:
        found = before(fetch, representation, entity, *rest)
        return (
            FetchFailure("The entity isn't known.", "NOT_FOUND", {"service": fetch.subgraph})
            if found is None
            else found
        )

    return checked


def _shown_as_another(before: Any) -> Any:
    def runtime_type(self: Any, kind: Any, *rest: Any) -> Any:
        possible = self.schema.get_possible_types(kind) if not hasattr(kind, "is_type_of") else (kind,)
        return before(self, kind, *rest) or possible[0]

    return runtime_type


def _as_text(before: Any) -> Any:
    return lambda self, node: "".join(print_ast(argument) for argument in node.arguments or ())


def _printed(value: Any, *_: Any) -> str:
    return print_ast(value)


def _rounded(fields: dict[str, Any], _: Any) -> dict[str, Any]:
    return {k: int(float(v)) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in fields.items()}


def _text_for_null(fields: dict[str, Any], _: Any) -> dict[str, Any]:
    return {k: "" if v is None else v for k, v in fields.items()}


_PROJECT, _FETCHING, _REQUEST = (
    "botberi_gateway.executor.project",
    "botberi_gateway.executor.fetching",
    "botberi_gateway.executor.request",
)
_ENTITIES, _ARGUMENTS = "botberi_gateway.planner.entities", botberi_gateway.composition.merge.arguments
KIND_BUGS = (
    Bug("defaults are compared by their text", "composition", _ARGUMENTS, "comparable", lambda _: _printed),
    Bug("arguments are merged by their text", "operation", FieldsMergeRule, "_arguments_of", _as_text),
    Bug("__typename inside field sets isn't sent", "planner", _ENTITIES, "_representation", _no_typenames),
    Bug(
        "an interface object gives fields of another",
        "planner",
        Resolver,
        "__post_init__",
        lambda _: lambda self: object.__setattr__(self, "host", (self.graph, "")),
    ),
    Bug(
        "an entry into an interface object leads to another",
        "planner",
        KeyEdge,
        "__post_init__",
        lambda _: lambda self: object.__setattr__(self, "host", (self.graph, "")),
    ),
    Bug(
        "fields of another interface than the known one are lost",
        "executor",
        _PROJECT,
        "definition_of",
        lambda _: lambda schema, kind, name: getattr(kind, "fields", {}).get(name),
    ),
    Bug("root types by another name are unknown", "executor", _PROJECT, "is_root_type", lambda _: lambda *a: False),
    Bug("objects of hidden types are shown as another", "executor", Projection, "runtime_type", _shown_as_another),
    Bug(
        "hidden arguments are shown",
        "supergraph",
        botberi_gateway.supergraph.api._Builder,
        "argument",
        lambda _: lambda self, node: replace(node, directives=()),
    ),
    Bug("unknown entities are left out of the list", "executor", _FETCHING, "send", _fewer_entities),
    Bug("an unknown entity is an error", "executor", "botberi_gateway.executor.answers", "_checked", _unknown_fails),
    Bug("null keys are sent as empty strings", "executor", _REQUEST, "represent", by_representation(_text_for_null)),
    Bug("keys of custom scalars are rounded", "executor", _REQUEST, "represent", by_representation(_rounded)),
    Bug(
        "join v0.1: an owner's fields are everybody's",
        "supergraph",
        botberi_gateway.supergraph.read,
        "_read_field",
        lambda b: lambda node, *rest: b(node, None, *rest[1:]),
    ),
    Bug(
        "what one type's field provides holds for all types",
        "planner",
        QueryGraph,
        "types_by_promise",
        lambda _: lambda self, graph, types, field: (types,),
    ),
)
