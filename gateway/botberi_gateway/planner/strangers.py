"""A field at an `@interfaceObject` -> whether its errors, of objects that nobody asks it of, may null what somebody does ask for.

A subgraph can't tell the types of an `@interfaceObject` apart: a field that is wanted of some types it gives of all, *strangers* included.
Where a stranger's null stops in the field itself, the client never sees it. Where it climbs to the object, or into a field that is wanted of the
stranger under the same response key, it takes from the answer: such a field is asked of entities of its own types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from botberi_gateway.planner.fetch_graph import Position, Selection
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, SubgraphField, SubgraphType


@dataclass(frozen=True, slots=True)
class _Other:
    """A field that a stranger is asked for; `surely`: whenever the field at issue is."""

    field: Field
    surely: bool


class Strangers:
    """Questions about the fields of one operation."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph

    def spoil(
        self, position: Position, one: Field, static: SubgraphType | None, selection: Selection | None = None
    ) -> bool:
        """Were the field asked of the objects at this position as `static`; `selection` is what they are asked for already."""
        if static is None or not static.is_interface_object or one.types is None or one.internal:
            return False
        strangers = (position.types if selection is None else position.types & selection.types) - one.types
        if not strangers or one.name not in static.fields:
            return False
        # What stands here is asked of strangers too, for whomever it was meant.
        here = [item.field for item in selection.items] if selection is not None else []
        for stranger in strangers:
            asked = [f for f in position.wanted if f.types is None or stranger in f.types]
            if self._spoils(static, one, [_Other(f, _whenever(f, one)) for f in (*asked, *here) if f is not one]):
                return True
        return False

    def _spoils(self, static: SubgraphType, one: Field, others: Sequence[_Other]) -> bool:
        """Whether a null of the field reaches another one of the same object."""
        alike = [o for o in others if o.field.name == one.name and o.field.arguments_text == one.arguments_text]
        merged = [o for o in alike if o.field.key == one.key]
        asked_anyway = any(o.surely for o in (merged if one.children else alike))
        below = [_Other(f, o.surely) for o in merged for f in o.field.children]
        for field in self._declared(static, one):
            if field.shape.endswith("!") and not asked_anyway:
                return True
            inner = self.graph.subgraph_type(static.graph, field.type_name) if below else None
            if inner is not None and any(self._spoils(inner, child, _of_child(below, child)) for child in one.children):
                return True
        return False

    def _declared(self, static: SubgraphType, one: Field) -> Iterator[SubgraphField]:
        """The field as the subgraph gives it right here, of each type that the object may be of."""
        names = static.possible if one.types is None else static.possible & one.types
        owners = [self.graph.subgraph_type(static.graph, name) for name in names] if static.is_abstract else [static]
        for owner in owners:
            field = owner.fields.get(one.name) if owner is not None else None
            if field is not None and field.is_local:
                yield field


def _of_child(others: Sequence[_Other], child: Field) -> list[_Other]:
    return [_Other(o.field, o.surely and _whenever(o.field, child) and _wherever(o.field, child)) for o in others]


def _whenever(other: Field, one: Field) -> bool:
    """Whether the other field is asked for under every condition that this one is."""
    return set(other.conditions) <= set(one.conditions)


def _wherever(other: Field, one: Field) -> bool:
    return other.types is None or (one.types is not None and one.types <= other.types)
