"""Views of objects -> representations, as a plan's `Representation`s say."""

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLSchema, is_abstract_type, is_object_type

from botberi_gateway.executor.view import MISSING, ListView, ObjectView
from botberi_gateway.plan import KeyField, KeySelection, Representation


class TypeNames:
    """The types of objects, by the names that subgraphs gave them in `__typename`."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        #: Name -> whether objects have this type (True), it is abstract (False), or clients don't know it (None).
        self._is_object: dict[str, bool | None] = {}

    def of(self, view: ObjectView) -> str | None:
        """The most exact name of all layers: a concrete type that clients see, else a hidden type, else an interface.

        A subgraph with `@interfaceObject` calls its objects by the interface's name; others know better.
        """
        unknown = abstract = None
        known = self._is_object
        for _, layer in view.layers:
            name = layer.get("__typename")
            if not isinstance(name, str):
                continue
            if name not in known:
                kind = self.schema.get_type(name)
                known[name] = True if is_object_type(kind) else False if is_abstract_type(kind) else None
            is_object = known[name]
            if is_object:
                return name
            if is_object is None:
                unknown = unknown or name
            else:
                abstract = abstract or name
        return unknown or abstract

    def includes(self, types: frozenset[str], name: str | None) -> bool:
        """An object called by an interface's name fits where each of the interface's types would."""
        if name is None:
            return False
        if name in types:
            return True
        kind = self.schema.get_type(name)
        if kind is None or not is_abstract_type(kind):
            return False
        possible = self.schema.get_possible_types(kind)
        return bool(possible) and all(t.name in types for t in possible)


def choice_for(view: ObjectView, choices: Sequence[Representation], names: TypeNames) -> Representation | None:
    """The first representation that fits the object's type."""
    name = names.of(view)
    for choice in choices:
        if names.includes(choice.types, name) or (name is None and len(choices) == 1 and len(choice.types) == 1):
            return choice
    return None


def represent(
    view: ObjectView, choices: Sequence[Representation], names: TypeNames
) -> tuple[dict[str, Any], Representation] | None:
    """The object by the representation that fits it; None where none does, or a field of it is absent."""
    choice = choice_for(view, choices, names)
    if choice is None:
        return None
    name = names.of(view)
    typename = choice.typename or name or next(iter(choice.types))
    fields: dict[str, Any] = {"__typename": typename}
    return (fields, choice) if _select(view, name or typename, choice.selections, names, fields) else None


def _select(
    view: ObjectView, name: str | None, selections: Sequence[KeySelection], names: TypeNames, into: dict[str, Any]
) -> bool:
    for selection in selections:
        if isinstance(selection, KeyField):
            value = _type_name(name) if selection.name == "__typename" else _field(view, selection, names)
            if value is MISSING:
                return False
            before = into.get(selection.name, MISSING)
            into[selection.name] = value if before is MISSING else merge(before, value)
        elif names.includes(selection.types, name) and not _select(view, name, selection.selections, names, into):
            return False
    return True


def _type_name(name: str | None) -> Any:
    """The value of a `__typename` within a key or `@requires`; a subgraph's own may be an interface's name."""
    return MISSING if name is None else name


def _field(view: ObjectView, selection: KeyField, names: TypeNames) -> Any:
    if not selection.selections:
        return view.value(selection.source)
    return _nested(view.child(selection.source), selection, names)


def _nested(value: Any, selection: KeyField, names: TypeNames) -> Any:
    if isinstance(value, ObjectView):
        fields: dict[str, Any] = {}
        return fields if _select(value, names.of(value), selection.selections, names, fields) else MISSING
    if isinstance(value, ListView):
        items = [_nested(item, selection, names) for item in value.items]
        return MISSING if any(item is MISSING for item in items) else items
    return None if value is None else MISSING


def merge(first: Any, other: Any) -> Any:
    """Merge the values of a field that is selected twice (in and beside a fragment)."""
    if first is other:  # a leaf, of any depth
        return first
    if isinstance(first, dict) and isinstance(other, dict):
        merged = dict(first)
        for key, value in other.items():
            merged[key] = merge(merged[key], value) if key in merged else value
        return merged
    if isinstance(first, list) and isinstance(other, list) and len(first) == len(other):
        return [merge(a, b) for a, b in zip(first, other, strict=True)]
    return other if first is None else first
