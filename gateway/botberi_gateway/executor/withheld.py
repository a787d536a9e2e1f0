"""A plan's `Withheld` -> whether a missing field of an object was withheld by the plan: it is null without an error."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ObjectView, View
from botberi_gateway.plan import Path, TypeCondition, Withheld


@dataclass(frozen=True, slots=True)
class _Place:
    """Fields that are withheld from objects of `types`.

    `above` has conditions on ancestors: how many response keys lead to the ancestor, and the types that it may have.
    """

    types: frozenset[str]
    keys: frozenset[str]
    above: tuple[tuple[int, frozenset[str]], ...]


class Withholding:
    """The withheld fields of a plan, by the response keys that lead to their objects."""

    def __init__(self, entries: Iterable[Withheld]) -> None:
        self._places: dict[tuple[str, ...], list[_Place]] = {}
        for entry in entries:
            keys, above = _read(entry.path)
            self._places.setdefault(keys, []).append(_Place(entry.types, entry.keys, above))

    def always(self, position: tuple[str, ...], type_name: str, key: str) -> bool:
        """Whether the field is withheld of all objects of this type that stand at these response keys."""
        return any(
            key in place.keys and type_name in place.types and not place.above
            for place in self._places.get(position, ())
        )

    def covers(self, view: ObjectView, key: str, names: TypeNames) -> bool:
        """Whether the field is withheld of this object."""
        # From the object upwards: response keys, and the objects that have them.
        keys: list[str] = []
        objects: list[ObjectView] = [view]
        here: View = view
        while here.parent is not None:
            if isinstance(here.key, str):
                keys.append(here.key)
            here = here.parent
            if isinstance(here, ObjectView):
                objects.append(here)
        places = self._places.get(tuple(reversed(keys)))
        if not places:
            return False
        objects.reverse()
        name = names.of(view)
        return any(
            key in place.keys
            and names.includes(place.types, name)
            and all(names.includes(types, names.of(objects[depth])) for depth, types in place.above)
            for place in places
        )


def _read(path: Path) -> tuple[tuple[str, ...], tuple[tuple[int, frozenset[str]], ...]]:
    keys: list[str] = []
    above: list[tuple[int, frozenset[str]]] = []
    for element in path:
        if isinstance(element, str):
            keys.append(element)
        elif isinstance(element, TypeCondition):
            above.append((len(keys), element.types))
    return tuple(keys), tuple(above)


@lru_cache(maxsize=256)
def _withholding(entries: tuple[Withheld, ...]) -> Withholding:
    return Withholding(entries)


def withholding(entries: tuple[Withheld, ...]) -> Withholding | None:
    """The withheld fields of a plan, computed once; None where there are none."""
    return _withholding(entries) if entries else None
