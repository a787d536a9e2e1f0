"""What each fetch gave, by place -> the joined view after any set of fetches.

What a fetch reads must not depend on which subgraph answers first, so a view shows chosen fetches in the plan's order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.failure import MissingData
from botberi_gateway.executor.view import JsonObject, ObjectView, object_at, release

#: What a fetch gave for an object: a layer, or why there is none.
Contribution: TypeAlias = JsonObject | MissingData


@dataclass(frozen=True, slots=True)
class _Place:
    """An object that a fetch was for; one of its layers identifies it in other views (None: the root)."""

    path: ResponsePath
    layer: JsonObject | None


class Joined:
    """The joined data of an execution. Fetches are numbered so that none needs data of a later one."""

    def __init__(self, other: "Joined | None" = None) -> None:
        """Share the data of the other, if there is one, but not its views."""
        self._contributions: dict[int, list[tuple[_Place, Contribution]]] = (
            {} if other is None else other._contributions
        )
        self._root = ObjectView(None, "")
        self._former_roots: list[ObjectView] = []
        #: The fetches that `_root` shows.
        self._shown: frozenset[int] = frozenset()

    def put(self, fetch: int, contributions: Iterable[tuple[ObjectView, Contribution]]) -> None:
        """Keep what a fetch that has ended gave to these objects (of any view)."""
        self._contributions[fetch] = [(_place(view), contribution) for view, contribution in contributions]

    def view(self, ended: frozenset[int] | None = None) -> ObjectView:
        """The root of what these fetches gave (None: all that have ended), joined in the plan's order.

        The view goes on growing: a later call may add to a view that was returned before.
        """
        fetches = frozenset(self._contributions) if ended is None else ended.intersection(self._contributions)
        new = sorted(fetches - self._shown)
        if not self._shown <= fetches or (new and self._shown and new[0] < max(self._shown)):
            self._former_roots.append(self._root)
            self._root, new = ObjectView(None, ""), sorted(fetches)
        self._shown = fetches
        for fetch in new:
            for place, contribution in self._contributions[fetch]:
                self._join(fetch, place, contribution)
        return self._root

    def release(self) -> None:
        """Let go of all views, so that they are freed at once. Nothing may read them any more."""
        for root in (self._root, *self._former_roots):
            release(root)

    def _join(self, fetch: int, place: _Place, contribution: Contribution) -> None:
        view = _object_at_place(self._root, place)
        if view is None:
            return
        if isinstance(contribution, MissingData):
            view.missing_data.append(contribution)
        else:
            view.add(fetch, contribution)


def is_shown(view: ObjectView, root: ObjectView) -> bool:
    """Whether the object is also in the view with this root; another's object may have its place."""
    return _object_at_place(root, _place(view)) is not None


def _object_at_place(root: ObjectView, place: _Place) -> ObjectView | None:
    view = object_at(root, place.path)
    if view is None or place.layer is None or any(layer is place.layer for _, layer in view.layers):
        return view
    return None


def _place(view: ObjectView) -> _Place:
    return _Place(view.path(), None if view.parent is None else view.layers[0][1])
