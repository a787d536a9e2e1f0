"""A program as data -> a tree of names for people: what each request finds, and what each field is made of."""

from collections.abc import Sequence
from typing import Any

from botberi_gateway.executor.compiled.layout import EVENT, Layout, Origin, Table
from botberi_gateway.executor.compiled.response import (
    Child,
    Fields,
    Introspected,
    Leaf,
    Object,
    Target,
    Typename,
    WithheldField,
)


def program_tree(layout: Layout, root: Object) -> dict[str, Any]:
    """Requests by their numbers, then the response."""
    tree: dict[str, Any] = {}
    for number, fetch in sorted(layout.fetches.items()):
        entry: dict[str, Any] = {}
        after = sorted(layout.before[number])
        entry |= {"after": [f"fetch {before}" for before in after]} if after else {}
        entry |= {"numbers": "every digit is kept"} if number in layout.exact else {}
        tables = layout.tables.get(number, ())
        entry |= {table.rows: _table(table) for table in tables} if tables else {"gives": "the root"}
        tree[f"fetch {number} ({fetch.subgraph})"] = entry
    tree["response"] = _Printer().target(root)
    return tree


def _table(table: Table) -> dict[str, Any]:
    """A side table: whose objects it is for, and how they find their rows."""
    entry: dict[str, Any] = {"for": [".".join(path) for path in table.paths]}
    if table.entities is None:
        return entry | {"one row": "the root type's"}
    entry["row by"] = f"the key {table.by_key}" if table.by_key is not None else "the object's identity"
    if table.same_as is not None:
        entry["representations"] = f"those of {table.same_as.rows}"
    elif table.derived_from is not None:
        entry["representations"] = f"made of the rows of {table.derived_from.rows}"
    if table.is_contextual:
        entry["contexts"] = [context.variable for context in table.entities.contexts]
    return entry


class _Printer:
    """Prints each object once."""

    def __init__(self) -> None:
        self._printed: set[Target] = set()

    def target(self, target: Target) -> dict[str, Any]:
        kind = str(target.kind)
        if target in self._printed:
            return {kind: "as above"}
        self._printed.add(target)
        entry: dict[str, Any] = {"from": _names(target.origins)}
        if isinstance(target, Object):
            if target.once_per is not None:
                entry["made once for each row of"] = _names([target.once_per])
            return {kind: entry | self._fields(target.fields)}
        if target.type_matters:
            entry["without a type"] = "null, with an error"
        choices = {}
        for choice in target.choices:
            names = [name for name in choice.names if name is not None]
            choices[f"if {' | '.join(names)}"] = self._fields(choice.fields)
        return {kind: entry | choices}

    def _fields(self, fields: Fields) -> dict[str, Any]:
        if fields.is_undecided:
            return {"fields": "left to the interpreter"}
        tree: dict[str, Any] = {}
        for member in fields.members:
            if isinstance(member, Leaf | Child):
                label = f"{member.key}: {member.declared}"
                sources = _names(member.sources) or ["no answer: null, with an error"]
                if isinstance(member, Child) and member.target is not None:
                    tree[label] = {"each of": sources, **self.target(member.target)}
                else:
                    tree[label] = sources
            elif isinstance(member, Typename):
                tree[member.key] = "the object's type"
            elif isinstance(member, Introspected):
                tree[member.key] = "introspection"
            elif isinstance(member, WithheldField):
                tree[member.key] = "withheld: null"
            else:
                tree[member.key] = "no field of the type"
        return tree


def _names(origins: Sequence[Origin]) -> list[str]:
    """Answers by the numbers of their fetches; entities by their tables."""
    return [
        origin.table.rows
        if origin.table is not None
        else "the event"
        if origin.fetch == EVENT
        else f"fetch {origin.fetch}"
        for origin in origins
    ]
