"""Sets of subgraphs, one after the other -> their compositions: a set that is like the one before takes less."""

import threading
from collections.abc import Sequence

from botberi_gateway.composition.compose import Composition, Memory, compose_with
from botberi_gateway.composition.subgraph import Subgraph


class Composer:
    """Composes as `compose` does, and reuses what has not changed since the last set of subgraphs.

    It is meant for a caller that composes again when one subgraph changed. It keeps the text of each subgraph as it was
    read, and the types whose subgraphs stayed the same; of sets before the last it keeps nothing.
    """

    def __init__(self) -> None:
        self._memory = Memory()
        self._lock = threading.Lock()

    def compose(self, subgraphs: Sequence[Subgraph]) -> Composition:
        """The same answer as `compose(subgraphs)`. Threads take turns."""
        with self._lock:
            return compose_with(subgraphs, self._memory)
