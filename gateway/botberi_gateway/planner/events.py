"""A subscription field with `@eventSource` -> the trigger, and the position from which the rest is planned (docs/architecture/contracts.md)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from graphql import ConstDirectiveNode, FieldNode, print_ast, value_from_ast_untyped

from botberi_gateway.errors import PlanningError
from botberi_gateway.operation import Operation
from botberi_gateway.plan import EventTrigger
from botberi_gateway.planner.feeds import event_feed
from botberi_gateway.planner.fetch_graph import Arrival, Part, Position, Selection
from botberi_gateway.planner.representations import Names
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph, SubgraphField, SubgraphType, parse_field_set
from botberi_gateway.supergraph import Supergraph

DIRECTIVE = "eventSource"


@dataclass(frozen=True, slots=True)
class EventStart:
    """What a subscription that an event source feeds begins with."""

    trigger: EventTrigger
    fields: tuple[Field, ...]
    #: None where a feed gives the results.
    start: Callable[[], tuple[Position, list[Part]]] | None


def event_start(
    supergraph: Supergraph, graph: QueryGraph, walker: Walker, operation: Operation, field: Field
) -> EventStart | None:
    """None where the field's events come from a subgraph."""
    assert graph.roots["subscription"] is not None
    node = supergraph.types[graph.roots["subscription"]].fields[field.name]
    directive = next((d for d in node.directives if _base(d) == DIRECTIVE), None)
    if directive is None:
        return None
    values = {a.name.value: value_from_ast_untyped(a.value) for a in directive.arguments or ()}
    type_name = field.type_name
    if type_name is None or field.list_depth:
        raise PlanningError(f"@eventSource of {field.name} needs a field that gives one object")
    base = EventTrigger(
        response_key=field.key,
        type_name=type_name,
        key_fields=(),
        topics=_strings(values.get("topics")),
        where=_strings(values.get("where")),
        arguments=tuple((a.name.value, print_ast(a.value)) for a in field.arguments),
        defaults=tuple((a.name.value, print_ast(a.default_value)) for a in node.arguments if a.default_value),
    )
    if values.get("feed") is not None:
        defaults = {a.name.value: a.default_value for a in node.arguments if a.default_value}
        feed = event_feed(operation, field.name, str(values["feed"]), values.get("until"), defaults)
        return EventStart(replace(base, feed=feed), (), None)
    if supergraph.types[type_name].kind != "OBJECT":
        raise PlanningError(f"@eventSource of {field.name} needs a field that gives one object")
    keys = _first_key(graph, type_name)
    version, until = values.get("version"), values.get("until")
    names = Names(walker.names)
    hidden: list[Field] = []
    wanted: dict[str, str] = {}
    for name in (version, until):
        if name is None:
            continue
        if name not in supergraph.types[type_name].fields:
            raise PlanningError(f"@eventSource of {field.name} names {type_name}.{name}, which doesn't exist")
        wanted[name] = names.key((field.key,), name, "")
        hidden.append(_hidden(name, wanted[name], type_name))
    trigger = replace(
        base,
        key_fields=keys,
        snapshot=bool(values.get("snapshot", False)),
        version_key=wanted.get(version) if version else None,
        until_key=wanted.get(until) if until else None,
    )

    def start() -> tuple[Position, list[Part]]:
        return _position(graph, type_name, field, keys)

    return EventStart(trigger, (*field.children, *hidden), start)


def key_sources(parts: list[Part]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Under which response keys a finished plan reads the event's key: the client's, and those of representations."""
    found: dict[str, list[str]] = {}
    for part in parts:
        if part.kind == "event":
            for item in part.selection.items:
                keys = found.setdefault(item.field.name, [])
                if not item.field.is_typename and item.field.key not in keys:
                    keys.append(item.field.key)
    return tuple((name, tuple(keys)) for name, keys in found.items() if keys)


def _position(graph: QueryGraph, type_name: str, field: Field, keys: tuple[str, ...]) -> tuple[Position, list[Part]]:
    """The entity's position, at which an event has arrived with the key fields."""
    position = Position(type_name, frozenset((type_name,)))
    position.path = (field.key,)
    position.keys = (field.key,)
    fields = {name: SubgraphField(name, *graph.facts(type_name, name)) for name in keys}
    static = SubgraphType("", type_name, "OBJECT", False, fields, position.types, ())
    part = Part("", "event", position, position.types, type_name, (), 0, level=0)
    part.arrival = Arrival(position, part, Selection("", static, position.types), frozenset())
    position.arrivals.append(part.arrival)
    return position, [part]


def _first_key(graph: QueryGraph, type_name: str) -> tuple[str, ...]:
    for entry in graph.entries(type_name):
        nodes = parse_field_set(entry.key).selections
        if all(isinstance(node, FieldNode) and node.selection_set is None for node in nodes):
            return tuple(node.name.value for node in nodes if isinstance(node, FieldNode))
    raise PlanningError(f"{type_name} has no resolvable key of plain fields, as @eventSource needs")


def _hidden(name: str, key: str, type_name: str) -> Field:
    return replace(_LEAF, key=key, name=name, via=type_name)


_LEAF = Field("", "", "", None, (), (), "", "", None, 0, (), True)


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _base(directive: ConstDirectiveNode) -> str:
    return directive.name.value.rpartition("__")[2]
