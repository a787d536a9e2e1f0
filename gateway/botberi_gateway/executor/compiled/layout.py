"""What is known before any request: answers' layers, side tables, where each belongs; and questions about them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from graphql import GraphQLSchema

from botberi_gateway.executor.compiled.names import Names, names_of
from botberi_gateway.executor.shape import Conditions, Keys
from botberi_gateway.executor.withheld import Withholding
from botberi_gateway.plan import (
    ContextSource,
    Entities,
    Fetch,
    KeyField,
    KeyFragment,
    ListItems,
    Path,
    PlanNode,
    Representation,
)

#: Response keys from the root; list levels and type conditions left out.
KeyPath: TypeAlias = tuple[str, ...]
#: The number of what an event source's event gives: before every fetch.
EVENT: Final = -1
#: See `trace`.
Trace: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """One answer's object at a position: which fetch gave it, what keys it has, and the variable that holds it."""

    fetch: int
    keys: Keys
    var: str


@dataclass(slots=True, eq=False)
class Table:
    """A side table: the objects that an `_entities` field was asked for, or that stand for a root type, and their rows.

    In the program `index` finds the position in `rows` by an object's identity, or by its key value where `by_key`
    names the field.
    """

    fetch: Fetch
    entities: Entities | None
    paths: tuple[KeyPath, ...]
    keys: Keys
    index: str
    rows: str
    #: The variable with the representations that were sent.
    asked: str
    by_key: str | None = None
    #: The table whose objects and representations are the same: nothing is gathered again.
    same_as: "Table | None" = None
    #: The table whose entities tell the representations: its rows are gone through instead of all objects.
    derived_from: "Table | None" = None

    @property
    def is_contextual(self) -> bool:
        """Whether a row depends on the objects above as well (`Copies` holds the representations)."""
        return self.entities is not None and bool(self.entities.contexts)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """One answer's part of an object: the answer's own object at a place, or the row of an entity in a table."""

    fetch: int
    keys: Keys
    table: Table | None = None
    #: Whether a field of the object comes from here alone: without a row it is missing.
    is_required: bool = False


@dataclass(slots=True)
class Layout:
    """One variant of a plan: conditions decided, fetches that they leave out gone."""

    schema: GraphQLSchema
    conditions: Conditions
    node: PlanNode | None
    #: Of a subscription: the root that each event gives.
    given: int | None = None
    fetches: dict[int, Fetch] = field(default_factory=dict)
    #: Fetch -> those that have surely ended when it begins.
    before: dict[int, frozenset[int]] = field(default_factory=dict)
    #: Fetch -> those whose representations have surely been gathered when it begins.
    gathered: dict[int, frozenset[int]] = field(default_factory=dict)
    #: Fetch at the root -> keys of its answer.
    roots: dict[int, Keys] = field(default_factory=dict)
    tables: dict[int, list[Table]] = field(default_factory=dict)
    #: Deferred parts, each with the directives that must all be off for it to come with the first payload.
    parts: list[tuple[PlanNode | None, frozenset[int]]] = field(default_factory=list)
    #: Fetch -> the part that it belongs to (its index in `parts`), None for what isn't deferred.
    part_of: dict[int, int | None] = field(default_factory=dict)
    #: Fetches whose end starts something.
    awaited: frozenset[int] = frozenset()
    #: Fetches whose answers must keep every digit.
    exact: set[int] = field(default_factory=set)
    #: What is null on purpose, None where nothing is.
    withheld: Withholding | None = None
    #: Position -> tables that may have something for objects there, in plan order.
    attached: dict[KeyPath, list[Table]] = field(default_factory=dict)
    #: See `trace`: those that were asked for, by path, ended fetches and wanted keys.
    traces: dict[tuple[Path, frozenset[int], tuple[str, ...]], Trace] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """What objects of the schema's types may be called."""
        return names_of(self.schema)

    def state(self) -> list[str]:
        """What the fetches leave behind: the program's variables, in the order in which `project` takes them."""
        state = [root_name(number) for number in sorted(self.roots)]
        for number in sorted(self.tables):
            for table in self.tables[number]:
                state += (table.index, table.rows)
        # Tables of the same objects share an index.
        return list(dict.fromkeys(state))


class UnfitKey(Exception):
    """This table must be indexed by identity: somewhere a key's value alone doesn't tell the object's entity."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.index)
        self.table = table


def root_name(number: int) -> str:
    """The variable of a root answer."""
    return "event" if number == EVENT else f"data{number}"


def base_layers(layout: Layout, path: Path, ended: frozenset[int]) -> tuple[list[tuple[int, Keys]], KeyPath]:
    """The layers of objects at a path before entities are attached to them, and their position."""
    layers = [(layer.fetch, layer.keys) for layer in layers_at_root(layout, ended)]
    position: KeyPath = ()
    for element in path:
        if isinstance(element, str):
            layers = [
                (fetch, keys.below[element]) for fetch, keys in _offering(layout, layers, position, element, ended)
            ]
            position = (*position, element)
    return layers, position


def _offering(
    layout: Layout, base: Iterable[tuple[int, Keys]], position: KeyPath, key: str, ended: frozenset[int]
) -> list[tuple[int, Keys]]:
    attached = [(t.fetch.id, t.keys) for t in layout.attached.get(position, ()) if t.fetch.id in ended]
    return sorted(((fetch, keys) for fetch, keys in (*base, *attached) if key in keys), key=lambda layer: layer[0])


def trace(layout: Layout, path: Path, ended: frozenset[int], wanted: Collection[str] = ()) -> Trace:
    """Which answers a walk to the objects at a path looks into; two walks of one trace find the same.

    All tables must be in their places.
    """
    mark = (path, ended, tuple(sorted(wanted)))
    known = layout.traces.get(mark)
    if known is None:
        known = layout.traces[mark] = _trace(layout, *mark)
    return known


def _trace(layout: Layout, path: Path, ended: frozenset[int], wanted: Iterable[str]) -> Trace:
    seen: list[object] = []
    layers = [(layer.fetch, layer.keys) for layer in layers_at_root(layout, ended)]
    position: KeyPath = ()
    for element in path:
        if isinstance(element, str):
            offering = _offering(layout, layers, position, element, ended)
            seen.append((element, tuple((fetch, id(keys)) for fetch, keys in offering)))
            layers = [(fetch, keys.below[element]) for fetch, keys in offering]
            position = (*position, element)
        else:
            names = (
                _offering(layout, layers, position, "__typename", ended) if not isinstance(element, ListItems) else ()
            )
            seen.append((element, tuple((fetch, id(keys)) for fetch, keys in names)))
    for key in wanted:
        offering = _offering(layout, layers, position, key, ended)
        seen.append((key, tuple((fetch, id(keys)) for fetch, keys in offering)))
    return tuple(seen)


def top_sources(representation: Representation | ContextSource | KeyFragment | KeyField) -> list[str]:
    """The response keys that a representation, or a contextual value, reads in the object itself."""
    found: list[str] = []
    for selection in representation.selections:
        found += [selection.source] if isinstance(selection, KeyField) else top_sources(selection)
    return found


def key_path(path: Path) -> KeyPath:
    """The response keys alone."""
    return tuple(element for element in path if isinstance(element, str))


def leaf_sources(representation: Representation) -> tuple[tuple[str, str], ...] | None:
    """(name, response key) of each field where all fields are leaves with names of their own; else None."""
    fields: dict[str, str] = {}
    for selection in representation.selections:
        if not isinstance(selection, KeyField) or selection.selections or selection.name in (*fields, "__typename"):
            return None
        fields[selection.name] = selection.source
    return tuple(fields.items())


def layers_at_root(layout: Layout, ended: frozenset[int] | None = None) -> list[Layer]:
    """Root answers in plan order; `ended` keeps those of fetches that have surely ended."""
    return [
        Layer(number, keys, root_name(number))
        for number, keys in sorted(layout.roots.items())
        if ended is None or number in ended
    ]


def layers_below(layers: list[Layer], key: str) -> list[tuple[Layer, Keys]]:
    """Who offers the key, with what is below it."""
    return [(layer, layer.keys.below[key]) for layer in layers if key in layer.keys]


def tables_at(
    layout: Layout, path: KeyPath, wanted: Mapping[str, object] | set[str], ended: frozenset[int] | None = None
) -> Iterator[Table]:
    """Tables that may have one of the wanted keys for objects at this position."""
    for table in layout.attached.get(path, ()):
        if (ended is None or table.fetch.id in ended) and any(key in table.keys for key in wanted):
            yield table
