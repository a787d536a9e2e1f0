"""Entity jumps by a key that the entries of a position give; and which keys may be used where."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.policy import Route
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.planner.conditions import Conditions
from botberi_gateway.planner.fetch_graph import Position
from botberi_gateway.query_graph import Host, KeyEdge, KeyPart, key_parts


class KeyJumps:
    """Finds entity jumps, for one run.

    A jump needs a key, and a route to the key may need another jump. So that no jump waits for itself, it is noted
    while its key is gathered (`open`), and isn't offered meanwhile.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._open: set[tuple[int, Host, frozenset[str]]] = set()
        self._untyped: set[int] = set()

    def edges(self, goal: Goal, host: Host) -> Sequence[KeyEdge]:
        """The keys by which all objects of the goal enter the subgraph.

        Objects of unknown type enter by their interface's key.
        """
        position, types = goal.position, goal.types
        if self.is_open(position, host, types):
            return ()
        graph = self.run.graph
        if position.entries and not any(entry.knows_type for entry in position.entries):
            for interface in dict.fromkeys(entry.as_interface for entry in position.entries):
                by_interface = graph.key_edges_into(interface, *host)
                target = graph.subgraph_type(host[0], interface)
                if by_interface and target is not None and types <= target.possible:
                    return by_interface
        if not host[1] and self._untyped and not self.may_send_types(position):
            return ()
        return graph.key_edges_into(min(types), *host)

    def jump(self, goal: Goal, edge: KeyEdge) -> Route | None:
        """The jump by this key; None where the entries don't give it."""
        self.run.work += 1
        if not goal.position.entries:
            return None
        step = 0
        for part in key_parts(edge.key):
            first_step = self.given_after(goal.position, goal.types, part, goal.conditions)
            if first_step is None:
                return None
            step = max(step, first_step)
        step += 1
        return Route(edge.graph, step, ((step, edge.graph),), key_edge=edge)

    def given_after(
        self, position: Position, types: frozenset[str], part: KeyPart, conditions: Conditions
    ) -> int | None:
        """The first step after which an entry has given this field of a key; None where no entry gives it."""
        gives = self.run.local.gives
        first: int | None = None
        for entry in position.entries:
            if types <= gives(entry, part.name, conditions):
                step = entry.group.step
                if part.below is not None:
                    step += self.steps_below(entry.graph, entry.as_interface or min(types), part)
                if first is None or step < first:
                    first = step
        return first

    def steps_below(self, graph: str, type_name: str, part: KeyPart) -> int:
        """0 where `graph` has all below this field of a key, else the one step more that the rest takes at least."""
        return 0 if part.below is None or self.run.graph.has_below(graph, type_name, part) else 1

    def may_send_types(self, position: Position) -> bool:
        """Whether entities may be sent as objects of their own types: see `without_types`."""
        return id(position) not in self._untyped

    @contextmanager
    def without_types(self, position: Position) -> Iterator[None]:
        """While a way is sought to learn the types of the position's objects.

        Keys of object types aren't offered meanwhile: a representation would have to say the type.
        """
        self._untyped.add(id(position))
        try:
            yield
        finally:
            self._untyped.discard(id(position))

    def is_open(self, position: Position, host: Host, types: frozenset[str]) -> bool:
        """Whether the key of a jump of these objects to this host is being gathered: see `open`."""
        return (id(position), host, types) in self._open

    def open(self, position: Position, host: Host, types: frozenset[str]) -> None:
        """Begin to gather the key of a jump: until `close`, the jump isn't offered as a way to it."""
        self._open.add((id(position), host, types))

    def close(self, position: Position, host: Host, types: frozenset[str]) -> None:
        """The key is gathered."""
        self._open.discard((id(position), host, types))
