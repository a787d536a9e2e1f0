"""A JSON Schema (2020-12) -> its subschemas and how they lead to one another, references followed.

Only what a validator looks at is followed; `$defs` count where something refers to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from subgraphs.common.errors import FieldProblem

Path = tuple[str, ...]

#: Keywords whose schemas see the same value as the schema that holds them.
_SAME_VALUE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SAME_VALUE: Final = ("not", "if", "then", "else")
_SAME_VALUE_MAPS: Final = ("dependentSchemas", "dependencies")
#: Keywords whose schemas see members or items of the value, whatever their names or positions.
_ANY_MEMBER: Final = ("additionalProperties", "unevaluatedProperties", "propertyNames")
_ANY_ITEM: Final = ("contains", "unevaluatedItems", "additionalItems")
#: What says something to people and nothing to a validator.
_NOTES: Final = frozenset(
    ("title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$defs")
)
#: What would let a reference mean another place than the one it names.
_REFUSED: Final = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
_ONLY_INSIDE: Final = "A reference leads to a place in the schema itself, such as `#/$defs/name`."


@dataclass(slots=True, eq=False)
class Node:
    """One subschema."""

    place: Path
    #: JSON values in it that are no subschemas, and those of them that a validator compares with.
    size: int = 1
    checks: int = 1
    patterns: int = 0
    same: list[Node] = field(default_factory=list)
    members: list[Node] = field(default_factory=list)
    any_member: list[Node] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    any_item: list[Node] = field(default_factory=list)

    def deeper(self) -> Iterator[Node]:
        """Subschemas that see a part of the value."""
        yield from self.members
        yield from self.any_member
        yield from self.items
        yield from self.any_item

    def children(self) -> Iterator[Node]:
        """All subschemas that it leads to."""
        yield from self.same
        yield from self.deeper()


class Graph:
    """The subschemas that a schema's root leads to; `problems` are references that may not be."""

    def __init__(self, schema: Mapping[str, Any], path: Path) -> None:
        self._schema = schema
        self._path = path
        self._nodes: dict[int, Node] = {}
        self.problems: list[FieldProblem] = []
        self.root = self._node(schema, path)
        waiting: list[tuple[Mapping[str, Any], Node]] = [(schema, self.root)]
        while waiting:
            part, node = waiting.pop()
            waiting.extend(self._read(part, node))

    @property
    def nodes(self) -> list[Node]:
        """Every subschema once."""
        return list(self._nodes.values())

    def _node(self, part: Mapping[str, Any], place: Path) -> Node:
        node = self._nodes[id(part)] = Node(place)
        return node

    def _read(self, part: Mapping[str, Any], node: Node) -> list[tuple[Mapping[str, Any], Node]]:
        new: list[tuple[Mapping[str, Any], Node]] = []

        def lead(target: object, place: Path, into: list[Node]) -> None:
            if not isinstance(target, Mapping):
                node.size += 1
                return
            known = self._nodes.get(id(target))
            if known is None:
                known = self._node(target, place)
                new.append((target, known))
            into.append(known)

        for keyword, value in part.items():
            place = (*node.place, keyword)
            if keyword == "$ref" or keyword in _REFUSED or (keyword == "$id" and part is not self._schema):
                if (target := self._referred(keyword, value, place)) is not None:
                    lead(target, place, node.same)
            elif keyword in _SAME_VALUE:
                lead(value, place, node.same)
            elif keyword in _SAME_VALUE_LISTS and isinstance(value, list):
                for number, each in enumerate(value):
                    lead(each, (*place, str(number)), node.same)
            elif keyword in _SAME_VALUE_MAPS and isinstance(value, Mapping):
                for name, each in value.items():
                    lead(each, (*place, name), node.same)
            elif keyword in ("properties", "patternProperties") and isinstance(value, Mapping):
                node.patterns += len(value) if keyword == "patternProperties" else 0
                for name, each in value.items():
                    lead(each, (*place, name), node.members if keyword == "properties" else node.any_member)
            elif keyword in _ANY_MEMBER:
                lead(value, place, node.any_member)
            elif keyword in ("prefixItems", "items") and isinstance(value, list):
                for number, each in enumerate(value):
                    lead(each, (*place, str(number)), node.items)
            elif keyword == "items":
                lead(value, place, node.items)
            elif keyword in _ANY_ITEM:
                lead(value, place, node.any_item)
            else:
                size = _values(value)
                node.size += size
                node.patterns += keyword == "pattern"
                node.checks += 0 if keyword in _NOTES else size
        return new

    def _referred(self, keyword: str, value: object, place: Path) -> object:
        if keyword != "$ref":
            message = f"`{keyword}` is not supported here: {_ONLY_INSIDE[0].lower()}{_ONLY_INSIDE[1:]}"
            self.problems.append(FieldProblem(place, message))
            return None
        if not isinstance(value, str) or not (value == "#" or value.startswith("#/")):
            self.problems.append(FieldProblem(place, _ONLY_INSIDE))
            return None
        target: object = self._schema
        for step in unquote(value[1:]).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, Mapping) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            else:
                self.problems.append(FieldProblem(place, "It refers to a place that the schema does not have."))
                return None
        if not isinstance(target, Mapping | bool):
            self.problems.append(FieldProblem(place, "It refers to something that is no schema."))
            return None
        return target


def _values(value: object) -> int:
    """How many JSON values a value is made of."""
    count, stack = 0, [value]
    while stack:
        part = stack.pop()
        count += 1
        if isinstance(part, Mapping):
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
    return count
