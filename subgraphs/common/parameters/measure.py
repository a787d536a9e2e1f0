"""A JSON Schema's graph -> how large it is with its references expanded, and how much work one value can make of it.

Everything is counted in time linear in the schema (times the depth that a value may have), never by expanding: twenty
definitions that each name the next one twice are 600 characters and a million schemas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared_schema.json_text import MAX_DEPTH as MAX_VALUE_DEPTH
from subgraphs.common.errors import FieldProblem
from subgraphs.common.parameters.graph import Graph, Node, Path

#: JSON values of a schema once each reference is replaced by what it leads to; a circle counts once. What people write
#: has some hundreds; a form that is made from more is unusable.
MAX_EXPANDED: Final = 20_000
#: Schemas within schemas, references followed; a circle counts once.
MAX_DEPTH: Final = 100
#: Comparisons that one place of a value can need: the bound of a check's time, with the value's own size.
MAX_CHECKS: Final = 5_000
#: Regular expressions; each is compiled.
MAX_PATTERNS: Final = 200


@dataclass(frozen=True, slots=True)
class SchemaSize:
    """Counts of one schema; each stops growing just above its limit."""

    expanded: int
    depth: int
    checks: int
    patterns: int
    #: It leads to itself without going deeper into the value.
    is_endless: bool

    def problems(self, path: Path) -> list[FieldProblem]:
        """Parts of the schema that are too large."""
        if self.is_endless:
            return [FieldProblem(path, "The schema leads back to itself without going deeper into the value.")]
        scope = "with its references expanded"
        limits = (
            (self.expanded > MAX_EXPANDED, f"The schema has more than {MAX_EXPANDED:,} values {scope}."),
            (self.depth > MAX_DEPTH, f"The schema is nested more than {MAX_DEPTH} levels deep {scope}."),
            (self.checks > MAX_CHECKS, f"One value can need more than {MAX_CHECKS:,} comparisons by this schema."),
            (self.patterns > MAX_PATTERNS, f"The schema has more than {MAX_PATTERNS} patterns."),
        )
        return [FieldProblem(path, message) for exceeded, message in limits if exceeded]


def measure(graph: Graph) -> SchemaSize:
    """Count a schema."""
    circles = _circles(graph.root)
    expanded, depth = _expanded(graph.root, circles)
    order = _same_value_order(graph.nodes)
    return SchemaSize(
        expanded=expanded,
        depth=depth,
        checks=MAX_CHECKS + 1 if order is None else _checks(graph.root, circles, order),
        patterns=sum(node.patterns for node in graph.nodes),
        is_endless=order is None,
    )


def _expanded(root: Node, circles: list[list[Node]]) -> tuple[int, int]:
    """Values, and depth, with references expanded, where all schemas of one circle count once."""
    size: dict[int, int] = {}
    depth: dict[int, int] = {}
    circle_of: dict[Node, int] = {}
    for number, circle in enumerate(circles):
        for node in circle:
            circle_of[node] = number
        leaving = [circle_of[child] for node in circle for child in node.children() if circle_of[child] != number]
        size[number] = min(sum(node.size for node in circle) + sum(map(size.__getitem__, leaving)), MAX_EXPANDED + 1)
        depth[number] = min(len(circle) + max(map(depth.__getitem__, leaving), default=0), MAX_DEPTH + 1)
    return size[circle_of[root]], depth[circle_of[root]]


def _circles(root: Node) -> list[list[Node]]:
    """Sets of schemas that lead to one another, each after those that it leads to (Tarjan's algorithm, iterative)."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    circles: list[list[Node]] = []
    index[root] = low[root] = 0
    open_nodes.append(root)
    is_open.add(root)
    work = [(root, root.children())]
    while work:
        node, children = work[-1]
        for child in children:
            if child not in index:
                index[child] = low[child] = len(index)
                open_nodes.append(child)
                is_open.add(child)
                work.append((child, child.children()))
                break
            if child in is_open:
                low[node] = min(low[node], index[child])
        else:
            work.pop()
            if work:
                above = work[-1][0]
                low[above] = min(low[above], low[node])
            if low[node] == index[node]:
                circle = [open_nodes.pop()]
                while circle[-1] is not node:
                    circle.append(open_nodes.pop())
                is_open.difference_update(circle)
                circles.append(circle)
    return circles


def _checks(root: Node, circles: list[list[Node]], order: list[Node]) -> int:
    """The most comparisons along any one way into a value as deep as a value may be.

    A bound from above: schemas for the same member add up, those for different members do not.
    """
    # Schemas that lead into no circle need the same at any depth: they are counted once, those that they lead to first.
    settled: dict[Node, int] = {}
    for circle in circles:
        (node, *others) = circle
        if not others and all(child in settled for child in node.children()):
            settled[node] = _here(node, settled, settled)
    circling = [node for node in order if node not in settled]
    below = {**settled, **dict.fromkeys(circling, 0)}
    for _ in range(MAX_VALUE_DEPTH + 1):
        present = dict(settled)
        for node in circling:
            present[node] = _here(node, present, below)
        if present == below or present[root] > MAX_CHECKS:
            return present[root]
        below = present
    return below[root]


def _here(node: Node, present: dict[Node, int], below: dict[Node, int]) -> int:
    as_object = max((below[each] for each in node.members), default=0) + sum(below[each] for each in node.any_member)
    as_list = max((below[each] for each in node.items), default=0) + sum(below[each] for each in node.any_item)
    return min(node.checks + sum(present[each] for each in node.same) + max(as_object, as_list), MAX_CHECKS + 1)


def _same_value_order(nodes: list[Node]) -> list[Node] | None:
    """Each schema after those that see the same value; None where there is a circle of such."""
    waiting = {node: len(node.same) for node in nodes}
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for each in node.same:
            users.setdefault(each, []).append(node)
    ready = [node for node, count in waiting.items() if not count]
    order: list[Node] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for user in users.get(node, ()):
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return order if len(order) == len(nodes) else None
