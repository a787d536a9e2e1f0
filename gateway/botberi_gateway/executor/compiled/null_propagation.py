"""A layout and the client's operation -> the source of `project` once more, for answers with nulls where none may be, and for what was lost.

Nulls propagate; what is lost has an error. It knows the path of every object, which costs; so it is written and
compiled when a program first meets such an answer.
"""

from collections.abc import Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from botberi_gateway.executor.compiled.blame import Givers
from botberi_gateway.executor.compiled.layout import KeyPath, Layer, Layout
from botberi_gateway.executor.compiled.project import Deliver, Project
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.walking import TYPENAME
from botberi_gateway.executor.definitions import definition_of
from botberi_gateway.executor.selection import FieldGroups, Selections


class NullPropagation(Project):
    """`p` is the path of the object that a function projects; it gives None where a null propagated up to the object.

    `r` is the flight's `Report`, `w` its `FieldErrors`, `m` how many there were before the object.
    """

    helpers: tuple[str, ...] = ("r", "w")
    parameters: tuple[str, ...] = ("p",)
    _impossible = "return r.impossible(n)"
    #: What calls pass on beside the path.
    passed = ""

    def __init__(self, source: Source, layout: Layout, selections: Selections, state: Sequence[str]) -> None:
        super().__init__(source, layout, selections, state)
        self._givers = Givers(layout)

    def _begin(self) -> None:
        self._source.line("p = ()")
        self._enter()

    def _enter(self) -> None:
        self._count("m")

    def _count(self, mark: str) -> None:
        """What is found from here on may be lost again."""
        self._source.line(f"{mark} = len(w.entries)")

    def _lose(self, mark: str, place: str) -> None:
        """A null propagates to the place."""
        self._source.line(f"w.lose({mark}, {place})")

    def _object(
        self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, groups: FieldGroups, deliver: Deliver
    ) -> None:
        layers, tables = self._joins.attached(base, position, {TYPENAME, *groups}, kind)
        self._joins.attach(tables, base, {}, layers)
        self._joins.check_typename(layers, kind, self._impossible)
        self._fields(layers, position, kind, groups, repr(kind.name), deliver)

    def _field(
        self,
        layers: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        key: str,
        nodes: list[FieldNode],
        sets: Any,
        typename: str,
        root: bool,
    ) -> str:
        source = self._source
        name = nodes[0].name.value
        definition = definition_of(self._schema, kind, name)
        if definition is None or name == TYPENAME or (root and name in ("__schema", "__type")):
            return super()._field(layers, position, kind, key, nodes, sets, typename, root)
        declared = definition.type
        nullable = declared.of_type if is_non_null_type(declared) else declared
        value, here, label = source.name("v"), f"(*p, {key!r})", f"{typename} + {'.' + name!r}"
        offering = [layer for layer in layers if key in layer.keys]
        if not offering and self._is_withheld(position, kind, key):
            return self._withheld(key, layers)
        lost = f"{value} = r.lost(p, {key!r}{self._blamed(layers, position, key, kind.name)})"
        if not offering:
            source.line(lost)
        elif is_leaf_type(get_named_type(declared)):
            if len(offering) == 1:
                source.line(f"{value} = {offering[0].var}.get({key!r}, M)")
            else:
                source.line(f"{value} = first({key!r}, {', '.join(layer.var for layer in offering)})")
            with source.block(f"if {value} is M:"):
                source.line(lost)
            with source.block("else:"):
                self._check_leaves(nullable, value, here, label)
                source.line("pass")
        else:
            below = [Layer(layer.fetch, layer.keys.below[key], layer.var) for layer in offering]
            function = self._function(below, (*position, key), get_named_type(declared), sets)
            values = [value] if len(offering) == 1 else [source.name("v") for _ in offering]
            for var, layer in zip(values, offering, strict=True):
                source.line(f"{var} = {layer.var}.get({key!r}, M)")
            with source.block(f"if {' is '.join(values)} is M:"):
                source.line(lost)
            with source.block("else:"):
                self._propagate(nullable, values, value, function, here, label, sets)
        if is_non_null_type(declared):
            with source.block(f"if {value} is None:"):
                source.line(f"w.propagate({here}, {label})")
                self._lose("m", "p")
                source.line("return None")
        return value

    def _blamed(self, layers: list[Layer], position: KeyPath, key: str, type_name: str) -> str:
        """More arguments: the object of the only answer that may have the field; and the object itself, and who gives it the field."""
        only = self._givers.only(layers, position, key)
        if only is None:
            return ""
        (offering,) = (layer for layer in layers if key in layer.keys)
        tables = self._layout.attached.get(position, ())
        base = [layer for layer in layers if not any(table.keys is layer.keys for table in tables)]
        giver = self._givers.of(layers, position, key, type_name)
        if giver is None or len(base) != 1:
            return f", {offering.var}"
        return f", {offering.var}, {base[0].var}, {self._source.constant('GIVER', giver)}"

    def _no_type(self, kind: GraphQLNamedType, matters: bool) -> None:
        if isinstance(kind, GraphQLInterfaceType) and matters:
            with self._source.block(f"if n is None or n in {self._abstract}:"):
                self._source.line(f"return r.untyped(p, {kind.name!r})")
        super()._no_type(kind, matters)

    def _check_leaves(self, kind: GraphQLOutputType, value: str, here: str, label: str) -> None:
        """Checks a nullable leaf, or lists of leaves; `here` is the expression of its path."""
        source = self._source
        if not is_list_type(kind):
            test = self._leaves.wrong(cast(GraphQLNamedType, kind), value, False)
            if test is not None:
                with source.block(f"if {test}:"):
                    source.line(f"{value} = r.leaf({source.constant('TYPE', kind)}, {value}, {here}, {label})")
            return
        item_kind = kind.of_type
        place, mark, items = source.name("q"), source.name("m"), source.name("l")
        number, item = source.name("j"), source.name("y")
        with source.block(f"if {value}.__class__ is list:"):
            source.line(f"{place} = {here}")
            self._count(mark)
            source.line(f"{items} = []")
            with source.block(f"for {number}, {item} in enumerate({value}):"):
                nullable = item_kind.of_type if is_non_null_type(item_kind) else item_kind
                self._check_leaves(nullable, item, f"(*{place}, {number})", label)
                self._end_item(item_kind, item, items, f"(*{place}, {number})", mark, place, label)
            source.line(f"{value} = {items}")
        with source.block(f"elif {value} is not None:"):
            source.line(f"{value} = r.wrong('is not a list', {here}, {label})")

    def _end_object(self, value: str, here: str, label: str) -> None:
        """An object of a type that the field can't have is null, and an error."""
        source = self._source
        with source.block(f"if {value} is IMPOSSIBLE:"):
            source.line(f'{value} = r.wrong("is of a type that it can\'t have", {here}, {label})')

    def _end_item(
        self, kind: GraphQLOutputType, item: str, items: str, here: str, mark: str, place: str, label: str
    ) -> None:
        """Into the list with it; a null that may not be there makes the list null."""
        source = self._source
        if is_non_null_type(kind):
            with source.block(f"if {item} is None:"):
                source.line(f"w.propagate({here}, {label})")
                self._lose(mark, place)
                source.line(f"{items} = None")
                source.line("break")
        source.line(f"{items}.append({item})")

    def _propagate(
        self, kind: GraphQLOutputType, values: list[str], into: str, function: str, here: str, label: str, sets: Any
    ) -> None:
        """An object or lists of objects, nullable, whose layers are in `values`; `here` is the expression of its path."""
        source = self._source
        if not is_list_type(kind):
            if len(values) == 1:
                with source.block(f"if {values[0]}.__class__ is dict:"):
                    source.line(f"{into} = {function}({values[0]}, {here}{self.passed})")
                    self._end_object(into, here, label)
                with source.block(f"elif {values[0]} is not None:"):
                    source.line(f"{into} = r.wrong('is not an object', {here}, {label})")
            else:
                source.line(f"{into} = strict_objects({', '.join(values)})")
                with source.block(f"if {into} is not None:"):
                    source.line(f"{into} = {function}(*{into}, {here}{self.passed})")
                    self._end_object(into, here, label)
            return
        item_kind = kind.of_type
        nullable = item_kind.of_type if is_non_null_type(item_kind) else item_kind
        listed, items, number, place = into, source.name("l"), source.name("j"), source.name("q")
        if len(values) == 1:
            listed = values[0]
            with source.block(f"if {listed}.__class__ is not list and {listed} is not None:"):
                source.line(f"{listed} = r.wrong('is not a list', {here}, {label})")
        else:
            source.line(f"{listed} = strict_rows({', '.join(values)})")
        with source.block(f"if {listed} is not None:"):
            mark = source.name("m")
            self._count_items(listed, sets)
            source.line(f"{place} = {here}")
            self._count(mark)
            source.line(f"{items} = []")
            parts = [source.name("y") for _ in values]
            item = parts[0] if len(parts) == 1 else source.name("y")
            shown = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
            with source.block(f"for {number}, {shown} in enumerate({listed}):"):
                self._propagate(nullable, parts, item, function, f"(*{place}, {number})", label, sets)
                self._end_item(item_kind, item, items, f"(*{place}, {number})", mark, place, label)
            source.line(f"{into} = {items}")
