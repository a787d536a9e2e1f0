"""A subscription field with `@eventSource` -> the trigger, and the position from which the rest is planned.

The directive is described in docs/architecture/contracts.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from graphql import ConstDirectiveNode, FieldNode, print_ast, value_from_ast_untyped

from botberi_gateway.errors import PlanningError
from botberi_gateway.plan import EventTrigger
from botberi_gateway.planner.conditions import ALWAYS
from botberi_gateway.planner.feeds import event_feed
from botberi_gateway.planner.fetch_graph import Entry, FetchGroup, Position, Selection
from botberi_gateway.planner.representations import ResponseKeys
from botberi_gateway.planner.search import Start, Starter
from botberi_gateway.planner.task import Task
from botberi_gateway.planner.tree import Field, internal_leaf
from botberi_gateway.query_graph import QueryGraph, SubgraphField, SubgraphType, parse_field_set

DIRECTIVE: Final = "eventSource"


@dataclass(frozen=True, slots=True)
class Event:
    """An event source of a subscription, and what is asked for at each of its events."""

    trigger: EventTrigger
    #: The fields of the event's entity. None are asked for where a feed gives the results.
    fields: tuple[Field, ...] = ()
    starter: Starter | None = None


def event_of(task: Task, field: Field) -> Event | None:
    """The event source of the field; None where its events come from a subgraph.

    Raises `PlanningError` where the directive doesn't suit the field.
    """
    node = task.supergraph.types[task.root].fields[field.name]
    directive = next((d for d in node.directives if _base_name(d) == DIRECTIVE), None)
    if directive is None:
        return None
    values = {a.name.value: value_from_ast_untyped(a.value) for a in directive.arguments or ()}
    type_name = field.type_name
    if type_name is None or field.list_depth:
        raise PlanningError(f"@eventSource of {field.name} needs a field that gives one object")
    defaults = {a.name.value: a.default_value for a in node.arguments if a.default_value}
    trigger = EventTrigger(
        response_key=field.key,
        type_name=type_name,
        key_fields=(),
        topics=_strings(values.get("topics")),
        where=_strings(values.get("where")),
        arguments=tuple((a.name.value, print_ast(a.value)) for a in field.arguments),
        defaults=tuple((name, print_ast(value)) for name, value in defaults.items()),
    )
    if values.get("feed") is not None:
        feed = event_feed(task.operation, field.name, str(values["feed"]), values.get("until"), defaults)
        return Event(replace(trigger, feed=feed))
    if task.supergraph.types[type_name].kind != "OBJECT":
        raise PlanningError(f"@eventSource of {field.name} needs a field that gives one object")
    return _of_entity(task, field, type_name, trigger, values)


def _of_entity(task: Task, field: Field, type_name: str, trigger: EventTrigger, values: Mapping[str, Any]) -> Event:
    """An event says the key of an entity; `values` are the directive's arguments."""
    keys = _first_key(task.graph, type_name)
    version, until = values.get("version"), values.get("until")
    response_keys = ResponseKeys(task.walker.names)
    hidden: dict[str, Field] = {}
    for name in (version, until):
        if name is None:
            continue
        if name not in task.supergraph.types[type_name].fields:
            raise PlanningError(f"@eventSource of {field.name} names {type_name}.{name}, which doesn't exist")
        hidden[name] = internal_leaf(name, key=response_keys.key((field.key,), name, ""), via=type_name)
    trigger = replace(
        trigger,
        key_fields=keys,
        snapshot=bool(values.get("snapshot", False)),
        version_key=hidden[version].key if version else None,
        until_key=hidden[until].key if until else None,
    )
    return Event(trigger, (*field.children, *hidden.values()), lambda: _start(task.graph, type_name, field, keys))


def key_sources(groups: list[FetchGroup]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The response keys under which a finished plan reads the event's key.

    The client's, and those of representations.
    """
    sources: dict[str, list[str]] = {}
    for group in groups:
        if group.kind == "event":
            for item in group.selection.items:
                keys = sources.setdefault(item.field.name, [])
                if not item.field.is_typename and item.field.key not in keys:
                    keys.append(item.field.key)
    return tuple((name, tuple(keys)) for name, keys in sources.items() if keys)


def _start(graph: QueryGraph, type_name: str, field: Field, keys: tuple[str, ...]) -> Start:
    """The entity's position, where the event is a group that gives the fields of the key."""
    position = Position(type_name, frozenset((type_name,)))
    position.path = (field.key,)
    position.keys = (field.key,)
    fields = {name: SubgraphField(name, *graph.facts(type_name, name)) for name in keys}
    static = SubgraphType(
        graph="",
        name=type_name,
        kind="OBJECT",
        is_interface_object=False,
        fields=fields,
        possible=position.types,
        keys=(),
    )
    group = FetchGroup("", "event", position, position.types, type_name, ALWAYS, 0, step=0)
    group.entry = Entry(position, group, Selection("", static, position.types), ALWAYS)
    position.entries.append(group.entry)
    return Start(position, [group])


def _first_key(graph: QueryGraph, type_name: str) -> tuple[str, ...]:
    """The fields of the first key that has no objects in it."""
    for edge in graph.key_edges(type_name):
        nodes = parse_field_set(edge.key).selections
        if all(isinstance(node, FieldNode) and node.selection_set is None for node in nodes):
            return tuple(node.name.value for node in nodes if isinstance(node, FieldNode))
    raise PlanningError(f"{type_name} has no resolvable key of plain fields, as @eventSource needs")


def _strings(value: Any) -> tuple[str, ...]:
    """A list of strings, or one string, which stands for a list of one."""
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _base_name(directive: ConstDirectiveNode) -> str:
    """The directive's name without the namespace that a link may give it."""
    return directive.name.value.rpartition("__")[2]
