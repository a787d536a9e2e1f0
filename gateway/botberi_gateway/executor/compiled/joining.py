"""A position and the selection there -> source that looks up what entity fetches gave an object, and whether one look serves all equal entities."""

from collections.abc import Collection
from typing import TypeAlias

from graphql import FieldNode, GraphQLNamedType

from botberi_gateway.executor.compiled.layout import KeyPath, Layer, Layout, Table, UnfitKey, leaf_sources
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.walking import TYPENAME, row_of
from botberi_gateway.executor.definitions import is_root_type
from botberi_gateway.executor.selection import FieldGroups

#: A table at a position, its layer there, and the variable of the object's row.
Attached: TypeAlias = tuple[Table, Layer, str]


class Joins:
    """Of one program."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._layout = layout
        self._objects = source.constant("OBJECTS", layout.names.objects)
        self._abstract_names = layout.names.abstract
        self._abstract = source.constant("ABSTRACT", layout.names.abstract)

    def attached(
        self, base: list[Layer], position: KeyPath, wanted: set[str], kind: GraphQLNamedType
    ) -> tuple[list[Layer], list[Attached]]:
        """The object's layers with what entity fetches may have given it, in plan order."""
        tables: list[Attached] = []
        if not base or position == ():
            return base, tables
        for table in self._layout.attached.get(position, ()):
            if not any(key in table.keys for key in wanted):
                continue
            if table.by_key is not None:
                only = table.entities.representations[0] if table.entities is not None else None
                if len(base) != 1 or table.by_key not in base[0].keys or only is None or only.types != {kind.name}:
                    raise UnfitKey(table)
            row, var = self._source.name("i"), self._source.name("e")
            tables.append((table, Layer(table.fetch.id, table.keys, var), row))
        return sorted([*base, *(layer for _, layer, _ in tables)], key=lambda layer: layer.fetch), tables

    def attach(
        self,
        tables: list[Attached],
        base: list[Layer],
        groups: FieldGroups,
        layers: list[Layer],
        known: Collection[int] = (),
    ) -> None:
        """Writes the look-ups in the tables; of those in `known` the row is there already."""
        source = self._source
        keys: dict[str, str] = {}
        # Tables of the same objects share an index: the row is looked up once. (index, whether there must be one) ->
        # its variable
        rows: dict[tuple[str, bool], str] = {}
        for table, layer, row in tables:
            needed = any(
                nodes[0].name.value != TYPENAME and [one for one in layers if key in one.keys] == [layer]
                for key, nodes in groups.items()
            )
            if table.by_key is not None:
                key = keys.get(table.by_key)
                if key is None:
                    key = keys[table.by_key] = self.key(table, base[0])
                # Without it a field is missing, which bails out as a missing key does.
                found = f"{table.index}[{key}]" if needed else f"{table.index}.get({key})"
            else:
                needed = False
                found = row_of(table, base)
            if id(table) in known:
                rows[table.index, needed] = row
            if (table.index, needed) not in rows:
                rows[table.index, needed] = row
                source.line(f"{row} = {found}")
            row = rows[table.index, needed]
            source.line(f"{layer.var} = {'' if needed else f'EMPTY if {row} is None else '}{table.rows}[{row}]")

    def key(self, table: Table, base: Layer) -> str:
        """The variable with the key of the object's entity."""
        var = self._source.name("q")
        self._source.line(f"{var} = {base.var}.get({table.by_key!r})")
        return var

    def memo(
        self,
        base: list[Layer],
        layers: list[Layer],
        tables: list[Attached],
        groups: FieldGroups,
    ) -> Attached | None:
        """The table by whose rows the object is projected once: its representation decides everything that is selected."""
        if len(base) != 1 or not tables:
            return None
        for primary in tables:
            table, layer, _ = primary
            keys = _key_sources(table)
            if keys is None:
                continue
            decided = {id(layer)}
            while True:
                more = {
                    id(other)
                    for other_table, other, _ in tables
                    if id(other) not in decided
                    and (sources := _key_sources(other_table)) is not None
                    and all(
                        source in keys or any(source in lay.keys for lay in layers if id(lay) in decided)
                        for source in sources
                    )
                }
                if not more:
                    break
                decided |= more
            if all(self._is_decided(key, nodes, layers, decided, keys, base[0]) for key, nodes in groups.items()):
                return primary
        return None

    def _is_decided(
        self,
        key: str,
        nodes: list[FieldNode],
        layers: list[Layer],
        decided: set[int],
        keys: set[str],
        base: Layer,
    ) -> bool:
        if nodes[0].name.value == TYPENAME:
            return True
        offering = [layer for layer in layers if key in layer.keys]
        if len(offering) != 1:
            return False
        return id(offering[0]) in decided or (offering[0] is base and key in keys)

    def check_typename(self, layers: list[Layer], kind: GraphQLNamedType, otherwise: str) -> None:
        """What a subgraph calls the object must be its declared type, or something less exact; else the line `otherwise` is for `n`."""
        named = [layer for layer in layers if TYPENAME in layer.keys]
        if not named:
            return
        source = self._source
        fine = source.constant("FINE", frozenset((None, kind.name, *self._abstract_names)))
        if len(named) == 1:
            source.line(f"n = {named[0].var}.get('__typename')")
            test = f"if n != {kind.name!r} and n not in {fine}:"
        else:
            names = ", ".join(f"{layer.var}.get('__typename')" for layer in named)
            source.line(f"n = name_of({self._objects}, {self._abstract}, {names})")
            test = f"if n not in {fine}:"
        if is_root_type(self._layout.schema, kind):
            test = f"if n in {self._objects} and n != {kind.name!r}:"
        with source.block(test):
            source.line(otherwise)


def _key_sources(table: Table) -> set[str] | None:
    """The response keys whose values alone make the representation."""
    if table.entities is None or table.is_contextual or len(table.entities.representations) != 1:
        return None
    (only,) = table.entities.representations
    fields = leaf_sources(only)
    if fields is None or len(only.types) != 1:
        return None
    return {source for _, source in fields}
