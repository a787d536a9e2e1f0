"""Sets of subgraphs, one after the other -> their compositions: a set that is like the one before takes less."""

import threading
from collections.abc import Sequence

from gateway.composition.compose import Composition, Known, compose_with
from gateway.composition.subgraph import Subgraph


class Composer:
    """Composes as `compose` does, and remembers of each subgraph what its text alone says.

    For who composes again when one subgraph changed. Holds what it knows of the last set, by name: one entry a subgraph.
    """

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()

    def compose(self, subgraphs: Sequence[Subgraph]) -> Composition:
        """The same answer as `compose(subgraphs)`. Threads take turns."""
        with self._lock:
            return compose_with(subgraphs, self._known)
