"""A fetch's `Entities` -> source that walks typed answers and makes representations.

It is `compiled.gather` without its checks.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from graphql import (
    GraphQLEnumType,
    GraphQLOutputType,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
)

from botberi_gateway.executor.compiled.gather import literal, note_key, note_row, together
from botberi_gateway.executor.compiled.layout import (
    KeyPath,
    Layer,
    Layout,
    Table,
    base_layers,
    layers_at_root,
    leaf_sources,
    tables_at,
)
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.spending import count_items
from botberi_gateway.executor.compiled.typed.answers import Answers, attribute
from botberi_gateway.executor.compiled.walking import Loops, Walks
from botberi_gateway.executor.shape import Keys
from botberi_gateway.plan import Entities, Fetch, ListItems, Path, TypeCondition

#: Of them alone two values are equal exactly where their JSON is.
_PLAIN = frozenset(("ID", "String", "Int"))


class Gather(Loops):
    """Writes the loops of one fetch. Objects that lack something give no representation, as in compiled code."""

    def __init__(self, source: Source, layout: Layout, fetch: Fetch, walks: Walks, answers: Answers) -> None:
        super().__init__(source, layout, fetch, walks)
        self._answers = answers

    def representations(self, table: Table, entities: Entities) -> None:
        """Appends to the table's list, and fills its index."""
        if table.derived_from is not None:
            self._derived(table, table.derived_from, entities)
            return
        source, rows = self._source, table.index
        if table.by_key is None:
            rows = source.name("seen")
            source.line(f"{rows} = {{}}")
        for path in entities.paths:
            kept = self._list_for(table, path)
            with self._walk(path) as (layer, position):
                if kept is not None:
                    source.line(f"{kept}.append({layer.var})")
                self._represent(table, entities, layer, position, rows)
            if kept is not None:
                self._walks.keep(path, self._ended, kept)

    def _represent(self, table: Table, entities: Entities, base: Layer, position: KeyPath, rows: str) -> None:
        source = self._source
        (choice,) = entities.representations
        kind = self._answers.of(base.keys).kind
        fields = leaf_sources(choice)
        if fields is None or choice.types != {kind.name}:
            raise Unsupported("representations with objects in them")
        if table.by_key is not None:
            ((name, key),) = fields
            layer = self._offering(base, position, key)
            if layer is not base:
                raise Unsupported("a key from another answer")
            var = source.name("leaf")
            source.line(f"{var} = {self._value(layer, key)}")
            if not is_non_null_type(self._type(layer, key)):
                with source.block(f"if {var} is None:"):
                    source.line("raise ShapeMismatch")
            note_key(source, rows, table.asked, var, literal(repr(kind.name), [f"{name!r}: {var}"]))
            return
        names, parts = [], []
        layers: dict[int, Layer] = {}
        for name, key in fields:
            layer = self._offering(base, position, key, layers)
            var = source.name("leaf")
            source.line(f"{var} = {self._value(layer, key)}")
            names.append(f"{name!r}: {var}")
            parts.append(var)
        source.line(f"fingerprint = {together(parts)}")
        note_row(source, rows, table.asked, literal(repr(kind.name), names))
        source.line(f"{table.index}[id({base.var})] = row")

    def _derived(self, table: Table, other: Table, entities: Entities) -> None:
        """By the rows of a table whose entities tell the representations."""
        source = self._source
        (choice,) = entities.representations
        layer, kind = Layer(other.fetch.id, other.keys, "entity"), self._answers.of(other.keys).kind.name
        source.line("seen = {}")
        with source.block(f"for key, row in {other.index}.items():"):
            source.line(f"entity = {other.rows}[row]")
            with source.block("if entity is None:"):
                source.line("continue")
            names, parts = [], []
            for name, key in leaf_sources(choice) or ():
                var = "key"
                if key != other.by_key:
                    var = source.name("leaf")
                    source.line(f"{var} = {self._value(layer, key)}")
                names.append(f"{name!r}: {var}")
                parts.append(var)
            source.line(f"fingerprint = {together(parts)}")
            note_row(source, "seen", table.asked, literal(repr(kind), names))
            source.line(f"{table.index}[key] = row")

    # -- values

    def _type(self, layer: Layer, key: str) -> GraphQLOutputType:
        kind, _ = self._answers.of(layer.keys).fields[key]
        if kind is None:
            raise Unsupported("a representation with a type's name in it")
        return kind

    def _value(self, layer: Layer, key: str) -> str:
        """An expression: a leaf that a representation is made of."""
        named = get_named_type(self._type(layer, key))
        if not (isinstance(named, GraphQLEnumType) or named.name in _PLAIN) or is_list(self._type(layer, key)):
            raise Unsupported("keys that are no texts or integers")
        return f"{layer.var}.{attribute(key)}"

    def _offering(self, base: Layer, position: KeyPath, key: str, known: dict[int, Layer] | None = None) -> Layer:
        """The one layer of an object that has a key; written so that the object is passed over where it isn't there."""
        source = self._source
        tables = [
            table
            for table in tables_at(self._layout, position, {key}, self._ended)
            if key in self._answers.of(table.keys).fields
        ]
        own = key in self._answers.of(base.keys).fields
        if len(tables) + own != 1:
            raise Unsupported("a field that several answers give, or none")
        if own:
            return base
        (table,) = tables
        if known is not None and id(table) in known:
            return known[id(table)]
        row, var = source.name("row"), source.name("entity")
        source.line(f"{row} = {row_of(table, base.keys, base.var, self._answers)}")
        with source.block(f"if {row} is None:"):
            source.line("continue")
        source.line(f"{var} = {table.rows}[{row}]")
        with source.block(f"if {var} is None:"):
            source.line("continue")
        layer = Layer(table.fetch.id, table.keys, var)
        if known is not None:
            known[id(table)] = layer
        return layer

    @contextmanager
    def _walk(self, path: Path) -> Iterator[tuple[Layer, KeyPath]]:
        """Inside it one writes what is done with each object at a path; gives the object's layer and position."""
        source = self._source
        position: KeyPath = ()
        walked, at = self._walks.start(path, self._ended)
        with ExitStack() as stack:
            if at is None:
                here = layers_at_root(self._layout, self._ended)
                stack.enter_context(source.block("for _ in ONCE:"))
            else:
                known, position = base_layers(self._layout, path[:walked], self._ended)
                if len(known) != 1:
                    raise Unsupported("objects that several answers give")
                here = [Layer(fetch, keys, source.name("node")) for fetch, keys in known]
                stack.enter_context(source.block(f"for {here[0].var} in {at}:"))
            kind: GraphQLOutputType | None = None
            for element in path[walked:]:
                if isinstance(element, str):
                    layer = self._root(here, element) if not position else self._offering(here[0], position, element)
                    value = source.name("node")
                    source.line(f"{value} = {layer.var}.{attribute(element)}")
                    kind = self._type(layer, element)
                    here = [Layer(layer.fetch, layer.keys.below[element], value)]
                    position = (*position, element)
                elif isinstance(element, ListItems) and kind is not None:
                    kind = self._present(here[0].var, kind)
                    item = source.name("node")
                    count_items(source, here[0].var)
                    stack.enter_context(source.block(f"for {item} in {here[0].var}:"))
                    here = [Layer(here[0].fetch, here[0].keys, item)]
                    kind = kind.of_type  # type: ignore[union-attr]
                elif isinstance(element, TypeCondition):
                    if self._answers.of(here[0].keys).kind.name not in element.types:
                        raise Unsupported("a path of another type")
                    continue
                if kind is not None and not is_list(kind):
                    kind = self._present(here[0].var, kind)
            yield here[0], position

    def _root(self, roots: list[Layer], key: str) -> Layer:
        offering = [layer for layer in roots if key in self._answers.of(layer.keys).fields]
        if len(offering) != 1:
            raise Unsupported("a field that several answers give, or none")
        return offering[0]

    def _present(self, var: str, kind: GraphQLOutputType) -> GraphQLOutputType:
        """Passes over null; the type without it."""
        if is_non_null_type(kind):
            return kind.of_type  # type: ignore[no-any-return]
        with self._source.block(f"if {var} is None:"):
            self._source.line("continue")
        return kind


def is_list(kind: GraphQLOutputType) -> bool:
    """Whether values of the type, or those that aren't null, are lists."""
    return is_list_type(get_nullable_type(kind))


def row_of(table: Table, keys: Keys, var: str, answers: Answers) -> str:
    """An expression: the row in a table of the object in `var`, which has these keys; None where it has none."""
    if table.by_key is None:
        return f"{table.index}.get(id({var}))"
    if table.by_key not in answers.of(keys).fields:
        raise Unsupported("a key from another answer")
    return f"{table.index}.get({var}.{attribute(table.by_key)})"
