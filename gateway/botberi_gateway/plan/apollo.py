"""Plan nodes -> the JSON form of Apollo's query plans."""

from typing import Any

from botberi_gateway.plan.nodes import (
    Condition,
    Defer,
    DeferredPart,
    Entities,
    EventTrigger,
    Fetch,
    KeyField,
    KeySelection,
    Parallel,
    PlanNode,
    Sequence,
    Subscription,
)
from botberi_gateway.plan.text import path_text


def plan_json(node: PlanNode | Subscription | None) -> dict[str, Any]:
    """`{"kind": "QueryPlan", "node": …}`."""
    return {"kind": "QueryPlan"} if node is None else {"kind": "QueryPlan", "node": _node(node)}


def _node(node: PlanNode | Subscription) -> dict[str, Any]:
    match node:
        case Fetch():
            return _fetch(node)
        case Sequence(nodes):
            return {"kind": "Sequence", "nodes": [_node(inner) for inner in nodes]}
        case Parallel(nodes):
            return {"kind": "Parallel", "nodes": [_node(inner) for inner in nodes]}
        case Condition(variable, if_true, if_false):
            result: dict[str, Any] = {"kind": "Condition", "condition": variable}
            if if_true is not None:
                result["ifClause"] = _node(if_true)
            if if_false is not None:
                result["elseClause"] = _node(if_false)
            return result
        case Defer(primary, parts):
            result = {"kind": "Defer", "primary": {} if primary is None else {"node": _node(primary)}}
            result["deferred"] = [_part(part) for part in parts]
            return result
        case Subscription(primary, rest):
            first = _event(primary) if isinstance(primary, EventTrigger) else _fetch(primary)
            result = {"kind": "Subscription", "primary": first}
            if rest is not None:
                result["rest"] = _node(rest)
            return result
    raise TypeError(node)


def _part(part: DeferredPart) -> dict[str, Any]:
    result: dict[str, Any] = {
        "depends": [{"id": fetch} for fetch in part.depends],
        "queryPath": list(path_text(part.path)),
        "subselection": part.selection,
    }
    if part.label is not None:
        result["label"] = part.label
    if part.variable is not None:
        result["condition"] = part.variable
    if part.node is not None:
        result["node"] = _node(part.node)
    return result


def _event(event: EventTrigger) -> dict[str, Any]:
    return {
        "kind": "Event",
        "field": event.response_key,
        "type": event.type_name,
        "keys": list(event.key_fields),
        "keySources": {name: list(keys) for name, keys in event.key_sources},
        "topics": list(event.topics),
        "where": list(event.where),
        "arguments": dict(event.arguments),
        "snapshot": event.snapshot,
        **({"feed": event.feed.document} if event.feed is not None else {}),
    }


def _fetch(fetch: Fetch) -> dict[str, Any]:
    base: dict[str, Any] = {
        "kind": "Fetch",
        "serviceName": fetch.subgraph,
        "variableUsages": list(fetch.variables),
        "operation": fetch.operation,
        "operationKind": fetch.kind,
        "operationName": fetch.operation_name,
        "id": fetch.id,
        "reasons": list(fetch.reasons),
    }
    if not fetch.entities:
        return _flatten(fetch.path, base) if fetch.path else base
    if len(fetch.entities) == 1 and len(fetch.entities[0].paths) == 1:
        entities = fetch.entities[0]
        base |= {"requires": _requires(entities), **_rewrites(entities)}
        return _flatten(entities.paths[0], base)
    return {
        **base,
        "kind": "BatchFetch",
        "entityBatch": {
            "aliases": [
                {
                    "alias": entities.response_key,
                    "representationsVariableName": entities.variable,
                    "paths": [list(path_text(path)) for path in entities.paths],
                    "requires": _requires(entities),
                    **_rewrites(entities),
                }
                for entities in fetch.entities
            ]
        },
    }


def _flatten(path: Any, node: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Flatten", "path": list(path_text(path)), "node": node}


def _requires(entities: Entities) -> list[dict[str, Any]]:
    return [
        {
            "kind": "InlineFragment",
            "typeCondition": name,
            "selections": [{"kind": "Field", "name": "__typename"}, *_selections(representation.selections)],
        }
        for representation in entities.representations
        for name in ((representation.typename,) if representation.typename else sorted(representation.types))
    ]


def _rewrites(entities: Entities) -> dict[str, Any]:
    """Where contextual arguments come from."""
    rewrites = [
        {"kind": "KeyRenamer", "path": [*[".."] * source.up, *path], "renameKeyTo": value.variable}
        for value in entities.contexts
        for source in value.sources
        for name in ([None] if source.types is None else sorted(source.types))
        for path in _leaf_paths(source.selections, name)
    ]
    return {"contextRewrites": rewrites} if rewrites else {}


def _leaf_paths(selections: tuple[KeySelection, ...], type_name: str | None) -> list[list[str]]:
    """Paths to the leaves of selections, of objects of this type."""
    here = [] if type_name is None else [f"... on {type_name}"]
    paths: list[list[str]] = []
    for selection in selections:
        if isinstance(selection, KeyField):
            below = _leaf_paths(selection.selections, None) if selection.selections else [[]]
            paths += [[*here, selection.source, *rest] for rest in below]
        elif type_name is None:
            paths += [path for name in sorted(selection.types) for path in _leaf_paths(selection.selections, name)]
        elif type_name in selection.types:
            paths += _leaf_paths(selection.selections, type_name)
    return paths


def _selections(selections: tuple[KeySelection, ...]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for selection in selections:
        if isinstance(selection, KeyField):
            field: dict[str, Any] = {"kind": "Field", "name": selection.source}
            if selection.source != selection.name:
                field["alias"] = selection.name
            if selection.selections:
                field["selections"] = _selections(selection.selections)
            result.append(field)
        else:
            inner = _selections(selection.selections)
            result += [
                {"kind": "InlineFragment", "typeCondition": name, "selections": inner}
                for name in sorted(selection.types)
            ]
    return result
