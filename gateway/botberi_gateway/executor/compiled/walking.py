"""A path of the plan -> source that goes to the objects there, through the answers so far.

It goes through what other fetches have given such an object, too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from botberi_gateway.executor.compiled.layout import (
    KeyPath,
    Layer,
    Layout,
    Table,
    Trace,
    UnfitKey,
    base_layers,
    layers_at_root,
    layers_below,
    tables_at,
    top_sources,
    trace,
)
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.spending import count_items
from botberi_gateway.executor.shape import Keys
from botberi_gateway.plan import Fetch, KeyField, ListItems, Path, TypeCondition

TYPENAME: Final = "__typename"


class Walks:
    """Which objects the program has at hand: lists of all that live at a path, for those that are walked to again."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._paths = [
            (table, path)
            for tables in layout.tables.values()
            for table in tables
            if table.entities is not None and table.same_as is None and table.derived_from is None
            for path in table.entities.paths
        ]
        #: For each function that is being written: what it, or a function around it, has.
        self._lists: list[dict[tuple[Path, Trace], str]] = [{}]
        self._done: set[tuple[int, Path]] = set()

    @contextmanager
    def inner(self) -> Iterator[None]:
        """A function within the one that is being written: no other function sees its lists."""
        self._lists.append({})
        try:
            yield
        finally:
            self._lists.pop()

    def start(self, path: Path, ended: frozenset[int]) -> tuple[int, str | None]:
        """How much of a path is walked already, and the list of the objects there."""
        for length in range(len(path), 0, -1):
            if length < len(path) and isinstance(path[length], ListItems):
                continue
            mark = (path[:length], trace(self._layout, path[:length], ended))
            for lists in self._lists:
                if mark in lists:
                    return length, lists[mark]
        return 0, None

    def is_wanted(self, table: Table, path: Path) -> bool:
        """Whether somebody will walk there, or by there, later."""
        self._done.add((id(table), path))
        return any(
            other[: len(path)] == path and (id(owner), other) not in self._done
            for owner, other in self._paths
            if (id(owner), other) != (id(table), path)
        )

    def keep(self, path: Path, ended: frozenset[int], name: str) -> None:
        """The list with this name is filled from now on."""
        self._lists[-1][path, trace(self._layout, path, ended)] = name


class Loops:
    """The loops of one fetch: which lists of objects they fill for later ones."""

    def __init__(self, source: Source, layout: Layout, fetch: Fetch, walks: Walks) -> None:
        self._source = source
        self._layout = layout
        self._fetch = fetch
        self._walks = walks
        self._ended = layout.before[fetch.id]
        self._kept: dict[tuple[int, Path], str] = {}

    def begin(self) -> None:
        """Writes the lists, empty."""
        for table in self._layout.tables[self._fetch.id]:
            if table.entities is None or table.same_as is not None or table.derived_from is not None:
                continue
            for path in table.entities.paths:
                if self._walks.is_wanted(table, path) and not self._is_walked(path):
                    name = self._kept[id(table), path] = self._source.name("objects")
                    self._source.line(f"{name} = []")

    def _list_for(self, table: Table, path: Path) -> str | None:
        """The list that is filled on the way to a path.

        None where it is not needed, or another path of this fetch was the same.
        """
        return None if self._is_walked(path) else self._kept.get((id(table), path))

    def _is_walked(self, path: Path) -> bool:
        """Whether the objects there are at hand."""
        return self._walks.start(path, self._ended)[0] == len(path)


class Reach:
    """What one fetch's loops can see: answers of the fetches that have ended before it."""

    def __init__(self, source: Source, layout: Layout, fetch: Fetch, walks: Walks) -> None:
        self.source = source
        self.layout = layout
        self.ended = layout.before[fetch.id]
        self.walks = walks
        self._known = source.constant("OBJECTS", layout.names.objects)
        self._abstract = source.constant("ABSTRACT", layout.names.abstract)

    def attach(self, base: list[Layer], position: KeyPath, wanted: set[str]) -> list[Layer]:
        """The object's layers with those that entity fetches before this one gave it, in plan order."""
        source = self.source
        if not base:
            return []
        layers = list(base)
        for table in tables_at(self.layout, position, wanted, self.ended):
            row, var = source.name("row"), source.name("entity")
            source.line(f"{row} = {row_of(table, [layer.var for layer in base])}")
            source.line(f"{var} = EMPTY if {row} is None else {table.rows}[{row}]")
            layers.append(Layer(table.fetch.id, table.keys, var))
        return sorted(layers, key=lambda layer: layer.fetch)

    def nested(
        self,
        field: KeyField,
        layers: list[Layer],
        position: KeyPath,
        value: str,
        body: Callable[[list[Layer], KeyPath], None],
    ) -> None:
        """Writes how `value` is made of the object (or lists of objects) in a field.

        For each, `body` writes how the variable `value` is made; it may return MISSING.
        """
        source = self.source
        offered = layers_below(layers, field.source)
        if not offered:
            source.line(f"{value} = MISSING")
            return
        below = [Layer(layer.fetch, keys, source.name("part")) for layer, keys in offered]
        select = source.name("select")
        place = (*position, field.source)
        with source.block(f"def {select}({', '.join(layer.var for layer in below)}):"):
            body(self.attach(below, place, {TYPENAME} | set(top_sources(field))), place)
            source.line("return value")
        values = [f"{layer.var}.get({field.source!r}, MISSING)" for layer, _ in offered]
        if len(values) == 1:
            source.line(f"{value} = nested({values[0]}, {select})")
        else:
            source.line(f"{value} = nested_all(({', '.join(values)}), {select})")

    def name(self, named: list[Layer]) -> str:
        """An expression: what the object is called."""
        values = [f"{layer.var}.get('__typename')" for layer in named]
        if len(values) == 1:
            return values[0]
        return f"name_of({self._known}, {self._abstract}, {', '.join(values)})"


class Walk:
    """A context manager: inside it one writes what is done with each object at a path.

    It gives the object's layers and its position.
    """

    def __init__(self, reach: Reach, path: Path, above: int = 0) -> None:
        """`above` is how many objects above those at the path are needed as well."""
        self._reach = reach
        self._path = path
        self._above = above
        #: Position -> the layers of the object there, before entities are attached to them.
        self.layers: dict[KeyPath, list[Layer]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> tuple[list[Layer], KeyPath]:
        reach, stack = self._reach, self._stack
        source = reach.source
        position: KeyPath = ()
        layers = layers_at_root(reach.layout, reach.ended)
        values: list[str] = []
        keys: list[tuple[Layer, Keys]] = []
        walked, at = reach.walks.start(_without_last(self._path, self._above), reach.ended)
        if at is None:
            stack.enter_context(source.block("for _ in ONCE:"))
        else:
            known, position = base_layers(reach.layout, self._path[:walked], reach.ended)
            layers = [Layer(fetch, below, source.name("node")) for fetch, below in known]
            stack.enter_context(source.block(f"for {', '.join(layer.var for layer in layers)} in {at}:"))
        for place, element in enumerate(self._path[walked:]):
            if isinstance(element, str):
                if values:
                    layers = self._objects(values, keys)
                self.layers[position] = layers
                offering = reach.attach(layers, position, {element})
                keys = layers_below(offering, element)
                values = [source.name("node") for _ in keys]
                if not keys:
                    source.line("continue  # no answer has it")
                    layers = []
                for var, (layer, _) in zip(values, keys, strict=True):
                    absent = ", MISSING" if len(keys) > 1 else ""
                    source.line(f"{var} = {layer.var}.get({element!r}{absent})")
                position = (*position, element)
            elif isinstance(element, ListItems):
                values = self._items(values)
            elif isinstance(element, TypeCondition):
                layers = self._objects(values, keys) if values else layers
                values = []
                named = [one for one in reach.attach(layers, position, {TYPENAME}) if TYPENAME in one.keys]
                names = source.constant("NAMES", reach.layout.names.fitting(element.types))
                with source.block(f"if {reach.name(named)} not in {names}:"):
                    source.line("continue")
            else:  # pragma: no cover
                raise TypeError(f"element {place} of a path: {element!r}")
        if values:
            layers = self._objects(values, keys)
        self.layers[position] = layers
        return layers, position

    def _items(self, values: list[str]) -> list[str]:
        source = self._reach.source
        if not values:
            return []
        if len(values) == 1:
            with source.block(f"if {values[0]}.__class__ is not list:"):
                source.line("continue")
            count_items(source, values[0])
            item = source.name("node")
            self._stack.enter_context(source.block(f"for {item} in {values[0]}:"))
            return [item]
        listed = source.name("node")
        source.line(f"{listed} = rows({', '.join(values)})")
        with source.block(f"if {listed} is None:"):
            source.line("continue")
        count_items(source, listed)
        items = [source.name("node") for _ in values]
        self._stack.enter_context(source.block(f"for {', '.join(items)} in {listed}:"))
        return items

    def _objects(self, values: list[str], keys: list[tuple[Layer, Keys]]) -> list[Layer]:
        source = self._reach.source
        if len(values) == 1:
            with source.block(f"if {values[0]}.__class__ is not dict:"):
                source.line("continue")
        else:
            found = source.name("node")
            source.line(f"{found} = objects({', '.join(values)})")
            with source.block(f"if {found} is None:"):
                source.line("continue")
            source.line(f"{', '.join(values)} = {found}")
        return [Layer(layer.fetch, below, var) for var, (layer, below) in zip(values, keys, strict=True)]

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


def row_of(table: Table, base: Sequence[str]) -> str:
    """An expression: the row in a table of the object whose parts are in the variables `base`; None without one."""
    if table.by_key is not None:
        if len(base) != 1:
            raise UnfitKey(table)  # any of them may be the one that has the key
        return f"{table.index}.get({base[0]}.get({table.by_key!r}))"
    if len(base) == 1:
        return f"{table.index}.get(id({base[0]}))"
    return f"at({table.index}, {', '.join(base)})"


def anchor(base: Sequence[Layer]) -> str:
    if len(base) == 1:
        return f"id({base[0].var})"
    return f"anchor({', '.join(layer.var for layer in base)})"


def value_of(layers: Sequence[Layer], key: str) -> str:
    """An expression: the first value that isn't null of those that have the key; MISSING where none has."""
    offering = [layer.var for layer in layers if key in layer.keys]
    if not offering:
        return "MISSING"
    if len(offering) == 1:
        return f"{offering[0]}.get({key!r}, MISSING)"
    return f"first({key!r}, {', '.join(offering)})"


def _without_last(path: Path, count: int) -> Path:
    """The path to the object that is so many objects above."""
    if count:
        keys = [index for index, element in enumerate(path) if isinstance(element, str)]
        return path[: keys[-count]]
    return path
