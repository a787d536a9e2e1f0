"""Entries -> what they give without a further request.

That is: which fields, of which types, under which conditions, and which types and fields lie below.
"""

from collections.abc import Sequence

from botberi_gateway.planner.choose.other_implementations import OtherImplementations
from botberi_gateway.planner.conditions import ALWAYS, Conditions
from botberi_gateway.planner.fetch_graph import Entry, Position
from botberi_gateway.planner.tree import Field
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph


class Local:
    """Questions about entries that are answered without looking for routes."""

    def __init__(self, graph: QueryGraph, walker: Walker) -> None:
        self.graph = graph
        self.walker = walker
        self.other_implementations = OtherImplementations(graph)
        self.has_defers = bool(walker.defers)

    def defers_of(self, position: Position, field: Field) -> frozenset[int]:
        """The `@defer`s under which the client asks for the field."""
        if not self.has_defers:
            return frozenset()
        return field.conditions.defers | position.defers

    def types(self, entry: Entry, field: Field) -> frozenset[str]:
        """The types for which the entry's subgraph gives the field to its objects as they are."""
        static = entry.selection.static
        if field.types is not None and not self.is_exactly(entry, entry.types & field.types):
            return frozenset()
        if entry.group.kind == "event":
            assert static is not None
            # Under whatever response keys: the trigger names them.
            return entry.types if field.name in static.fields else frozenset()
        if static is not None:
            types = self.graph.local_types(entry.graph, static.name, field.name)
            if entry.types is not types:
                types = types & entry.types
        else:
            types = self._types_of_entities(entry, field.name)
        if entry.provided and types != entry.types:
            for provided in entry.provided:
                if provided.name == field.name and provided.arguments_text == field.arguments_text:
                    types |= entry.types if provided.types is None else entry.types & provided.types
        return types

    def _types_of_entities(self, entry: Entry, name: str) -> frozenset[str]:
        """The types of entities of several types of which the subgraph gives the field."""
        return frozenset(t for t in entry.types if t in self.graph.local_types(entry.graph, t, name))

    def is_exactly(self, entry: Entry, types: frozenset[str]) -> bool:
        """Whether what is selected here for `types` is asked of their objects alone.

        A subgraph with an `@interfaceObject` can't tell types apart: entities of some types are sent in a list of their
        own.
        """
        static = entry.selection.static
        if static is None or not static.is_interface_object or entry.group.kind != "entity":
            return True
        return types == entry.types or entry is not entry.group.entry

    def would_null(self, entry: Entry, field: Field) -> bool:
        """Whether the field, selected here, might null what the client asks for.

        That is by errors of other implementations, of which it isn't asked.
        """
        if field.types is None:
            return False
        return self.other_implementations.would_null(entry.position, field, entry.selection.static, entry.selection)

    def gives(self, entry: Entry, name: str, conditions: Conditions) -> frozenset[str]:
        """The types for which the entry gives this field of a key whenever these conditions hold."""
        if not self.is_usable(entry, entry.position, conditions):
            return frozenset()
        static = entry.selection.static
        if entry.group.kind == "event":
            assert static is not None
            return entry.types if name in static.fields else frozenset()
        if static is not None:
            types = self.graph.local_types(entry.graph, static.name, name) & entry.types
        else:
            types = self._types_of_entities(entry, name)
        for provided in entry.provided:
            if provided.name == name:
                types |= entry.types if provided.types is None else entry.types & provided.types
        return types

    def is_usable(self, entry: Entry, position: Position, conditions: Conditions) -> bool:
        """Whether the entry can have a field of the position whenever these conditions hold.

        The field is one that requires nothing.
        """
        if entry.group.uncertain and entry.is_uncertain:
            return False
        if entry.conditions is ALWAYS:
            return not self.has_defers or position.parent is not None or not conditions.defers
        if self.has_defers and position.parent is None and entry.conditions.defers != conditions.defers:
            return False  # what is deferred at the root has a request of its own, which nothing else waits for
        own = entry.conditions
        return own is ALWAYS or own.is_implied_by(position.conditions.union(conditions))

    def alike(self, types: frozenset[str], field: Field) -> list[frozenset[str]]:
        """The types in groups of those for which the same subgraphs give the field in the same way."""
        if len(types) < 2:
            return [types] if types else []
        groups: dict[object, list[str]] = {}
        for name in sorted(types):
            groups.setdefault(self.graph.fingerprint(name, field.name), []).append(name)
        return [frozenset(names) for names in groups.values()]

    def statics_below(self, entry: Entry, field: Field, types: frozenset[str]) -> dict[str, frozenset[str]]:
        """The types that the field has in the subgraph, each with the parents' concrete types for which it has it."""
        static = entry.selection.static
        if static is not None and field.name in static.fields and (types == entry.types or not static.is_abstract):
            return {static.fields[field.name].type_name: types}
        statics: dict[str, frozenset[str]] = {}
        for name in sorted(types):
            own = self.graph.subgraph_type(entry.graph, name)
            if own is None or field.name not in own.fields:
                # An entity of an `@interfaceObject`: the field is the interface's.
                assert static is not None
                below = static.fields[field.name].type_name
            else:
                below = own.fields[field.name].type_name
            statics[below] = statics.get(below, frozenset()) | {name}
        return statics

    def static_below(self, entry: Entry, field: Field, types: frozenset[str]) -> str | None:
        """The first of `statics_below`; None for no types."""
        return next(iter(self.statics_below(entry, field, types)), None)

    def alike_below(self, entry: Entry, field: Field, types: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
        """As `statics_below`, with the parents' types in groups for which the field also provides the same."""
        return [
            (below, here)
            for group in self._by_what_is_provided(entry, field, types)
            for below, here in self.statics_below(entry, field, group).items()
        ]

    def _by_what_is_provided(self, entry: Entry, field: Field, types: frozenset[str]) -> Sequence[frozenset[str]]:
        """The parents' types in groups for which the field provides the same."""
        static = entry.selection.static
        if len(types) < 2 or (static is not None and not static.is_abstract):
            return (types,)
        groups: Sequence[frozenset[str]] = self.graph.types_by_promise(entry.graph, types, field.name)
        for provided in entry.provided:
            if provided.name == field.name and provided.types is not None:
                groups = [half for group in groups for half in (group & provided.types, group - provided.types) if half]
        return groups

    def provided(self, entry: Entry, field: Field, types: frozenset[str]) -> tuple[Field, ...]:
        """What the field brings along by `@provides`, for all objects of `types`."""
        fields = [
            below
            for provided in entry.provided
            if provided.name == field.name and (provided.types is None or types <= provided.types)
            for below in provided.children
        ]
        static = entry.selection.static
        if static is not None and not static.is_abstract:
            declared = static.fields.get(field.name)
            if declared is None or not declared.provides:
                return tuple(fields)
        # Each type of an interface has its own `@provides` at the field.
        names = types if static is None or static.is_abstract else (static.name,)
        promises = {self.graph.promise(entry.graph, name, field.name) for name in names}
        promise = promises.pop()
        if promise is not None and not promises:
            fields += self.walker.field_set(promise.type_name, promise.provides)
        return tuple(fields)


def step_of(entry: Entry) -> int:
    """The step of an entry, to sort by."""
    return entry.group.step


def near_step(position: Position) -> int:
    """The first step in which an entity jump from the entries of the position can arrive."""
    if len(position.entries) == 1:  # as at most positions
        return 1 + position.entries[0].group.step
    return 1 + min((entry.group.step for entry in position.entries), default=0)
