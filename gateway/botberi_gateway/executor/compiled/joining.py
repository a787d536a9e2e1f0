"""An object of the response -> source that looks up what entity fetches gave it, and checks what it is called."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from graphql import GraphQLNamedType

from botberi_gateway.executor.compiled.layout import Layout, Origin, Table
from botberi_gateway.executor.compiled.response import Target
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.walking import TYPENAME, row_of
from botberi_gateway.executor.definitions import is_root_type


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one object: of its parts, and of the rows of those that are entities'."""

    base: Sequence[str]
    parts: dict[Origin, str]
    rows: dict[Origin, str]

    def offering(self, key: str) -> list[str]:
        """The parts that may have the key."""
        return [var for origin, var in self.parts.items() if key in origin.keys]


class Joins:
    """Writes look-ups for the objects of one program."""

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source = source
        self._schema = layout.schema
        self._objects = source.constant("OBJECTS", layout.names.objects)
        self._abstract_names = layout.names.abstract
        self._abstract = source.constant("ABSTRACT", layout.names.abstract)

    def variables(self, target: Target, base: Sequence[str]) -> Variables:
        """Names for the parts of an object; `base` are the variables of those that are at hand."""
        known = dict(zip(target.base, base, strict=True))
        parts, rows = {}, {}
        for origin in target.origins:
            if origin.table is None:
                parts[origin] = known[origin]
            else:
                rows[origin], parts[origin] = self._source.name("row"), self._source.name("entity")
        return Variables(base, parts, rows)

    def look_up(self, variables: Variables, known: Collection[Origin] = ()) -> None:
        """Writes the look-ups in the tables; of those in `known` the row is there already."""
        source = self._source
        keys: dict[str, str] = {}
        # Tables of the same objects share an index: the row is looked up once. (index, whether there must be one) ->
        # its variable
        rows: dict[tuple[str, bool], str] = {}
        for origin, row in variables.rows.items():
            table = origin.table
            assert table is not None
            if table.by_key is not None:
                key = keys.get(table.by_key)
                if key is None:
                    key = keys[table.by_key] = self.key(table, variables)
                # Without it a field is missing, which bails out as a missing key does.
                expression = f"{table.index}[{key}]" if origin.is_required else f"{table.index}.get({key})"
            else:
                expression = row_of(table, variables.base)
            mark = table.index, origin.is_required
            if origin in known:
                rows[mark] = row
            if mark not in rows:
                rows[mark] = row
                source.line(f"{row} = {expression}")
            row = rows[mark]
            otherwise = "" if origin.is_required else f"EMPTY if {row} is None else "
            source.line(f"{variables.parts[origin]} = {otherwise}{table.rows}[{row}]  # by fetch {origin.fetch}")

    def key(self, table: Table, variables: Variables) -> str:
        """The variable with the key of the object's entity."""
        var = self._source.name("key")
        self._source.line(f"{var} = {variables.base[0]}.get({table.by_key!r})")
        return var

    def name(self, variables: Variables) -> bool:
        """Writes what the object is called into `type_name`; False where nothing says that."""
        named = [f"{var}.get('__typename')" for var in variables.offering(TYPENAME)]
        if not named:
            return False
        only = named[0] if len(named) == 1 else f"name_of({self._objects}, {self._abstract}, {', '.join(named)})"
        self._source.line(f"type_name = {only}")
        return True

    def check_name(self, variables: Variables, kind: GraphQLNamedType, otherwise: str) -> None:
        """What a subgraph calls the object must be its declared type, or something less exact.

        Else the line `otherwise` is for `type_name`.
        """
        if not self.name(variables):
            return
        fine = self._source.constant("FINE", frozenset((None, kind.name, *self._abstract_names)))
        if is_root_type(self._schema, kind):
            test = f"if type_name in {self._objects} and type_name != {kind.name!r}:"
        elif len(variables.offering(TYPENAME)) == 1:
            test = f"if type_name != {kind.name!r} and type_name not in {fine}:"
        else:
            test = f"if type_name not in {fine}:"
        with self._source.block(test):
            self._source.line(otherwise)
