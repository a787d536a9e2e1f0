"""What compiled programs call.

The joined view's rules for values that several answers give, and checks that are too long to be written out.
"""

from collections.abc import Sequence
from typing import Any, Final

from botberi_gateway.codec import encode
from botberi_gateway.executor.failure import MissingData
from botberi_gateway.executor.leaves import WrongLeaf, leaf
from botberi_gateway.executor.representations import merge


class BailOut(Exception):
    """Something in the answers that a program leaves to the interpreter; the argument says what, in fixed words."""


class OtherKey(BailOut):
    """The key of an object in the table with this index is neither text nor an integer.

    Such keys do not distinguish entities.
    """

    def __init__(self, index: str) -> None:
        super().__init__("a key of another type")
        self.index = index


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: A key that an answer doesn't have.
MISSING: Final = _Missing()


class _Impossible:
    def __repr__(self) -> str:
        return "IMPOSSIBLE"


#: In the place of an object whose type its field can't have.
IMPOSSIBLE: Final = _Impossible()


class _Unknown(dict[str, Any]):
    """The entity that its subgraph doesn't know: every field is null, and no error."""

    def __missing__(self, key: str) -> None:
        return None


UNKNOWN: Final = _Unknown()


class Lost(dict[str, Any]):
    """In the place of an entity that can't be had, or of a whole answer: without keys, but it knows why."""

    __slots__ = ("gap",)

    def __init__(self, gap: MissingData) -> None:
        super().__init__()
        self.gap = gap


#: No object here.
EMPTY: Final[dict[str, Any]] = {}
#: For one turn of a loop that can be left by `continue`.
ONCE: Final = (None,)


def first(key: str, *layers: dict[str, Any]) -> Any:
    """The first value that isn't null; None where all that have the key say null; else MISSING."""
    found: Any = MISSING
    for layer in layers:
        value = layer.get(key, MISSING)
        if value is not MISSING:
            if value is not None:
                return value
            found = None
    return found


def read(key: str, *layers: dict[str, Any]) -> Any:
    """`first` for projection: where no answer has the key, null if its entity is unknown."""
    found = first(key, *layers)
    if found is MISSING:
        if any(layer is UNKNOWN for layer in layers):
            return None
        raise BailOut("a missing field")
    return found


def objects(*values: Any) -> tuple[dict[str, Any], ...] | None:
    """The layers of one object, EMPTY for those that have none.

    None where the first value that isn't null is no object.
    """
    for value in values:
        if value is None or value is MISSING:
            continue
        if value.__class__ is not dict:
            return None
        return tuple(v if v.__class__ is dict else EMPTY for v in values)
    return None


def rows(*values: Any) -> Sequence[tuple[Any, ...]] | None:
    """Item by item: what each layer has, from lists as long as the first.

    None where the first value that isn't null is no list.
    """
    for value in values:
        if value is None or value is MISSING:
            continue
        if value.__class__ is not list:
            return None
        length = len(value)
        nulls = [None] * length
        columns = [v if v.__class__ is list and len(v) == length else nulls for v in values]
        return list(zip(*columns, strict=True))
    return None


def strict_objects(*values: Any) -> tuple[dict[str, Any], ...] | None:
    """`objects` for projection: None for null, `BailOut` for another shape."""
    found = objects(*values)
    if found is None and any(v is not None and v is not MISSING for v in values):
        raise BailOut("no object")
    return found


def strict_rows(*values: Any) -> Sequence[tuple[Any, ...]] | None:
    """`rows` for projection: None for null, `BailOut` for another shape."""
    found = rows(*values)
    if found is None and any(v is not None and v is not MISSING for v in values):
        raise BailOut("no list")
    return found


def missing(*values_and_layers: Any) -> None:
    """No layer has the key: null where an entity is unknown, else `BailOut`."""
    if not any(layer is UNKNOWN for layer in values_and_layers):
        raise BailOut("a missing field")


def at(index: dict[int, int], *layers: dict[str, Any]) -> int | None:
    """The row of an object that several answers gave."""
    for layer in layers:
        if layer is not EMPTY:
            row = index.get(id(layer))
            if row is not None:
                return row
    return None


def anchor(*layers: dict[str, Any]) -> int:
    """The identity under which such an object stands in a table: its first layer's."""
    for layer in layers:
        if layer is not EMPTY:
            return id(layer)
    raise BailOut("an object without layers")


def name_of(known: frozenset[str], abstract: frozenset[str], *names: Any) -> str | None:
    """The most exact name: of an object type that clients see, before one that they don't, before an interface's."""
    unknown = general = None
    for name in names:
        if not isinstance(name, str):
            continue
        if name in known:
            return name
        if name in abstract:
            general = general or name
        else:
            unknown = unknown or name
    return unknown or general


def plain(value: Any) -> Any:
    """A leaf as part of a table's key: equal exactly where its JSON is equal."""
    if value is None or value.__class__ is str or value.__class__ is int:
        return value
    if value.__class__ is bool:
        return (1, value)
    return encode(value)


def plain_id(value: Any) -> Any:
    """`plain` for what has no fraction by its type: a double there is a number that was rounded."""
    if value.__class__ is float:
        raise BailOut("a key that is rounded")
    return plain(value)


def nested(value: Any, select: Any) -> Any:
    """A representation's field with selections: `select` gives an object's fields, or MISSING. Lists item by item."""
    if value.__class__ is dict:
        return select(value)
    if value.__class__ is list:
        items = []
        for item in value:
            found = nested(item, select)
            if found is MISSING:
                return MISSING
            items.append(found)
        return items
    return None if value is None else MISSING


def nested_all(values: Sequence[Any], select: Any) -> Any:
    """`nested` for values of several layers."""
    found = objects(*values)
    if found is not None:
        return select(*found)
    items = rows(*values)
    if items is not None:
        selected = []
        for row in items:
            item = nested_all(row, select)
            if item is MISSING:
                return MISSING
            selected.append(item)
        return selected
    return None if any(v is None for v in values) and all(v is None or v is MISSING for v in values) else MISSING


# -- leaves that the quick checks don't pass: the executor's own rules decide


def leaf_or_null(kind: Any, value: Any) -> Any:
    """A nullable leaf."""
    if value is None:
        return None
    try:
        return leaf(kind, value)
    except (WrongLeaf, TypeError):
        raise BailOut("a leaf of another type") from None


def leaf_value(kind: Any, value: Any) -> Any:
    """A leaf that can't be null."""
    if value is None:
        raise BailOut("a null where none may be")
    return leaf_or_null(kind, value)


def null_item(value: Any) -> None:
    """An item of a list that is no object (or no list): null, or `BailOut`."""
    if value is not None:
        raise BailOut("an item of another shape")


def no_null(value: Any) -> Any:
    """The value of a field or an item that can't be null."""
    if value is None:
        raise BailOut("a null where none may be")
    return value


def refuse(value: Any) -> Any:
    """An item of a list that can't be null, and isn't what it should be."""
    raise BailOut("a null where none may be" if value is None else "an item of another shape")


#: The globals of every program.
HELPERS: Final[dict[str, Any]] = {
    "EMPTY": EMPTY,
    "IMPOSSIBLE": IMPOSSIBLE,
    "MISSING": MISSING,
    "OtherKey": OtherKey,
    "ONCE": ONCE,
    "BailOut": BailOut,
    **{
        helper.__name__: helper
        for helper in (
            anchor,
            at,
            encode,
            first,
            leaf_or_null,
            leaf_value,
            merge,
            missing,
            name_of,
            nested,
            nested_all,
            no_null,
            null_item,
            objects,
            plain,
            plain_id,
            read,
            refuse,
            rows,
            strict_objects,
            strict_rows,
        )
    },
}
