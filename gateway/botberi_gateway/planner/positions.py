"""Positions below fields, and descents to them."""

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.fetch_graph import Arrival, Position, Selection
from botberi_gateway.planner.local import Local
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph


class Positions:
    """Makes each position once, and each arrival there once."""

    def __init__(self, graph: QueryGraph, local: Local) -> None:
        self.graph = graph
        self.local = local

    def existing(self, position: Position, one: Field, types: frozenset[str]) -> Position | None:
        if one.type_name is None:
            return None
        for child in position.children.get((one.key, one.conditions), ()):
            if not types <= child.parent_types:
                continue
            if not _wanted_of(one, child.parent_types) and not (child.field and _adds_nothing(one, child.field)):
                continue
            if types != child.parent_types and not all(self.local.exactly(a, types) for a in position.arrivals):
                continue
            if any(self.local.usable(arrival, child, one.conditions) for arrival in child.arrivals):
                return child
        return None

    def alike(self, position: Position) -> list[Position]:
        """Those at the same response keys, under whatever conditions."""
        if position.parent is None or position.field is None:
            return [position]
        key = position.field.key
        above = self.alike(position.parent)
        return [p for parent in above for (k, _), found in parent.children.items() if k == key for p in found]

    def child(self, position: Position, one: Field, types: frozenset[str], graph: str, static: str) -> Position:
        siblings = position.children.setdefault((one.key, one.conditions), [])
        for child in siblings:
            if types == child.parent_types and child.type_name == one.type_name:
                return child
        assert one.type_name is not None
        below = self.graph.subgraph_type(graph, static)
        possible = self.graph.possible(one.type_name)
        if below is not None and below.possible & possible:
            possible = below.possible & possible
        elif below is not None and below.possible:
            possible = below.possible
        child = Position(one.type_name, possible, position, one, types)
        siblings.append(child)
        return child

    def part(self, position: Position, above: Arrival, parent_types: frozenset[str], static: str) -> Position:
        """The position itself, or for those of its objects that lie below objects of `parent_types`, as `above` has them, one of their own."""
        if above.position is position.parent and parent_types == position.parent_types:
            return position
        assert position.field is not None
        made = self.child(above.position, position.field, parent_types, above.graph, static)
        made.wanted += tuple(one for one in position.wanted if one not in made.wanted)
        return made

    def descend(self, arrival: Arrival, one: Field, types: frozenset[str], static: str, child: Position) -> Arrival:
        """Select a composite field in `arrival`: the arrival below it."""
        selection = arrival.selection
        conditions = one.conditions
        item = selection.find(one, types, conditions, within=None if one.internal else one.types)
        if item is not None and item.child is not None:
            for known in child.arrivals:
                if known.selection is item.child:
                    return known
        below = self.graph.subgraph_type(arrival.graph, static)
        if below is None:
            raise PlanningError(f"Subgraph {arrival.graph} has no type {static}")
        if item is None or item.child is None:
            made = Selection(arrival.graph, below, below.possible)
            # Also where the type is abstract to clients alone: the subgraph's field gives one of its types always.
            made.typename = below.is_abstract or self.graph.is_abstract(child.type_name)
            item = selection.add(one, types, conditions, made)
        assert item.child is not None
        new = Arrival(child, arrival.part, item.child, arrival.conditions, self.local.provided(arrival, one, types))
        child.arrivals.append(new)
        return new


def _wanted_of(one: Field, types: frozenset[str]) -> bool:
    """Whether the field, and what is selected below it, is for all objects of `types`: what isn't must not be asked of the others."""
    return one.internal or one.types is None or types <= one.types


def _adds_nothing(one: Field, to: Field) -> bool:
    """Whether all that is selected below the field is selected below the other one."""
    return all(
        any(
            (below.key, below.name, below.arguments_text) == (known.key, known.name, known.arguments_text)
            and (known.types is None or known.types == below.types)
            and set(known.conditions) <= set(below.conditions)
            and _adds_nothing(below, known)
            for known in to.children
        )
        for below in one.children
    )
