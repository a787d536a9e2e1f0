"""A fetch's `Entities` -> source that walks the answers so far and makes representations.

Equal ones are made once, in the interpreter's order.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from botberi_gateway.executor.compiled.contexts import Contexts, furthest
from botberi_gateway.executor.compiled.layout import (
    KeyPath,
    Layer,
    Layout,
    Table,
    UnfitKey,
    key_path,
    leaf_sources,
    top_sources,
)
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.walking import TYPENAME, Loops, Reach, Walk, Walks, anchor, value_of
from botberi_gateway.plan import Entities, Fetch, KeyField, KeyFragment, KeySelection, Path, Representation


class Gather(Loops):
    """Writes the loops of one fetch.

    They never raise for what a subgraph answered: what is null, absent or of another shape is passed over.
    """

    def __init__(self, source: Source, layout: Layout, fetch: Fetch, walks: Walks) -> None:
        super().__init__(source, layout, fetch, walks)
        self._reach = Reach(source, layout, fetch, walks)
        self._contexts = Contexts(self._reach)

    def targets(self, table: Table, path: Path) -> None:
        """The objects that stand for a root type: each is noted in the table."""
        with Walk(self._reach, path) as (layers, _):
            if layers:
                self._source.line(f"{table.index}[{anchor(layers)}] = 0")

    def representations(self, table: Table, entities: Entities) -> None:
        """Appends to the table's list, and fills its index."""
        source = self._source
        if table.derived_from is not None:
            self._derived(table, table.derived_from, entities)
            return
        rows = table.index
        if not table.by_key and not entities.contexts:
            rows = source.name("seen")
            source.line(f"{rows} = {{}}")
        for path in entities.paths:
            kept = self._list_for(table, path)
            walk = Walk(self._reach, path, furthest(entities.contexts, key_path(path)))
            with walk as (base, position):
                if kept is not None and base:
                    source.line(f"{kept}.append({together([layer.var for layer in base])})")
                self._represent(table, entities, base, position, walk.layers, rows)
            if kept is not None and base:
                self._walks.keep(path, self._ended, kept)

    def _derived(self, table: Table, other: Table, entities: Entities) -> None:
        """By the rows of a table whose entities tell the representations."""
        source = self._source
        (choice,) = entities.representations
        fields = leaf_sources(choice) or ()
        source.line("seen = {}")
        with source.block(f"for key, row in {other.index}.items():"):
            source.line(f"entity = {other.rows}[row]")
            layer = Layer(other.fetch.id, other.keys, "entity")
            names, parts = [], []
            for field, key in fields:
                if key == other.by_key:
                    var = "key"
                else:
                    var = source.name("leaf")
                    source.line(f"{var} = entity.get({key!r}, MISSING)")
                    with source.block(f"if {var} is MISSING:"):
                        source.line("continue")
                names.append(f"{field!r}: {var}")
                parts.append(self._part(var, [layer], key))
            source.line(f"fingerprint = {together(parts)}")
            note_row(source, "seen", table.asked, literal(repr(choice.typename), names))
            source.line(f"{table.index}[key] = row")

    def _part(self, var: str, layers: Sequence[Layer], key: str) -> str:
        """A leaf's part in the key of a representation."""
        rounded = any(key in layer.keys and layer.fetch not in self._layout.exact for layer in layers)
        plain = "plain_id" if rounded else "plain"
        return f"{var} if {var}.__class__ is str or {var}.__class__ is int else {plain}({var})"

    # -- one object

    def _represent(
        self,
        table: Table,
        entities: Entities,
        base: list[Layer],
        position: KeyPath,
        at: Mapping[KeyPath, list[Layer]],
        rows: str,
    ) -> None:
        source, layout = self._source, self._layout
        if not base:
            return
        choices = entities.representations
        wanted = {TYPENAME} | {key for choice in choices for key in top_sources(choice)}
        layers = self._reach.attach(base, position, wanted)
        named = [layer for layer in layers if TYPENAME in layer.keys]
        single = len(choices) == 1
        lone = single and len(choices[0].types) == 1
        if not named:
            if not lone:
                source.line("continue  # of what type the object is isn't known")
                return
            name = None
        else:
            name = source.name("type_name")
            source.line(f"{name} = {self._reach.name(named)}")
            fits: dict[str | None, int] = {}
            for number, choice in enumerate(choices):
                for fitting in layout.names.fitting(choice.types):
                    fits.setdefault(fitting, number)
            if lone:
                fits[None] = 0
            table_of = source.constant("FITS", fits)
            if single:
                usual = next(iter(choices[0].types)) if lone else None
                first = f"{name} != {usual!r} and " if lone else ""
                with source.block(f"if {first}{name} not in {table_of}:"):
                    source.line("continue")
            else:
                source.line(f"choice = {table_of}.get({name})")
                with source.block("if choice is None:"):
                    source.line("continue")
        if single and leaf_sources(choices[0]) is not None:
            typename = _typename(choices[0], name, lone)
            by_name = choices[0].typename is None and name is not None
            self._simple(typename, base, layers, table, by_name, (at, position), rows)
            return
        # Representations are equal where their JSON is. For leaves alone the values show that, and which fields they
        # are of.
        sets: dict[tuple[str, ...], int] = {}
        for number, choice in enumerate(choices):
            with ExitStack() as stack:
                if not single:
                    stack.enter_context(source.block(f"{'if' if number == 0 else 'elif'} choice == {number}:"))
                typename = _typename(choice, name, lone)
                fields = leaf_sources(choice)
                if fields is not None:
                    names, parts = self._leaves(fields, layers)
                    which = sets.setdefault(tuple(field for field, _ in fields), len(sets))
                    source.line(f"representation = {literal(typename, names)}")
                    source.line(f"fingerprint = {together([typename, repr(which), *parts])}")
                    continue
                source.line(f"representation = {{'__typename': {typename}}}")
                known = name if name is not None else repr(choice.typename)
                several = _repeated(choice.selections, "__typename")
                self._fields(choice.selections, layers, position, known, "representation", "continue", several)
                source.line("fingerprint = encode(representation)")
        self._note(table, base, "representation", (at, position), rows)

    def _note(
        self,
        table: Table,
        base: list[Layer],
        made: str,
        place: tuple[Mapping[KeyPath, list[Layer]], KeyPath],
        rows: str,
    ) -> None:
        """The representation `made`, which `fingerprint` distinguishes from others: its row is the object's."""
        source = self._source
        assert table.entities is not None
        if table.entities.contexts:
            values = []
            for context in table.entities.contexts:
                value = self._contexts.read(context, *place)
                lacks = (
                    f"{value} is MISSING or {value} is None" if context.type.endswith("!") else f"{value} is MISSING"
                )
                with source.block(f"if {lacks}:"):
                    source.line(f"one_row({table.index}, {anchor(base)}, None)")
                    source.line("continue")
                values.append(f"{context.variable!r}: {value}")
            row = f"{table.asked}.row({{{', '.join(values)}}}, fingerprint, {made})"
            source.line(f"one_row({table.index}, {anchor(base)}, {row})")
            return
        note_row(source, rows, table.asked, made)
        source.line(f"{table.index}[{anchor(base)}] = row")

    def _simple(
        self,
        typename: str,
        base: list[Layer],
        layers: list[Layer],
        table: Table,
        by_name: bool,
        place: tuple[Mapping[KeyPath, list[Layer]], KeyPath],
        rows: str,
    ) -> None:
        """Leaves alone: a literal, and a key made of the values themselves."""
        source = self._source
        assert table.entities is not None
        fields = leaf_sources(table.entities.representations[0]) or ()
        if table.by_key is not None:
            if len(base) != 1 or [layer for layer in layers if table.by_key in layer.keys] != base:
                raise UnfitKey(table)
            ((field, key),) = fields
            var = source.name("leaf")
            source.line(f"{var} = {value_of(layers, key)}")
            # True and 1.0 equal 1 as keys of a dictionary, so what else it is, is looked at for each object.
            with source.block(f"if {var}.__class__ is not str and {var}.__class__ is not int:"):
                with source.block(f"if {var} is MISSING:"):
                    source.line("continue")
                source.line(f"raise OtherKey({table.index!r})")
            note_key(source, rows, table.asked, var, literal(typename, [f"{field!r}: {var}"]))
            return
        names, parts = self._leaves(fields, layers)
        if by_name:
            parts.append(typename)
        source.line(f"fingerprint = {together(parts)}")
        self._note(table, base, literal(typename, names), place, rows)

    def _leaves(self, fields: Sequence[tuple[str, str]], layers: list[Layer]) -> tuple[list[str], list[str]]:
        """Reads them, and goes on with the next object where one is absent.

        Returns their items in a literal, and their parts in a key.
        """
        source = self._source
        names, parts = [], []
        for field, key in fields:
            var = source.name("leaf")
            source.line(f"{var} = {value_of(layers, key)}")
            with source.block(f"if {var} is MISSING:"):
                source.line("continue")
            names.append(f"{field!r}: {var}")
            parts.append(self._part(var, layers, key))
        return names, parts

    def _fields(
        self,
        selections: Sequence[KeySelection],
        layers: list[Layer],
        position: KeyPath,
        name: str,
        into: str,
        leave: str,
        several: bool,
    ) -> None:
        """Fields into the dictionary `into`.

        `leave` is what is done where one is absent, `several` whether one may be there already.
        """
        source = self._source
        for selection in selections:
            if isinstance(selection, KeyFragment):
                names = source.constant("NAMES", self._layout.names.fitting(selection.types))
                with source.block(f"if {name} in {names}:"):
                    self._fields(selection.selections, layers, position, name, into, leave, several)
                    source.line("pass")
                continue
            value = source.name("leaf")
            if selection.name == TYPENAME:
                source.line(f"{value} = {name} or MISSING")
            elif not selection.selections:
                source.line(f"{value} = {value_of(layers, selection.source)}")
            else:
                self._nested(selection, layers, position, value)
            with source.block(f"if {value} is MISSING:"):
                source.line(leave)
            target = f"{into}[{selection.name!r}]"
            if several:
                source.line(f"{target} = merge({target}, {value}) if {selection.name!r} in {into} else {value}")
            else:
                source.line(f"{target} = {value}")

    def _nested(self, selection: KeyField, layers: list[Layer], position: KeyPath, value: str) -> None:
        source = self._source

        def body(inner: list[Layer], place: KeyPath) -> None:
            named = [layer for layer in inner if TYPENAME in layer.keys]
            source.line(f"type_name = {self._reach.name(named) if named else None}")
            source.line("value = {}")
            self._fields(
                selection.selections,
                inner,
                place,
                "type_name",
                "value",
                "return MISSING",
                _repeated(selection.selections),
            )

        self._reach.nested(selection, layers, position, value, body)


def note_row(source: Source, rows: str, asked: str, made: str) -> None:
    """Writes that `row` is the row of the representation `made`, which `fingerprint` distinguishes from others.

    A new one is asked for.
    """
    source.line(f"row = {rows}.get(fingerprint)")
    with source.block("if row is None:"):
        source.line(f"row = {rows}[fingerprint] = len({asked})")
        source.line(f"{asked}.append({made})")


def note_key(source: Source, rows: str, asked: str, key: str, made: str) -> None:
    """Writes the same where the variable `key` alone says which it is, and objects find their row by it."""
    with source.block(f"if {key} not in {rows}:"):
        source.line(f"{rows}[{key}] = len({asked})")
        source.line(f"{asked}.append({made})")


def together(parts: Sequence[str]) -> str:
    """One value, or a tuple of them."""
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)}{',' if len(parts) < 2 else ''})"


def literal(typename: str, names: Sequence[str]) -> str:
    """A representation of leaves."""
    fields = ", ".join([f"'__typename': {typename}", *names])
    return f"{{{fields}}}"


def _typename(choice: Representation, name: str | None, lone: bool) -> str:
    """An expression: what the representation is called."""
    if choice.typename is not None:
        return repr(choice.typename)
    default = repr(next(iter(choice.types)))
    if name is None:
        return default
    return f"({default} if {name} is None else {name})" if lone else name


def _repeated(selections: Sequence[KeySelection], *present: str) -> bool:
    names = list(present)

    def collect(selections: Sequence[KeySelection]) -> None:
        for selection in selections:
            if isinstance(selection, KeyField):
                names.append(selection.name)
            else:
                collect(selection.selections)

    collect(selections)
    return len(set(names)) < len(names)
