"""The groups of an entity request -> its `_entities` fields, and the representations that each is asked with."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from botberi_gateway.plan import (
    ContextValue,
    Entities,
    OperationPart,
    Path,
    Representation,
    Selected,
    SelectedField,
    SelectedFragment,
)
from botberi_gateway.planner.choose.contexts import CUT
from botberi_gateway.planner.conditions import VariableCondition, in_order
from botberi_gateway.planner.document import TYPENAME, Printed, Printer, split_conditions, wrapped
from botberi_gateway.planner.fetch_graph import FetchGroup
from botberi_gateway.planner.request import Request
from botberi_gateway.query_graph import QueryGraph


class _Lookup(NamedTuple):
    """One `_entities` field, equal for places that can share it."""

    representations: tuple[Representation, ...]
    #: The fields of its selection set.
    text: str
    contexts: tuple[ContextValue, ...]


@dataclass(slots=True)
class _Use:
    """What belongs to a lookup: its fields as data, the client's variables in them, the places that it is for."""

    selections: tuple[Selected, ...]
    variables: frozenset[str]
    paths: list[Path] = field(default_factory=list)


_Lookups: TypeAlias = dict[_Lookup, _Use]


@dataclass(slots=True)
class EntityFields:
    """The `_entities` fields of a request: what the executor is to do, their selections, and their texts."""

    entities: list[Entities] = field(default_factory=list)
    selections: list[Selected] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    #: The same as parts.
    fields: list[OperationPart] = field(default_factory=list)

    @property
    def has_contexts(self) -> bool:
        return any(entities.contexts for entities in self.entities)


def entities_of(request: Request, printer: Printer, client_variables: frozenset[str]) -> EntityFields:
    """An `_entities` field for each different selection. Notes variables and renames in `printer`."""
    result = EntityFields()
    lookups = _lookups(request, printer)
    is_single, contextual = len(lookups) == 1, 0
    for index, (lookup, use) in enumerate(lookups.items()):
        key = "_entities" if is_single else f"_e{index}"
        variable = _free_name("representations" if is_single else f"representations_{index}", client_variables)
        result.entities.append(Entities(tuple(use.paths), lookup.representations, key, variable, lookup.contexts))
        result.selections.append(SelectedField("_entities", key, use.selections))
        text = f"_entities(representations: ${variable}{CUT}) {{ {lookup.text} }}"
        plain = (text if is_single else f"{key}: {text}").replace(CUT, "")
        result.texts.append(plain)
        owner: int | None = None
        texts: tuple[str, ...] = (plain,)
        if lookup.contexts:
            owner, texts = contextual, tuple(f"{key}{CUT}: {text}".split(CUT))
            contextual += 1
        names = use.variables.union((variable, *(value.variable for value in lookup.contexts)))
        result.fields.append(OperationPart(texts, owner, names))
    return result


def _lookups(request: Request, printer: Printer) -> _Lookups:
    lookups: _Lookups = {}
    for groups in _by_position(request.groups):
        own = Printer(printer.graph)
        fields = dict([_selection(group, groups, request, own) for group in groups])
        lookup = _Lookup(
            tuple(dict.fromkeys(_representation(printer.graph, group) for group in groups)),
            " ".join(fields),
            tuple(groups[0].contexts.values()),
        )
        use = lookups.get(lookup)
        if use is None:
            selections = tuple([one for selections in fields.values() for one in selections])
            use = lookups[lookup] = _Use(selections, frozenset(own.variables))
        if groups[0].position.path not in use.paths:
            use.paths.append(groups[0].position.path)
        # A rename holds for all `_entities` fields: the renamed key says what it stands for.
        printer.renames += [rename for rename in own.renames if rename not in printer.renames]
        printer.variables.update(own.variables)
    return lookups


def _selection(group: FetchGroup, groups: list[FetchGroup], request: Request, printer: Printer) -> Printed:
    """The fields of a group, which shares the `_entities` field with `groups`."""
    fields = printer.fields(
        group.selection,
        implied=request.conditions.union(group.conditions),
        is_framed=True,
        is_mixed=len(groups) > 1,
        beside=frozenset[str]().union(*(other.types for other in groups if other is not group)) - group.types,
    )
    # Places that are one path to the client may stand under different conditions: those that only some of them have
    # stand here.
    own = group.position.conditions.variables
    common = frozenset.intersection(*(other.position.conditions.variables for other in groups))
    missing = (group.conditions.variables | (own - common)) - request.conditions.variables
    return _guarded(fields, in_order(missing), printer)


def _guarded(fields: Printed, missing: tuple[VariableCondition, ...], printer: Printer) -> Printed:
    """Fields under conditions that the request doesn't have."""
    if not missing:
        return fields
    printer.variables.update(dict.fromkeys(variable for variable, _ in missing))
    here, around = split_conditions(missing)
    text = "__typename " + wrapped(f"...{here} {{ {fields.text} }}", around)
    return Printed(text, (TYPENAME, SelectedFragment(None, fields.selections, missing)))


def _free_name(variable: str, client_variables: frozenset[str]) -> str:
    """A name that no variable of the client has."""
    while variable in client_variables:
        variable = f"_{variable}"
    return variable


def _by_position(groups: Iterable[FetchGroup]) -> list[list[FetchGroup]]:
    """The groups in lists of those that can share one list of representations.

    These are groups at one path that don't send the same objects as different types.
    """
    by_position: dict[object, list[FetchGroup]] = {}
    for group in groups:
        for number in range(len(by_position) + 1):
            others = by_position.setdefault((group.position.path, number), [])
            if all(
                group.contexts == other.contexts and (_is_distinguished(group, other) or _is_same_entity(group, other))
                for other in others
            ):
                others.append(group)
                break
    return [others for others in by_position.values() if others]


def _is_distinguished(group: FetchGroup, other: FetchGroup) -> bool:
    """Whether the subgraph knows which objects each group's fields are for.

    Objects of an `@interfaceObject` would all get both.
    """
    static = group.selection.static
    alike = static is not None and static.is_interface_object and static is other.selection.static
    return group.types.isdisjoint(other.types) and not alike


def _is_same_entity(group: FetchGroup, other: FetchGroup) -> bool:
    """Whether both send the same representations."""
    return group.types == other.types and group.typename == other.typename and group.inputs == other.inputs


def _representation(graph: QueryGraph, group: FetchGroup) -> Representation:
    types = group.types
    node = graph.types.get(group.typename) if group.typename else None
    if node is not None and node.kind == "INTERFACE":
        # An object that came only from an `@interfaceObject` so far has the interface's name for its type.
        types = types | {node.name}
    return Representation(types, group.typename, tuple(group.inputs))
