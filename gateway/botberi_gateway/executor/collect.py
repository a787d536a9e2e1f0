"""The joined view and a path of the plan -> the objects that live there."""

from collections.abc import Iterator
from typing import Any

from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ListView, ObjectView
from botberi_gateway.plan import ListItems, Path, TypeCondition


def objects_at(root: ObjectView, path: Path, names: TypeNames) -> Iterator[ObjectView]:
    """In response order. What is null, absent or of another shape than the path says is passed over: projection reports it."""
    found: list[Any] = [root]
    for element in path:
        if isinstance(element, str):
            found = [item.child(element) for item in found if isinstance(item, ObjectView)]
        elif isinstance(element, ListItems):
            found = [item for values in found if isinstance(values, ListView) for item in values.items]
        elif isinstance(element, TypeCondition):
            found = [
                item for item in found if isinstance(item, ObjectView) and names.includes(element.types, names.of(item))
            ]
    return (item for item in found if isinstance(item, ObjectView))
