"""An execution and a fetch -> what the fetch may read of the joined view: what those gave that had surely ended when it began.

Others may have answered, or not yet: were that read, the response would depend on who is quick.
"""

from collections.abc import Iterator
from typing import Any

from gateway.executor.collect import objects_at
from gateway.executor.state import Execution
from gateway.executor.view import ListView, ObjectView
from gateway.plan import Fetch, Path


class Known:
    """Of one fetch, when it begins."""

    def __init__(self, fetch: Fetch, execution: Execution) -> None:
        self._root = execution.root
        self._names = execution.names
        self._seen = self._root
        hidden = execution.gave - execution.before[fetch.id]
        if hidden:
            self._seen = self._root.without(hidden) or ObjectView(None, "")

    def objects_at(self, path: Path) -> Iterator[tuple[ObjectView, ObjectView]]:
        """The objects at a path of the plan: as they may be read, and as they are."""
        for view in objects_at(self._seen, path, self._names):
            yield view, view if self._seen is self._root else self._whole(view)

    def _whole(self, view: ObjectView) -> ObjectView:
        here: Any = self._root
        for key in view.path():
            if isinstance(key, int):
                assert isinstance(here, ListView)
                here = here.items[key]
            else:
                here = here.child(key)
        assert isinstance(here, ObjectView)
        return here
