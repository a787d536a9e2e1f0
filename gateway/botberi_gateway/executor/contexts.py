"""Contextual arguments: an entity's ancestors -> the values of its variables.

Entities with different values -> an operation with an `_entities` field for each set of values.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from graphql import (
    FieldNode,
    NameNode,
    Node,
    OperationDefinitionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.missing_data import missing_data_of
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import MISSING, ListView, ObjectView, View
from botberi_gateway.plan import ContextSource, ContextValue, Entities, Fetch, KeyField, KeySelection

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


@dataclass(frozen=True, slots=True)
class _Pieces:
    """A part of the operation's text: of an `_entities` field with contexts (`owner` is its number), or of none.

    The text is cut where the copies' suffixes are inserted.
    """

    owner: int | None
    texts: tuple[str, ...]
    #: A variable's own name, or the names of those that a field uses.
    names: frozenset[str]

    def copies(self, suffixes: Sequence[Sequence[str]]) -> Iterator[str]:
        if self.owner is None:
            yield self.texts[0]
        else:
            for suffix in suffixes[self.owner]:
                yield suffix.join(self.texts)


@dataclass(frozen=True, slots=True)
class _Template:
    head: str
    variables: tuple[_Pieces, ...]
    directives: str
    fields: tuple[_Pieces, ...]
    #: Variables in the operation's directives.
    used: frozenset[str]


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
    template = _template(fetch.operation, tuple(entities for entities in fetch.entities if entities.contexts))
    kept = [field for field in template.fields if field.owner is None or suffixes[field.owner]]
    used = template.used.union(*(field.names for field in kept))
    variables = ", ".join(
        text for variable in template.variables if variable.names <= used for text in variable.copies(suffixes)
    )
    fields = " ".join(text for field in template.fields for text in field.copies(suffixes))
    return f"{template.head}({variables}){template.directives} {{ {fields} }}"


@lru_cache(maxsize=256)
def _template(operation: str, contextual: tuple[Entities, ...]) -> _Template:
    definition = parse(operation, no_location=True).definitions[0]
    assert isinstance(definition, OperationDefinitionNode)
    mark = "__copy"
    while mark in operation:
        mark += "_"
    owners = {entities.response_key: number for number, entities in enumerate(contextual)}
    of_variable = {
        name: number
        for number, entities in enumerate(contextual)
        for name in (entities.variable, *(value.variable for value in entities.contexts))
    }
    variables = []
    for node in definition.variable_definitions or ():
        owner = of_variable.get(node.variable.name.value)
        texts = tuple(print_ast(_marked(node, of_variable, mark)).split(mark))
        variables.append(_Pieces(owner, texts, frozenset((node.variable.name.value,))))
    fields = []
    for field in definition.selection_set.selections:
        assert isinstance(field, FieldNode)
        owner = owners.get((field.alias or field.name).value)
        texts = (print_ast(field),)
        if owner is not None:
            key = (field.alias or field.name).value
            bare = FieldNode(
                alias=NameNode(value=key + mark),
                name=field.name,
                arguments=field.arguments,
                directives=field.directives,
                selection_set=field.selection_set,
            )
            texts = tuple(print_ast(_marked(bare, of_variable, mark)).split(mark))
        fields.append(_Pieces(owner, texts, _names((field,))))
    name = f" {definition.name.value}" if definition.name else ""
    directives = "".join(" " + print_ast(directive) for directive in definition.directives or ())
    head, used = definition.operation.value + name, _names(definition.directives or ())
    return _Template(head, tuple(variables), directives, tuple(fields), used)


class _Names(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        self.names.add(node.name.value)


def _names(nodes: Iterable[Node]) -> frozenset[str]:
    visitor = _Names()
    for node in nodes:
        visit(node, visitor)
    return frozenset(visitor.names)


class _Marker(Visitor):
    """Appends the mark to the names of the variables that are copied."""

    def __init__(self, variables: dict[str, int], mark: str) -> None:
        super().__init__()
        self._variables = variables
        self._mark = mark

    def leave_variable(self, node: VariableNode, *_: object) -> VariableNode:
        if node.name.value not in self._variables:
            return node
        return VariableNode(name=NameNode(value=node.name.value + self._mark))


def _marked(
    node: FieldNode | VariableDefinitionNode, variables: dict[str, int], mark: str
) -> FieldNode | VariableDefinitionNode:
    marked = visit(node, _Marker(variables, mark))
    assert isinstance(marked, FieldNode | VariableDefinitionNode)
    return marked
