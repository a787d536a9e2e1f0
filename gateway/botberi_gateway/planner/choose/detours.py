"""Ways through further subgraphs, which give the keys that no entry at the position has.

The shortest first (Dijkstra's algorithm).
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from botberi_gateway.planner.choose.goal import Goal
from botberi_gateway.planner.choose.key_jumps import KeyJumps
from botberi_gateway.planner.choose.policy import RequestKey, Route
from botberi_gateway.planner.choose.run import Run
from botberi_gateway.query_graph import Host, KeyEdge, key_parts


class _Way(NamedTuple):
    """A host that can be reached.

    Ways are taken in the order of their steps, then of their requests, then of their hosts.
    """

    step: int
    request_count: int
    host: Host
    #: Which way was found first, where all else is equal.
    number: int
    requests: tuple[RequestKey, ...]
    #: The last jump; None where the way starts.
    key_edge: KeyEdge | None


class _Reached(NamedTuple):
    """A host that has been reached, after which step and by which requests."""

    step: int
    requests: tuple[RequestKey, ...]


class Detours:
    """Finds such ways for one run."""

    def __init__(self, run: Run, jumps: KeyJumps) -> None:
        self.run = run
        self.jumps = jumps

    def find(self, goal: Goal, host: Host) -> Route | None:
        """The shortest way that ends with an entity jump to the host."""
        if not goal.position.entries:
            return None
        ways = self._starts(goal, host)
        type_name = min(goal.types)
        #: By key: after which step each of its fields is given here (`KeyJumps.given_after`).
        first_steps: dict[str, list[int | None]] = {}
        reached: dict[Host, _Reached] = {}
        count = len(ways)
        while ways:
            way = heappop(ways)
            if way.host == host and way.key_edge is not None:
                return Route(host[0], way.step, way.requests, key_edge=way.key_edge)
            if way.host in reached:
                continue
            reached[way.host] = _Reached(way.step, way.requests)
            for edge in self._open_edges(goal, type_name, host, reached):
                if edge.key not in first_steps:
                    first_steps[edge.key] = [
                        self.jumps.given_after(goal.position, goal.types, part, goal.conditions)
                        for part in key_parts(edge.key)
                    ]
                jump = self._jump(type_name, edge, first_steps[edge.key], reached)
                if jump is not None:
                    requests = (*jump.requests, (jump.step, edge.graph))
                    count += 1
                    heappush(ways, _Way(jump.step, len(requests), edge.host, count, requests, edge))
        return None

    def _starts(self, goal: Goal, host: Host) -> list[_Way]:
        """The entries at the position, and field moves from the parent in other subgraphs."""
        position = goal.position
        ways: list[_Way] = []
        for entry in position.entries:
            if goal.types <= entry.types and self.run.local.is_usable(entry, position, goal.conditions):
                heappush(ways, _Way(entry.group.step, 0, entry.host, len(ways), (), None))
        if position.field is None or position.parent is None:
            return ways
        for resolver in self.run.graph.resolvers(min(position.parent_types), position.field.name):
            below = self.run.graph.subgraph_type(resolver.graph, resolver.field.type_name)
            there = (resolver.graph, "" if below is None else below.as_interface)
            if there != host and all(way.host != there for way in ways):
                route = self.run.calls.through_parent(goal.of_objects(), there)
                if route is not None:
                    requests = route.new_requests
                    heappush(ways, _Way(route.step, len(requests), there, len(ways), requests, None))
        return ways

    def _open_edges(self, goal: Goal, type_name: str, host: Host, reached: dict[Host, _Reached]) -> Sequence[KeyEdge]:
        """Keys that lead to hosts not yet reached, or to the target.

        Objects that come from the target may have to go back to it, with required fields.
        """
        may_send_types = self.jumps.may_send_types(goal.position)
        edges = []
        for edge in self.run.graph.key_edges(type_name):
            if not edge.as_interface and not may_send_types:
                continue
            there = edge.host
            if there in reached and there != host:
                continue
            if not self.jumps.is_open(goal.position, there, goal.types):
                edges.append(edge)
        return edges

    def _jump(
        self, type_name: str, edge: KeyEdge, first_steps: Sequence[int | None], reached: dict[Host, _Reached]
    ) -> _Reached | None:
        """The jump's step and the requests before it, when each field of the key comes from where it is first.

        Here, or a reached host.
        """
        step = 0
        requests: dict[RequestKey, None] = {}
        for part, here in zip(key_parts(edge.key), first_steps, strict=True):
            best: tuple[int, int, tuple[RequestKey, ...]] | None = None if here is None else (here, 0, ())
            for resolver in self.run.graph.resolvers(type_name, part.name):
                source = reached.get(resolver.host)
                if source is not None and not resolver.field.needs_more:
                    below = self.jumps.steps_below(resolver.graph, resolver.type_name, part)
                    rank = (source.step + below, len(source.requests))
                    if best is None or rank < best[:2]:
                        best = (*rank, source.requests)
            if best is None:
                return None
            step = max(step, best[0])
            requests.update(dict.fromkeys(best[2]))
        return _Reached(step + 1, tuple(requests))
