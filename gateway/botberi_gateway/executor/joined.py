"""What each fetch gave, by place -> the joined view as it is after any of them: what a fetch reads must not depend on who answers sooner."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.failure import Gap
from botberi_gateway.executor.view import JsonObject, ObjectView, object_at

#: A layer, or why there is none.
Given: TypeAlias = JsonObject | Gap


@dataclass(frozen=True, slots=True)
class _Place:
    """An object that a fetch was for. `layer` is one that it had (None: the root), by which it is known again after other fetches."""

    path: ResponsePath
    layer: JsonObject | None


class Joined:
    """Of one execution. Fetches are numbered so that none needs what a later one gives."""

    def __init__(self, other: "Joined | None" = None) -> None:
        """With the data of the other, where there is one, but with views of its own."""
        self._given: dict[int, list[tuple[_Place, Given]]] = {} if other is None else other._given
        self._root = ObjectView(None, "")
        #: The fetches that `_root` shows.
        self._shown: frozenset[int] = frozenset()

    def put(self, fetch: int, given: Iterable[tuple[ObjectView, Given]]) -> None:
        """The fetch has ended, and gave this to these objects (of any view)."""
        self._given[fetch] = [(_place(view), one) for view, one in given]

    def view(self, ended: frozenset[int] | None = None) -> ObjectView:
        """The root of what these fetches gave (None: all that have ended), joined in their order whatever order they ended in.

        It goes on growing: whoever asks again may find more in a view that was given before.
        """
        wanted = frozenset(self._given) if ended is None else ended.intersection(self._given)
        new = sorted(wanted - self._shown)
        if not self._shown <= wanted or (new and self._shown and new[0] < max(self._shown)):
            self._root, new = ObjectView(None, ""), sorted(wanted)
        self._shown = wanted
        for fetch in new:
            for place, given in self._given[fetch]:
                self._join(fetch, place, given)
        return self._root

    def _join(self, fetch: int, place: _Place, given: Given) -> None:
        view = _found(self._root, place)
        if view is None:
            return
        if isinstance(given, Gap):
            view.gaps.append(given)
        else:
            view.add(fetch, given)


def is_shown(view: ObjectView, root: ObjectView) -> bool:
    """Whether the object is also in the view with this root; another's object may have its place."""
    return _found(root, _place(view)) is not None


def _found(root: ObjectView, place: _Place) -> ObjectView | None:
    view = object_at(root, place.path)
    if view is None or place.layer is None or any(layer is place.layer for _, layer in view.layers):
        return view
    return None


def _place(view: ObjectView) -> _Place:
    return _Place(view.path(), None if view.parent is None else view.layers[0][1])
