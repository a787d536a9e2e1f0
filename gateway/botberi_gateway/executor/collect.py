"""The joined view and a path of the plan -> the objects that live there."""

from collections.abc import Iterator
from typing import Any

from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ListView, ObjectView
from botberi_gateway.plan import ListItems, Path, TypeCondition


def objects_at(root: ObjectView, path: Path, names: TypeNames) -> Iterator[ObjectView]:
    """The objects, in response order.

    A null, an absent field and a value of another shape than the path's are skipped here; projection reports them.
    """
    values: list[Any] = [root]
    for element in path:
        if isinstance(element, str):
            values = [item.child(element) for item in values if isinstance(item, ObjectView)]
        elif isinstance(element, ListItems):
            values = [item for list_view in values if isinstance(list_view, ListView) for item in list_view.items]
        elif isinstance(element, TypeCondition):
            values = [
                item
                for item in values
                if isinstance(item, ObjectView) and names.includes(element.types, names.of(item))
            ]
    return (item for item in values if isinstance(item, ObjectView))
