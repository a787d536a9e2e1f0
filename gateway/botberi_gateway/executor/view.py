"""Parsed answers -> the joined view: at each position of the response, the layers that fetches gave it.

An answer of a subgraph is never changed. A position (a path with list indices) holds *layers*: the object of the fetch
that reached it first, then the entity results that later fetches joined there. Reading a key looks through the layers.
Positions don't share state: an entity that stands at two paths shows at each only what was fetched for that path.
"""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

from botberi_gateway.executor.failure import MissingData

JsonObject: TypeAlias = Mapping[str, Any]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: No layer has the key.
MISSING: Final = _Missing()
_ORDER = itemgetter(0)


class View:
    """A position in the response: its parent and its key there."""

    __slots__ = ("key", "parent")

    def __init__(self, parent: "View | None", key: str | int) -> None:
        self.parent = parent
        self.key = key

    def path(self) -> tuple[str | int, ...]:
        """Response keys and list indices from the root."""
        keys: list[str | int] = []
        here: View | None = self
        while here is not None and here.parent is not None:
            keys.append(here.key)
            here = here.parent
        return tuple(reversed(keys))

    def add(self, order: int, value: Any) -> None:
        """Add a layer; a value of another shape than this position is ignored."""
        raise NotImplementedError


class ObjectView(View):
    """An object. Its layers have the order of fetches in the plan, so that it doesn't depend on which answers first."""

    __slots__ = ("children", "layers", "missing_data")

    def __init__(self, parent: View | None, key: str | int) -> None:
        super().__init__(parent, key)
        self.layers: list[tuple[int, JsonObject]] = []
        self.children: dict[str, ObjectView | ListView] = {}
        #: Entity fetches that gave nothing for this object.
        self.missing_data: list[MissingData] = []

    def add(self, order: int, value: Any) -> None:
        if not isinstance(value, dict):
            return
        insort(self.layers, (order, value), key=_ORDER)
        for key, child in self.children.items():
            if (below := value.get(key)) is not None:
                child.add(order, below)

    def has(self, key: str) -> bool:
        return any(key in layer for _, layer in self.layers)

    def value(self, key: str) -> Any:
        """The raw value: the first layer's that isn't null; None if all that have it say null; else MISSING."""
        result: Any = MISSING
        for _, layer in self.layers:
            value = layer.get(key, MISSING)
            if value is not MISSING:
                if value is not None:
                    return value
                result = None
        return result

    def child(self, key: str) -> Any:
        """An `ObjectView`, a `ListView`, a raw leaf, None or MISSING."""
        child: Any = self.children.get(key)
        if child is not None:
            return child
        result: Any = MISSING
        for order, layer in self.layers:
            value = layer.get(key, MISSING)
            if value is MISSING:
                continue
            if value is None:
                result = None if result is MISSING else result
            elif isinstance(child, View):
                child.add(order, value)
            elif child is None:
                result = child = view_of(self, key, order, value)
        if isinstance(child, View):
            self.children[key] = child  # type: ignore[assignment]
        return result

    def typenames(self) -> Iterator[str]:
        """What the layers say about the object's type, in order."""
        for _, layer in self.layers:
            name = layer.get("__typename")
            if isinstance(name, str):
                yield name


class ListView(View):
    """A list; each item is an `ObjectView`, a `ListView`, a raw leaf or None. A list of the same length is joined.

    Items become views when they are first read, so that a hostile answer's nesting is never followed deeper than the
    plan or the client's selection.
    """

    __slots__ = ("_items", "_layers")

    def __init__(self, parent: View | None, key: str | int, order: int, values: list[Any]) -> None:
        super().__init__(parent, key)
        self._layers = [(order, values)]
        self._items: list[Any] | None = None

    @property
    def items(self) -> list[Any]:
        if self._items is None:
            (order, first), *others = self._layers
            self._items = [view_of(self, index, order, value) for index, value in enumerate(first)]
            for other_order, values in others:
                self._join(other_order, values)
        return self._items

    def add(self, order: int, value: Any) -> None:
        # Lists of unequal length can't be about the same objects: joining them would mix one object with another.
        if not isinstance(value, list) or len(value) != len(self._layers[0][1]):
            return
        if self._items is None:
            insort(self._layers, (order, value), key=_ORDER)
        else:
            self._join(order, value)

    def release(self) -> list[View]:
        """Let go of the items; returns those that are views."""
        items, self._items, self._layers = self._items or (), None, [(0, [])]
        return [item for item in items if isinstance(item, View)]

    def _join(self, order: int, values: list[Any]) -> None:
        items = self.items
        for index, value in enumerate(values):
            mine = items[index]
            if mine is None:
                items[index] = view_of(self, index, order, value)
            elif isinstance(mine, View):
                mine.add(order, value)


def object_at(root: ObjectView, path: Sequence[str | int]) -> ObjectView | None:
    """The object at this place; None where there is none."""
    here: Any = root
    for key in path:
        if isinstance(key, int):
            here = here.items[key] if isinstance(here, ListView) and 0 <= key < len(here.items) else None
        else:
            here = here.child(key) if isinstance(here, ObjectView) else None
    return here if isinstance(here, ObjectView) else None


def release(root: ObjectView) -> None:
    """Let go of all views below this one, which is a circle of references otherwise. Nothing may read them any more."""
    left: list[View] = [root]
    while left:
        view = left.pop()
        if isinstance(view, ObjectView):
            left += view.children.values()
            view.children = {}
        elif isinstance(view, ListView):
            left += view.release()


def view_of(parent: View | None, key: str | int, order: int, value: Any) -> Any:
    """A view over an object or a list; any other value as it is."""
    if isinstance(value, dict):
        view = ObjectView(parent, key)
        view.layers.append((order, value))
        return view
    if isinstance(value, list):
        return ListView(parent, key, order, value)
    return value
