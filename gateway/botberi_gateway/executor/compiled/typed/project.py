"""A layout and the client's operation -> the source of `project(...)`: answers' own objects where they are what the client gets, others made of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from graphql import FieldNode, GraphQLObjectType, GraphQLOutputType, SelectionSetNode, is_non_null_type

from botberi_gateway.executor.compiled.layout import KeyPath, Layer, Layout, Table, layers_at_root
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.spending import count_fields, count_items
from botberi_gateway.executor.compiled.typed.answers import Answers, Objects, attribute, projected
from botberi_gateway.executor.compiled.typed.gather import is_list, row_of
from botberi_gateway.executor.compiled.walking import TYPENAME
from botberi_gateway.executor.selection import FieldGroups, Selections

#: CPython takes twenty blocks in one another.
_MOST_LOOPS: Final = 12
#: Writes what is done with an expression.
_Deliver: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Place:
    """Objects of one layer at a position of the response, and what the client selects of them."""

    layer: Layer
    position: KeyPath
    sets: Sequence[SelectionSetNode]
    #: Whether each is met once, so that it may be changed.
    own: bool

    def at(self, var: str) -> "_Place":
        return _Place(Layer(self.layer.fetch, self.layer.keys, var), self.position, self.sets, self.own)


class Project:
    """Writes one function. Objects are changed in place: only this request has them."""

    def __init__(self, source: Source, layout: Layout, selections: Selections, answers: Answers) -> None:
        self._source = source
        self._layout = layout
        self._selections = selections
        self._answers = answers
        #: Lines before all others: what is remembered meanwhile.
        self._first: list[str] = []
        #: Tables that are looked into, and whether something that can't be null is wanted of their entities.
        self._looked_into: dict[int, tuple[Table, bool]] = {}
        self._loops = 0

    def write(self, root_type: GraphQLObjectType, root: SelectionSetNode) -> None:
        """`project(…)` takes what the fetches left behind, and gives the data.

        Raises `ShapeMismatch` and `KeyError`.
        """
        source = self._source
        with source.block(f"def project({', '.join(['x', *self._layout.state()])}):"):
            source.line("spending = x.spending")
            top = len(source.lines)
            groups = self._selections.fields([root], root_type)
            roots = layers_at_root(self._layout)
            values = []
            for key, nodes in groups.items():
                if nodes[0].name.value == TYPENAME:
                    values.append(repr(root_type.name))
                    continue
                offering = [layer for layer in roots if key in self._answers.of(layer.keys).fields]
                if len(offering) != 1:
                    raise Unsupported("a field that several answers give, or none")
                values.append(self._value(offering[0], (), key, nodes, own=True))
            source.line(f"return {self._made(tuple(groups))}({', '.join(values)})")
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

    def _groups(self, place: _Place) -> tuple[Objects, FieldGroups, list[Table]]:
        """What is selected of the objects, and the tables that have something of it."""
        selected = self._answers.of(place.layer.keys)
        groups = self._selections.fields(place.sets, selected.kind)
        tables = [
            table
            for table in self._layout.attached.get(place.position, ())
            if any(key in self._answers.of(table.keys).fields for key in groups if not _is_typename(groups[key]))
        ]
        return selected, groups, tables

    def _stays(self, place: _Place) -> bool:
        """Whether the objects are what the client gets, but perhaps for what is below them."""
        selected, groups, tables = self._groups(place)
        return not tables and selected.put_in_order(tuple(groups)) == tuple(groups)

    def _untouched(self, place: _Place) -> bool:
        """Whether nothing below is to be changed either."""
        if not self._stays(place):
            return False
        _, groups, _ = self._groups(place)
        return all(self._untouched(below) for below in self._below(place, groups))

    def _below(self, place: _Place, groups: FieldGroups) -> list[_Place]:
        return [
            self._inner(place.layer, place.position, key, nodes, own=place.own)
            for key, nodes in groups.items()
            if self._answers.of(place.layer.keys).fields[key][1] is not None
        ]

    def _inner(self, layer: Layer, position: KeyPath, key: str, nodes: list[FieldNode], own: bool) -> _Place:
        sets = [node.selection_set for node in nodes if node.selection_set is not None]
        return _Place(Layer(layer.fetch, layer.keys.below[key], layer.var), (*position, key), sets, own)

    def _object(self, place: _Place, deliver: _Deliver) -> None:
        """Writes what the object in the place's variable needs; `deliver` is called where another takes its place."""
        if place.own and self._stays(place):
            self._change(place)
            return
        self._make(place, deliver)

    def _change(self, place: _Place) -> None:
        """Only what is below the object changes."""
        source, layer = self._source, place.layer
        _, groups, _ = self._groups(place)
        for key, nodes in groups.items():
            kind, below = self._answers.of(layer.keys).fields[key]
            if kind is None or below is None:
                continue
            inner = self._inner(layer, place.position, key, nodes, own=True)
            if self._untouched(inner):
                continue
            var = source.name("v")
            source.line(f"{var} = {layer.var}.{attribute(key)}")
            if self._composite(kind, inner.at(var)):
                source.line(f"{layer.var}.{attribute(key)} = {var}")

    def _make(self, place: _Place, deliver: _Deliver) -> None:
        source, base = self._source, place.layer
        selected, groups, tables = self._groups(place)
        known = self._remembered_by(selected, groups, tables)
        if known is None:
            deliver(self._display(place, selected, groups, tables, None))
            return
        memory, key, value = source.name("memory"), source.name("q"), source.name("v")
        self._first.append(f"{memory} = {{}}")
        source.line(f"{key} = {base.var}.{attribute(known)}")
        source.line(f"{value} = {memory}.get({key})")
        with source.block(f"if {value} is None:"):
            display = self._display(place, selected, groups, tables, key)
            source.line(f"{value} = {memory}[{key}] = {display}")
        deliver(value)

    def _remembered_by(self, selected: Objects, groups: FieldGroups, tables: list[Table]) -> str | None:
        """The key whose value decides all that is selected."""
        keys = {table.by_key for table in tables}
        if len(keys) != 1 or None in keys:
            return None
        (key,) = keys
        for wanted, nodes in groups.items():
            if not _is_typename(nodes) and wanted in selected.fields and wanted != key:
                return None
        return key

    def _display(
        self, place: _Place, selected: Objects, groups: FieldGroups, tables: list[Table], key: str | None
    ) -> str:
        """An expression: the object that the client gets.

        `key` is the variable with the key of its entity, where it is known.
        """
        source, base = self._source, place.layer
        rows: dict[str, str] = {}
        layers: dict[int, tuple[Layer, str]] = {}
        for table in tables:
            row = rows.get(table.index)
            if row is None:
                row = rows[table.index] = source.name("i")
                # Without a row a field is missing.
                found = row_of(table, base, self._answers)
                source.line(f"{row} = {table.index}[{key}]" if key is not None else f"{row} = {found}")
                if key is None:
                    with source.block(f"if {row} is None:"):
                        source.line("raise ShapeMismatch")
            var = source.name("e")
            source.line(f"{var} = {table.rows}[{row}]")
            layers[id(table)] = Layer(table.fetch.id, table.keys, var), row
        values = []
        for wanted, nodes in groups.items():
            if _is_typename(nodes):
                values.append(repr(selected.kind.name))
                continue
            offering = [table for table in tables if wanted in self._answers.of(table.keys).fields]
            own = wanted in selected.fields
            if len(offering) + own != 1:
                raise Unsupported("a field that several answers give, or none")
            if own:
                values.append(self._value(base, place.position, wanted, nodes, place.own))
                continue
            (table,) = offering
            self._look_into(table, wanted)
            layer, row = layers[id(table)]
            values.append(self._value(layer, place.position, wanted, nodes, own=False, table=table, row=row))
        return f"{self._made(tuple(groups))}({', '.join(values)})"

    def _look_into(self, table: Table, key: str) -> None:
        kind, _ = self._answers.of(table.keys).fields[key]
        strict = kind is not None and is_non_null_type(kind)
        self._looked_into[id(table)] = table, strict or self._looked_into.get(id(table), (table, False))[1]

    # -- fields

    def _value(
        self,
        layer: Layer,
        position: KeyPath,
        key: str,
        nodes: list[FieldNode],
        own: bool,
        table: Table | None = None,
        row: str = "",
    ) -> str:
        """An expression: the field's value. Writes what is needed for it."""
        source = self._source
        value = f"{layer.var}.{attribute(key)}"
        kind, below = self._answers.of(layer.keys).fields[key]
        if kind is None or below is None:
            return value
        inner = self._inner(layer, position, key, nodes, own)
        if self._untouched(inner):
            return value
        var = source.name("v")
        source.line(f"{var} = {value}")
        if table is None or len(table.paths) != 1:
            self._composite(kind, inner.at(var))
            return var
        # An entity may be met again, so what is below it changes when it is met first.
        done = source.name("done")
        self._first.append(f"{done} = set()")
        with source.block(f"if {row} not in {done}:"):
            source.line(f"{done}.add({row})")
            if self._composite(
                kind, _Place(Layer(layer.fetch, inner.layer.keys, var), inner.position, inner.sets, True)
            ):
                source.line(f"{value} = {var}")
        return var

    def _composite(self, kind: GraphQLOutputType, place: _Place) -> bool:
        """Writes what makes the place's variable what the client gets; whether another value is assigned to it."""
        source, var = self._source, place.layer.var
        if not is_non_null_type(kind):
            with source.block(f"if {var} is not None:"):
                return self._present(kind, place)
        return self._present(kind.of_type, place)

    def _present(self, kind: GraphQLOutputType, place: _Place) -> bool:
        source, var = self._source, place.layer.var
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
        item = source.name("y")
        self._loops += 1
        if self._loops > _MOST_LOOPS:
            raise Unsupported("lists in lists")
        inner = place.at(item)
        stays = place.own and self._stays(inner)
        count_items(source, var, count_fields(place.sets, self._selections))
        if stays:
            with source.block(f"for {item} in {var}:"):
                self._composite(item_kind, inner)
        else:
            items = source.name("l")
            source.line(f"{items} = []")
            with source.block(f"for {item} in {var}:"):
                self._composite(item_kind, inner)
                source.line(f"{items}.append({item})")
            source.line(f"{var} = {items}")
        self._loops -= 1
        return not stays


def _is_typename(nodes: list[FieldNode]) -> bool:
    return nodes[0].name.value == TYPENAME
