"""The groups of an entity request -> its `_entities` fields, and the representations that each is asked with."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from botberi_gateway.plan import ContextValue, Entities, Path, Representation
from botberi_gateway.planner.conditions import VariableCondition, in_order
from botberi_gateway.planner.document import Printer, split_conditions, wrapped
from botberi_gateway.planner.fetch_graph import FetchGroup
from botberi_gateway.planner.request import Request
from botberi_gateway.query_graph import QueryGraph


class _Lookup(NamedTuple):
    """One `_entities` field, equal for places that can share it."""

    representations: tuple[Representation, ...]
    #: Its selection set.
    text: str
    contexts: tuple[ContextValue, ...]


#: The places whose objects a field is for.
_Lookups: TypeAlias = dict[_Lookup, list[Path]]


def entities_of(
    request: Request, printer: Printer, client_variables: frozenset[str]
) -> tuple[tuple[Entities, ...], str]:
    """An `_entities` field for each different selection; and the selection set of the whole operation.

    Notes variables and renames in `printer`.
    """
    lookups = _lookups(request, printer)
    entities, texts = [], []
    is_single = len(lookups) == 1
    for index, (lookup, paths) in enumerate(lookups.items()):
        key = "_entities" if is_single else f"_e{index}"
        variable = _free_name("representations" if is_single else f"representations_{index}", client_variables)
        entities.append(Entities(tuple(paths), lookup.representations, key, variable, lookup.contexts))
        field = "_entities" if is_single else f"{key}: _entities"
        texts.append(f"{field}(representations: ${variable}) {lookup.text}")
    return tuple(entities), "{ " + " ".join(texts) + " }"


def _lookups(request: Request, printer: Printer) -> _Lookups:
    lookups: _Lookups = {}
    for groups in _by_position(request.groups):
        own = Printer(printer.graph)
        texts = [_selection(group, groups, request, own) for group in groups]
        lookup = _Lookup(
            tuple(dict.fromkeys(_representation(printer.graph, group) for group in groups)),
            "{ " + " ".join(dict.fromkeys(texts)) + " }",
            tuple(groups[0].contexts.values()),
        )
        paths = lookups.setdefault(lookup, [])
        if groups[0].position.path not in paths:
            paths.append(groups[0].position.path)
        # A rename holds for all `_entities` fields: the renamed key says what it stands for.
        printer.renames += [rename for rename in own.renames if rename not in printer.renames]
        printer.variables.update(own.variables)
    return lookups


def _selection(group: FetchGroup, groups: list[FetchGroup], request: Request, printer: Printer) -> str:
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


def _guarded(text: str, missing: Sequence[VariableCondition], printer: Printer) -> str:
    """Fields under conditions that the request doesn't have."""
    if not missing:
        return text
    printer.variables.update(dict.fromkeys(variable for variable, _ in missing))
    here, around = split_conditions(missing)
    return "__typename " + wrapped(f"...{here} {{ {text} }}", around)


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
