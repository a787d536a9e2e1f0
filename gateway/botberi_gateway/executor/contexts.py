"""Contextual arguments: an entity's ancestors -> the values of its variables.

Entities with different values -> an operation with an `_entities` field for each set of values.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.missing_data import missing_data_of
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import MISSING, ListView, ObjectView, View
from botberi_gateway.plan import ContextSource, ContextValue, Entities, Fetch, KeyField, KeySelection, OperationPart

CONTEXT_MISSING: Final = "CONTEXT_MISSING"


def context_values(view: ObjectView, contexts: Sequence[ContextValue], names: TypeNames) -> dict[str, Any]:
    """The variables' values for an entity; MISSING where no ancestor fits, or it lacks the field."""
    above = [view, *_ancestors(view)]
    return {context.variable: _first(above, context.sources, names) for context in contexts}


def without_context(
    view: ObjectView, fetch: Fetch, entities: Entities, values: Mapping[str, Any]
) -> FetchFailure | None:
    """Why an entity isn't fetched: the first of its contexts without a value, or with a null that isn't allowed.

    None where all contexts have values.
    """
    for context in entities.contexts:
        value = values[context.variable]
        if value is MISSING or (value is None and context.type.endswith("!")):
            message = f"A field of subgraph {fetch.subgraph!r} lacks a value that an object above it should give."
            return _why_missing(view, context) or FetchFailure(message, CONTEXT_MISSING, {"service": fetch.subgraph})
    return None


def _why_missing(view: ObjectView, context: ContextValue) -> FetchFailure | None:
    """The failure that took the value of a context from the object that gives it."""
    above = [view, *_ancestors(view)]
    for source in context.sources:
        for selection in source.selections:
            if source.up < len(above) and isinstance(selection, KeyField):
                gap = missing_data_of(above[source.up], selection.source)
                if gap is not None and gap.failure is not None:
                    return gap.failure
    return None


def _ancestors(view: View) -> Iterator[ObjectView]:
    here = view.parent
    while here is not None:
        if isinstance(here, ObjectView):
            yield here
        here = here.parent


def _first(above: Sequence[ObjectView], sources: Sequence[ContextSource], names: TypeNames) -> Any:
    for source in sources:
        if source.up < len(above):
            view = above[source.up]
            if source.types is None or names.includes(source.types, names.of(view)):
                return _read(view, source.selections, names)
    return MISSING


def _read(value: Any, selections: Sequence[KeySelection], names: TypeNames) -> Any:
    if isinstance(value, ListView):
        items = [_read(item, selections, names) for item in value.items]
        return MISSING if any(item is MISSING for item in items) else items
    if not isinstance(value, ObjectView):
        return None if value is None else MISSING
    for selection in selections:
        if isinstance(selection, KeyField):
            if selection.selections:
                return _read(value.child(selection.source), selection.selections, names)
            return value.value(selection.source)
        if names.includes(selection.types, names.of(value)):
            return _read(value, selection.selections, names)
    return MISSING


def copy_suffixes(fetch: Fetch, count: int) -> list[str]:
    """Suffixes for the names of copies, such that no variable of the client has the same name."""
    names = tuple(
        name
        for entities in fetch.entities
        if entities.contexts
        for name in (entities.variable, *(value.variable for value in entities.contexts))
    )
    separator = "_"
    while any(variable.startswith(name + separator) for variable in fetch.variables for name in names):
        separator += "_"
    return [f"{separator}{number}" for number in range(count)]


def copied_operation(fetch: Fetch, suffixes: Sequence[Sequence[str]]) -> str:
    """The fetch's operation with a copy of each `_entities` field with contexts for each of its suffixes.

    A field without suffixes is left out.
    """
    parts = fetch.parts
    assert parts is not None, "the planner gives parts to each fetch with contexts"
    kept = [field for field in parts.fields if field.owner is None or suffixes[field.owner]]
    used = parts.directive_variables.union(*(field.variables for field in kept))
    variables = ", ".join(
        text
        for definition in parts.definitions
        if definition.variables <= used
        for text in _copies(definition, suffixes)
    )
    fields = " ".join(text for field in kept for text in _copies(field, suffixes))
    return f"{parts.head}({variables}){parts.directives} {{ {fields} }}"


def _copies(part: OperationPart, suffixes: Sequence[Sequence[str]]) -> list[str]:
    """The part for each suffix of the field that owns it; a part without an owner once."""
    return ["".join(part.texts)] if part.owner is None else [suffix.join(part.texts) for suffix in suffixes[part.owner]]
