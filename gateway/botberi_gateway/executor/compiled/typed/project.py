"""The response as data -> the source of `project(...)` over typed answers.

Answers' own objects stand in the response where they are what the client gets; others are made of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from graphql import GraphQLOutputType, is_non_null_type

from botberi_gateway.executor.compiled.layout import Layout, Origin, Table, root_name
from botberi_gateway.executor.compiled.response import Child, Leaf, Object, Typename
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.spending import count_items
from botberi_gateway.executor.compiled.typed.answers import Answers, Objects, attribute, projected
from botberi_gateway.executor.compiled.typed.gather import is_list, row_of

#: CPython takes twenty blocks in one another.
_MOST_LOOPS: Final = 12
#: Writes what is done with an expression.
_Deliver: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Place:
    """Objects of one answer in a variable; `fields` is how many are below each."""

    target: Object
    var: str
    #: Whether each is met once, so that it may be changed.
    own: bool
    fields: int = 0

    @property
    def members(self) -> dict[str, Leaf | Child | Typename]:
        """Response key -> where the field comes from. Raises `Unsupported`."""
        if len(self.target.base) != 1:
            raise Unsupported("objects that several answers give")
        return _members(self.target)

    @property
    def tables(self) -> list[Origin]:
        """The tables that have something of the objects."""
        sources = {
            origin for member in self.members.values() if not isinstance(member, Typename) for origin in member.sources
        }
        return [origin for origin in self.target.origins if origin.table is not None and origin in sources]


class Project:
    """Writes one function. Objects are changed in place: only this request has them."""

    def __init__(self, source: Source, layout: Layout, answers: Answers) -> None:
        self._source = source
        self._layout = layout
        self._answers = answers
        #: Lines before all others: what is remembered meanwhile.
        self._first: list[str] = []
        #: Tables that are looked into, and whether something that can't be null is wanted of their entities.
        self._looked_into: dict[int, tuple[Table, bool]] = {}
        self._loops = 0

    def write(self, root: Object) -> None:
        """`project(…)` takes what the fetches left behind, and gives the data.

        Raises `ShapeMismatch` and `KeyError`.
        """
        source = self._source
        with source.block(f"def project({', '.join(['flight', *self._layout.state()])}):"):
            source.line("spending = flight.spending")
            top = len(source.lines)
            values = []
            for member in _members(root).values():
                if isinstance(member, Typename):
                    values.append(repr(root.kind.name))
                    continue
                origin = _source_of(member)
                values.append(self._value(member, root_name(origin.fetch), own=True))
            source.line(f"return {self._made(tuple(_members(root)))}({', '.join(values)})")
            for table, strict in self._looked_into.values():
                # An entity that its subgraph doesn't know has null for every field.
                self._first.append(f"if not KNOWN_{table.rows}.issuperset(map(type, {table.rows})):")
                if strict:
                    self._first.append("    raise ShapeMismatch")
                else:
                    self._first.append(
                        f"    {table.rows} = [UNKNOWN_{table.rows} if e is None else e for e in {table.rows}]"
                    )
            source.lines[top:top] = [f"    {line}" for line in self._first]

    def constants(self) -> Iterator[tuple[str, Any]]:
        """What the source names, once all struct types can be made."""
        for table, strict in self._looked_into.values():
            kind = self._answers.struct(self._answers.of(table.keys))
            yield f"KNOWN_{table.rows}", frozenset((kind,))
            if not strict:
                yield f"UNKNOWN_{table.rows}", kind(*[None] * len(kind.__struct_fields__))  # type: ignore[attr-defined]

    def _made(self, keys: tuple[str, ...]) -> str:
        return self._source.constant("Made", projected(keys))

    # -- objects

    def _selected(self, place: _Place) -> Objects:
        """What the answer has of the objects."""
        return self._answers.of(place.target.base[0].keys)

    def _stays(self, place: _Place) -> bool:
        """Whether the objects are what the client gets, but perhaps for what is below them."""
        keys = tuple(place.members)
        return not place.tables and self._selected(place).put_in_order(keys) == keys

    def _untouched(self, place: _Place) -> bool:
        """Whether nothing below is to be changed either."""
        return self._stays(place) and all(
            self._untouched(self._inner(member, place.own))
            for member in place.members.values()
            if isinstance(member, Child)
        )

    def _inner(self, member: Child, own: bool, var: str = "") -> _Place:
        """The objects in a field."""
        if not isinstance(member.target, Object):
            raise Unsupported("objects of an abstract type")
        return _Place(member.target, var, own, member.fields)

    def _object(self, place: _Place, deliver: _Deliver) -> None:
        """Writes what the object in the place's variable needs; `deliver` is called where another takes its place."""
        if place.own and self._stays(place):
            self._change(place)
            return
        self._make(place, deliver)

    def _change(self, place: _Place) -> None:
        """Only what is below the object changes."""
        source = self._source
        for key, member in place.members.items():
            if not isinstance(member, Child) or self._untouched(self._inner(member, own=True)):
                continue
            var = source.name(f"v_{key}_")
            source.line(f"{var} = {place.var}.{attribute(key)}")
            if self._composite(member.declared, self._inner(member, own=True, var=var)):
                source.line(f"{place.var}.{attribute(key)} = {var}")

    def _make(self, place: _Place, deliver: _Deliver) -> None:
        source = self._source
        known = self._remembered_by(place)
        if known is None:
            deliver(self._display(place, None))
            return
        memory, key, value = source.name("memory"), source.name("key"), source.name("shared")
        self._first.append(f"{memory} = {{}}")
        source.line(f"{key} = {place.var}.{attribute(known)}")
        source.line(f"{value} = {memory}.get({key})")
        with source.block(f"if {value} is None:"):
            display = self._display(place, key)
            source.line(f"{value} = {memory}[{key}] = {display}")
        deliver(value)

    def _remembered_by(self, place: _Place) -> str | None:
        """The key whose value decides all that is selected."""
        keys = {origin.table.by_key for origin in place.tables if origin.table is not None}
        if len(keys) != 1 or None in keys:
            return None
        (key,) = keys
        for wanted, member in place.members.items():
            if isinstance(member, Leaf | Child) and place.target.base[0] in member.sources and wanted != key:
                return None
        return key

    def _display(self, place: _Place, key: str | None) -> str:
        """An expression: the object that the client gets.

        `key` is the variable with the key of its entity, where it is known.
        """
        source, base = self._source, place.target.base[0]
        rows: dict[str, str] = {}
        entities: dict[Origin, tuple[str, str]] = {}
        for origin in place.tables:
            table = origin.table
            assert table is not None
            row = rows.get(table.index)
            if row is None:
                row = rows[table.index] = source.name("row")
                # Without a row a field is missing.
                found = row_of(table, base.keys, place.var, self._answers)
                source.line(f"{row} = {table.index}[{key}]" if key is not None else f"{row} = {found}")
                if key is None:
                    with source.block(f"if {row} is None:"):
                        source.line("raise ShapeMismatch")
            var = source.name("entity")
            source.line(f"{var} = {table.rows}[{row}]")
            entities[origin] = var, row
        values = []
        for member in place.members.values():
            if isinstance(member, Typename):
                values.append(repr(place.target.kind.name))
                continue
            origin = _source_of(member)
            if origin is base:
                values.append(self._value(member, place.var, place.own))
                continue
            assert origin.table is not None
            self._look_into(origin.table, member.declared)
            var, row = entities[origin]
            values.append(self._value(member, var, own=False, table=origin.table, row=row))
        return f"{self._made(tuple(place.members))}({', '.join(values)})"

    def _look_into(self, table: Table, kind: GraphQLOutputType) -> None:
        strict = is_non_null_type(kind) or self._looked_into.get(id(table), (table, False))[1]
        self._looked_into[id(table)] = table, strict

    # -- fields

    def _value(self, member: Leaf | Child, var: str, own: bool, table: Table | None = None, row: str = "") -> str:
        """An expression: the field's value, of the object in `var`. Writes what is needed for it."""
        source = self._source
        value = f"{var}.{attribute(member.key)}"
        if isinstance(member, Leaf):
            return value
        inner = self._inner(member, own)
        if self._untouched(inner):
            return value
        var = source.name(f"v_{member.key}_")
        source.line(f"{var} = {value}")
        inner = replace(inner, var=var)
        if table is None or len(table.paths) != 1:
            self._composite(member.declared, inner)
            return var
        # An entity may be met again, so what is below it changes when it is met first.
        done = source.name("done")
        self._first.append(f"{done} = set()")
        with source.block(f"if {row} not in {done}:"):
            source.line(f"{done}.add({row})")
            if self._composite(member.declared, replace(inner, own=True)):
                source.line(f"{value} = {var}")
        return var

    def _composite(self, kind: GraphQLOutputType, place: _Place) -> bool:
        """Writes what makes the place's variable what the client gets; whether another value is assigned to it."""
        source, var = self._source, place.var
        if not is_non_null_type(kind):
            with source.block(f"if {var} is not None:"):
                return self._present(kind, place)
        return self._present(kind.of_type, place)

    def _present(self, kind: GraphQLOutputType, place: _Place) -> bool:
        source, var = self._source, place.var
        if not is_list(kind):
            changed = []

            def assign(expression: str) -> None:
                changed.append(True)
                source.line(f"{var} = {expression}")

            mark = len(source.lines)
            self._object(place, assign)
            if len(source.lines) == mark:
                source.line("pass")
            return bool(changed)
        item_kind = kind.of_type  # type: ignore[union-attr]
        item = source.name("item")
        self._loops += 1
        if self._loops > _MOST_LOOPS:
            raise Unsupported("lists in lists")
        inner = replace(place, var=item)
        stays = place.own and self._stays(inner)
        count_items(source, var, place.fields)
        if stays:
            with source.block(f"for {item} in {var}:"):
                self._composite(item_kind, inner)
        else:
            items = source.name("items")
            source.line(f"{items} = []")
            with source.block(f"for {item} in {var}:"):
                self._composite(item_kind, inner)
                source.line(f"{items}.append({item})")
            source.line(f"{var} = {items}")
        self._loops -= 1
        return not stays


def _members(target: Object) -> dict[str, Leaf | Child | Typename]:
    members: dict[str, Leaf | Child | Typename] = {}
    for member in target.fields.members:
        if not isinstance(member, Leaf | Child | Typename):
            raise Unsupported("a field that several answers give, or none")
        members[member.key] = member
    return members


def _source_of(member: Leaf | Child) -> Origin:
    """The only source of a field. Raises `Unsupported`."""
    if len(member.sources) != 1:
        raise Unsupported("a field that several answers give, or none")
    return member.sources[0]
