"""The fields of one selection set, fragments expanded -> how often a response key can come for one object.

Fragments on different object types never apply to the same object, so their fields aren't repeats of one another.
"""

from collections.abc import Iterator
from typing import Final, TypeAlias

from graphql import GraphQLSchema, is_abstract_type, is_object_type

#: Type condition of the fragment that a field stands in (None: none) -> how often it stands there.
Counts: TypeAlias = dict[str | None, int]
#: By response key.
Keys: TypeAlias = dict[str, Counts]

#: Types looked at for one document; beyond, a field in a fragment on an interface or union counts for every type.
MAX_STEPS: Final = 100_000


class Repeats:
    """Counts for one document."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._steps = 0

    def add(self, into: Keys, inner: Keys, condition: str | None) -> None:
        """What a fragment with this type condition selects."""
        outer_is_object = condition is not None and self._is_object(condition)
        for key, counts in inner.items():
            own = into.setdefault(key, {})
            for name, count in counts.items():
                # Of two conditions the narrower one: an object type, else the inner one.
                narrow = condition if name is None or (outer_is_object and not self._is_object(name)) else name
                own[narrow] = own.get(narrow, 0) + count

    def max_for_one_object(self, counts: Counts, enough: int) -> int:
        """How often a key comes for one object at most. A number up to `enough` may be too high."""
        total = sum(counts.values())
        if total <= enough:
            return total
        everywhere = 0
        by_type: dict[str, int] = {}
        for name, count in counts.items():
            types = self._types(name)
            if types is None:
                everywhere += count
                continue
            for type_name in types:
                by_type[type_name] = by_type.get(type_name, 0) + count
        return everywhere + max(by_type.values(), default=0)

    def _types(self, name: str | None) -> Iterator[str] | None:
        """The object types that a condition admits; None where they are unknown, or too many to count."""
        kind = None if name is None else self._schema.get_type(name)
        if is_object_type(kind):
            return iter((kind.name,))
        if not is_abstract_type(kind):
            return None
        possible = self._schema.get_possible_types(kind)
        self._steps += len(possible)
        return (type_.name for type_ in possible) if self._steps <= MAX_STEPS else None

    def _is_object(self, name: str) -> bool:
        return is_object_type(self._schema.get_type(name))
