"""Positions below fields, and the field moves that lead to them."""

from botberi_gateway.errors import PlanningError
from botberi_gateway.planner.choose.local import Local
from botberi_gateway.planner.fetch_graph import Entry, Position, Selection
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph


class Positions:
    """Makes each position once, and each entry there once."""

    def __init__(self, graph: QueryGraph, local: Local) -> None:
        self.graph = graph
        self.local = local

    def existing(self, position: Position, field: Field, types: frozenset[str]) -> Position | None:
        """A position below the field that objects of these types have already, and that has an entry to go on from."""
        if field.type_name is None:
            return None
        for child in position.children.get((field.key, field.conditions), ()):
            if not types <= child.parent_types:
                continue
            if not _is_for_all(field, child.parent_types) and not (child.field and _adds_nothing(field, child.field)):
                continue
            if types != child.parent_types and not all(self.local.is_exactly(e, types) for e in position.entries):
                continue
            if any(self.local.is_usable(entry, child, field.conditions) for entry in child.entries):
                return child
        return None

    def alike(self, position: Position) -> list[Position]:
        """All positions at the same response keys, under whatever conditions."""
        if position.parent is None or position.field is None:
            return [position]
        key = position.field.key
        return [
            child
            for parent in self.alike(position.parent)
            for (child_key, _), children in parent.children.items()
            if child_key == key
            for child in children
        ]

    def child(self, position: Position, field: Field, types: frozenset[str], graph: str, static: str) -> Position:
        """The position below the field for parents of `types`, where `graph` gives objects of type `static`."""
        siblings = position.children.setdefault((field.key, field.conditions), [])
        for child in siblings:
            if types == child.parent_types and child.type_name == field.type_name:
                return child
        assert field.type_name is not None
        below = self.graph.subgraph_type(graph, static)
        possible = self.graph.possible(field.type_name)
        if below is not None and below.possible & possible:
            possible = below.possible & possible
        elif below is not None and below.possible:
            possible = below.possible
        child = Position(field.type_name, possible, position, field, types)
        siblings.append(child)
        return child

    def below_parents(self, position: Position, parent: Entry, parent_types: frozenset[str], static: str) -> Position:
        """The position of objects below the parents that the entry `parent` has.

        It is the position itself if these are all parents, else one for the objects below parents of `parent_types`.
        """
        if parent.position is position.parent and parent_types == position.parent_types:
            return position
        assert position.field is not None
        own = self.child(parent.position, position.field, parent_types, parent.graph, static)
        own.client_fields += tuple(f for f in position.client_fields if f not in own.client_fields)
        return own

    def move(self, entry: Entry, field: Field, types: frozenset[str], static: str, child: Position) -> Entry:
        """The field move: select the composite field in the entry; the entry at `child` below it."""
        selection = entry.selection
        item = selection.find(field, types, field.conditions, within=None if field.internal else field.types)
        if item is not None and item.child is not None:
            for known in child.entries:
                if known.selection is item.child:
                    return known
        static_type = self.graph.subgraph_type(entry.graph, static)
        if static_type is None:
            raise PlanningError(f"Subgraph {entry.graph} has no type {static}")
        if item is None or item.child is None:
            below = Selection(entry.graph, static_type, static_type.possible)
            # Also where the type is abstract to clients alone: the subgraph's field gives one of its types always.
            below.typename = static_type.is_abstract or self.graph.is_abstract(child.type_name)
            item = selection.add(field, types, field.conditions, below)
        assert item.child is not None
        new = Entry(child, entry.group, item.child, entry.conditions, self.local.provided(entry, field, types))
        child.entries.append(new)
        return new


def _is_for_all(field: Field, types: frozenset[str]) -> bool:
    """Whether the field, and what is selected below it, is for all objects of `types`.

    If not, others must not be asked for it.
    """
    return field.internal or field.types is None or types <= field.types


def _adds_nothing(field: Field, to: Field) -> bool:
    """Whether all that is selected below the field is selected below the other one."""
    return all(
        any(
            (below.key, below.name, below.arguments_text) == (known.key, known.name, known.arguments_text)
            and (known.types is None or known.types == below.types)
            and known.conditions.is_implied_by(below.conditions)
            and _adds_nothing(below, known)
            for known in to.children
        )
        for below in field.children
    )
