"""Arrivals -> what they give right where they are: fields, for which types, under which conditions, of which type below."""

from collections.abc import Sequence

from botberi_gateway.planner.fetch_graph import Arrival, Position
from botberi_gateway.planner.strangers import Strangers
from botberi_gateway.planner.tree import Conditions, Field, defers
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import QueryGraph, parse_field_set


class Local:
    """Questions about arrivals that need no search."""

    def __init__(self, graph: QueryGraph, walker: Walker) -> None:
        self.graph = graph
        self.walker = walker
        self.strangers = Strangers(graph)
        self.defers = bool(walker.defers)

    def defers_of(self, position: Position, one: Field) -> frozenset[int]:
        """The `@defer`s under which the client asks for the field."""
        if not self.defers:
            return frozenset()
        return defers(one.conditions) | position.defers

    def types(self, arrival: Arrival, one: Field) -> frozenset[str]:
        """The types for which the arrival's subgraph gives the field right here."""
        static = arrival.selection.static
        if one.types is not None and not self.exactly(arrival, arrival.types & one.types):
            return frozenset()
        if arrival.part.kind == "event":
            assert static is not None
            # Under whatever response keys: the trigger says which.
            return arrival.types if one.name in static.fields else frozenset()
        if static is not None:
            found = self.graph.local_types(arrival.graph, static.name, one.name)
            if arrival.types is not found:
                found = found & arrival.types
        else:
            found = frozenset(
                name for name in arrival.types if name in self.graph.local_types(arrival.graph, name, one.name)
            )
        if arrival.provided and found != arrival.types:
            for given in arrival.provided:
                if given.name == one.name and given.arguments_text == one.arguments_text:
                    found |= arrival.types if given.types is None else arrival.types & given.types
        return found

    def exactly(self, arrival: Arrival, types: frozenset[str]) -> bool:
        """Whether what is selected here for `types` is asked of their objects alone.

        A subgraph with `@interfaceObject` can't tell types apart: entities of some types are sent apart from those of others.
        """
        static = arrival.selection.static
        if static is None or not static.is_interface_object or arrival.part.kind != "entity":
            return True
        return types == arrival.types or arrival is not arrival.part.arrival

    def spoils(self, arrival: Arrival, one: Field) -> bool:
        """Whether errors of objects that nobody asks the field of would take from the answer, were it asked for here."""
        if one.types is None:
            return False
        return self.strangers.spoil(arrival.position, one, arrival.selection.static, arrival.selection)

    def gives(self, arrival: Arrival, name: str, conditions: Conditions) -> frozenset[str]:
        """The types for which the arrival gives this field of a key whenever it is wanted, under these conditions."""
        if not self.usable(arrival, arrival.position, conditions):
            return frozenset()
        static = arrival.selection.static
        if arrival.part.kind == "event":
            assert static is not None
            return arrival.types if name in static.fields else frozenset()
        if static is not None:
            found = self.graph.local_types(arrival.graph, static.name, name) & arrival.types
        else:
            found = frozenset(t for t in arrival.types if t in self.graph.local_types(arrival.graph, t, name))
        for given in arrival.provided:
            if given.name == name:
                found |= arrival.types if given.types is None else arrival.types & given.types
        return found

    def usable(self, arrival: Arrival, position: Position, conditions: Conditions) -> bool:
        """Whether the arrival is there whenever the field is wanted, which requires nothing."""
        if arrival.part.uncertain and arrival.is_uncertain:
            return False
        if self.defers and position.parent is None and defers(arrival.conditions) != defers(conditions):
            return False  # what is deferred at the root has a request of its own, and nobody else waits for it
        return not arrival.conditions or arrival.conditions <= position.conditions.union(conditions)

    def alike(self, types: frozenset[str], one: Field) -> list[frozenset[str]]:
        if len(types) < 2:
            return [types] if types else []
        groups: dict[object, list[str]] = {}
        for name in sorted(types):
            groups.setdefault(self.graph.signature(name, one.name), []).append(name)
        return [frozenset(names) for names in groups.values()]

    def statics_below(self, arrival: Arrival, one: Field, types: frozenset[str]) -> dict[str, frozenset[str]]:
        """The field's type in the subgraph, by the concrete types of its parent."""
        static = arrival.selection.static
        if static is not None and one.name in static.fields and (types == arrival.types or not static.is_abstract):
            return {static.fields[one.name].type_name: types}
        found: dict[str, frozenset[str]] = {}
        for name in sorted(types):
            own = self.graph.subgraph_type(arrival.graph, name)
            if own is None or one.name not in own.fields:
                # An entity of an `@interfaceObject`: the field is the interface's.
                assert static is not None
                below = static.fields[one.name].type_name
            else:
                below = own.fields[one.name].type_name
            found[below] = found.get(below, frozenset()) | {name}
        return found

    def static_below(self, arrival: Arrival, one: Field, types: frozenset[str]) -> str | None:
        return next(iter(self.statics_below(arrival, one, types)), None)

    def alike_below(self, arrival: Arrival, one: Field, types: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
        """`statics_below`, the objects moreover parted by what the field provides of each."""
        return [
            (below, here)
            for group in self._provided_alike(arrival, one, types)
            for below, here in self.statics_below(arrival, one, group).items()
        ]

    def _provided_alike(self, arrival: Arrival, one: Field, types: frozenset[str]) -> Sequence[frozenset[str]]:
        static = arrival.selection.static
        if len(types) < 2 or (static is not None and not static.is_abstract):
            return (types,)
        groups: Sequence[frozenset[str]] = self.graph.promised_alike(arrival.graph, types, one.name)
        for given in arrival.provided:
            if given.name == one.name and given.types is not None:
                groups = [part for group in groups for part in (group & given.types, group - given.types) if part]
        return groups

    def provided(self, arrival: Arrival, one: Field, types: frozenset[str]) -> tuple[Field, ...]:
        """What the field brings along by `@provides`, for all objects of `types`."""
        found = [
            below
            for given in arrival.provided
            if given.name == one.name and (given.types is None or types <= given.types)
            for below in given.children
        ]
        static = arrival.selection.static
        # Of an interface each type says for itself what its field provides.
        names = types if static is None or static.is_abstract else (static.name,)
        promises = {self.graph.promise(arrival.graph, name, one.name) for name in names}
        promise = promises.pop()
        if promise is not None and not promises:
            found += self.walker.fields(promise.type_name, [parse_field_set(promise.provides)], internal=True)
        return tuple(found)


def arrival_rank(arrival: Arrival) -> int:
    return arrival.part.level


def near_step(position: Position) -> int:
    """The step at which a jump from what is here first arrives."""
    if len(position.arrivals) == 1:  # as at most positions
        return 1 + position.arrivals[0].part.level
    return 1 + min((arrival.part.level for arrival in position.arrivals), default=0)
