"""A field at an `@interfaceObject` -> whether errors in objects that it isn't asked of would null what is asked for.

A subgraph can't tell the types of an `@interfaceObject` apart: a field that is asked of some types it gives of all, of
the *other implementations* too. Where a null of theirs stops in the field itself, the client never sees it. Where it
propagates to the object, or into a field that the client asks of the other implementation under the same response key,
the answer loses something: such a field is asked of entities of its own types alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from botberi_gateway.planner.fetch_graph import Position, Selection
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import QueryGraph, SubgraphField, SubgraphType


@dataclass(frozen=True, slots=True)
class _Other:
    """A field that another implementation is asked for.

    `is_certain`: it is asked for whenever the field at issue is.
    """

    field: Field
    is_certain: bool


class OtherImplementations:
    """Answers for the fields of one operation."""

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph

    def would_null(
        self, position: Position, field: Field, static: SubgraphType | None, selection: Selection | None = None
    ) -> bool:
        """Whether the field, asked of the objects at the position as `static`, might null what is asked of others.

        `selection` is what these objects are asked for already.
        """
        if static is None or not static.is_interface_object or field.types is None or field.internal:
            return False
        types = position.types if selection is None else position.types & selection.types
        others = types - field.types
        if not others or field.name not in static.fields:
            return False
        # What is selected here is asked of the other implementations too, whichever types it is for.
        here = [item.field for item in selection.items] if selection is not None else []
        for type_name in others:
            client_fields = [f for f in position.client_fields if f.types is None or type_name in f.types]
            beside = [_Other(f, _whenever(f, field)) for f in (*client_fields, *here) if f is not field]
            if self._reaches_another(static, field, beside):
                return True
        return False

    def _reaches_another(self, static: SubgraphType, field: Field, others: Sequence[_Other]) -> bool:
        """Whether a null of the field propagates to another field of the same object."""
        equal = [o for o in others if o.field.name == field.name and o.field.arguments_text == field.arguments_text]
        merged = [o for o in equal if o.field.key == field.key]
        is_asked_anyway = any(o.is_certain for o in (merged if field.children else equal))
        below = [_Other(f, o.is_certain) for o in merged for f in o.field.children]
        for declared in self._declared(static, field):
            if declared.shape.endswith("!") and not is_asked_anyway:
                return True
            inner = self.graph.subgraph_type(static.graph, declared.type_name) if below else None
            if inner is not None and any(
                self._reaches_another(inner, child, _beside(below, child)) for child in field.children
            ):
                return True
        return False

    def _declared(self, static: SubgraphType, field: Field) -> Iterator[SubgraphField]:
        """The field as the subgraph itself gives it, of each type that the object may be of."""
        names = static.possible if field.types is None else static.possible & field.types
        owners = [self.graph.subgraph_type(static.graph, name) for name in names] if static.is_abstract else [static]
        for owner in owners:
            declared = owner.fields.get(field.name) if owner is not None else None
            if declared is not None and declared.is_local:
                yield declared


def _beside(others: Sequence[_Other], child: Field) -> list[_Other]:
    """The other fields of an object, as seen from its field `child`."""
    return [_Other(o.field, o.is_certain and _whenever(o.field, child) and _wherever(o.field, child)) for o in others]


def _whenever(other: Field, field: Field) -> bool:
    """Whether the other field is asked for under every condition that this one is."""
    return other.conditions.is_implied_by(field.conditions)


def _wherever(other: Field, field: Field) -> bool:
    """Whether the other field is asked of every type that this one is."""
    return other.types is None or (field.types is not None and field.types <= other.types)
