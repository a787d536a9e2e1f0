"""Plan and conditions -> what is known before any request: which fetches run, after which others, and where their answers belong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from graphql import GraphQLSchema, get_nullable_type, is_list_type

from gateway.executor.compiled.names import Names, names_of
from gateway.executor.compiled.selected import selected
from gateway.executor.compiled.shape import Conditions, Keys, answer_keys, has_exact_numbers
from gateway.executor.compiled.source import Unsupported
from gateway.plan import (
    Condition,
    ContextSource,
    Defer,
    Entities,
    EventTrigger,
    Fetch,
    KeyField,
    KeyFragment,
    ListItems,
    Parallel,
    Path,
    Plan,
    PlanNode,
    Representation,
    Sequence,
    Subscription,
    TypeCondition,
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
    """A side table: the objects that one `_entities` field was asked for (or that stand for a root type), and the entities that came.

    In the program `index` finds the position in `rows` by an object's identity, or by its key value where `by_key` names the field.
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


def lay_out(plan: Plan, schema: GraphQLSchema, conditions: Conditions, by_identity: Collection[str] = ()) -> Layout:
    """Raises `Unsupported`. Tables are indexed by a key's value where its shape allows, but for those named in `by_identity`."""
    primary, node = (plan.node.primary, plan.node.rest) if isinstance(plan.node, Subscription) else (None, plan.node)
    layout = Layout(schema, conditions, _decided(node, conditions))
    if isinstance(primary, Fetch):
        layout.given = primary.id
        _place(primary, layout, by_identity)
    elif primary is not None:
        layout.given = EVENT
        layout.roots[EVENT] = _event_keys(primary)
    _order(layout.node, frozenset() if layout.given is None else frozenset({layout.given}), frozenset(), layout)
    _settle(layout, by_identity)
    return layout


class _Everything(frozenset[str]):
    def __contains__(self, _: object) -> bool:
        return True


def lay_out_parts(node: Defer, schema: GraphQLSchema, conditions: Conditions, on: frozenset[int]) -> Layout:
    """For delivery in parts; `on` are the directives that are. Raises `Unsupported`.

    Nothing of it may be left to the interpreter once a payload has gone: tables are by identity, and numbers exact.
    """
    layout = Layout(schema, conditions, _decided(node.primary, conditions))
    _order(layout.node, frozenset(), frozenset(), layout)
    layout.part_of.update(dict.fromkeys(layout.fetches))
    for number, part in enumerate(node.deferred):
        inner = _decided(part.node, conditions)
        begun = frozenset(fetch for fetch in part.depends if fetch in layout.fetches)
        _order(inner, begun.union(*(layout.before[fetch] for fetch in begun)), frozenset(), layout)
        layout.parts.append((inner, part.defers & on))
        layout.part_of.update((fetch, number) for fetch in layout.fetches if fetch not in layout.part_of)
    layout.awaited = frozenset(fetch for part in node.deferred for fetch in part.depends)
    _settle(layout, _Everything())
    if any(table.is_contextual for tables in layout.tables.values() for table in tables):
        # Objects that several contexts share are left to the interpreter.
        raise Unsupported("contextual arguments beside deferred fields")
    layout.exact.update(layout.fetches)
    return layout


def _settle(layout: Layout, by_identity: Collection[str]) -> None:
    """Once it is known which fetches run: where their entities belong, and which tables are like others."""
    for number in sorted(layout.fetches):
        _place(layout.fetches[number], layout, by_identity)
    if any(
        len(entities.representations) > 1 or entities.contexts or leaf_sources(entities.representations[0]) is None
        for fetch in layout.fetches.values()
        for entities in fetch.entities
    ):
        # What such representations are made of isn't looked at value by value.
        layout.exact.update(layout.fetches)
    for number in sorted(layout.tables):
        for table in layout.tables[number]:
            _relate(table, layout, by_identity)


def root_name(number: int) -> str:
    """The variable of a root answer."""
    return "event" if number == EVENT else f"d{number}"


def _event_keys(trigger: EventTrigger) -> Keys:
    if trigger.feed is not None:
        raise Unsupported("a feed, whose pages are queries")
    sources = [source for _, sources in trigger.key_sources for source in sources]
    return Keys({trigger.response_key: Keys({"__typename": Keys(), **{source: Keys() for source in sources}})})


def _relate(table: Table, layout: Layout, by_identity: Collection[str]) -> None:
    """Find the table whose work needn't be done again."""
    entities = table.entities
    if entities is None or entities.contexts:
        return
    mine = table.fetch.id
    ended, gathered = layout.before[mine], layout.gathered[mine]
    # Those with higher numbers haven't been related themselves.
    for number in sorted({mine, *ended, *(number for number in gathered if number < mine)}):
        for other in layout.tables.get(number, ()):
            if other is table:
                return
            theirs = other.entities
            if theirs is None or theirs.paths != entities.paths or theirs.contexts or other.same_as is not None:
                continue
            if theirs.representations == entities.representations:
                wanted = {"__typename", *(key for choice in entities.representations for key in top_sources(choice))}
                if _traces(table, layout, wanted) == _traces(other, layout, wanted):
                    table.same_as = other
                    table.index, table.asked, table.by_key = other.index, other.asked, other.by_key
                    return
            if number in ended and table.index not in by_identity and _tells(other, table, layout):
                table.derived_from, table.by_key = other, other.by_key
                return


def _traces(table: Table, layout: Layout, wanted: set[str]) -> list[Trace]:
    ended = layout.before[table.fetch.id]
    paths = table.entities.paths if table.entities is not None else ()
    return [trace(layout, path, ended, wanted) for path in paths]


def _tells(other: Table, table: Table, layout: Layout) -> bool:
    """Whether the key and the entities of `other` have all that the representations of `table` are made of."""
    if other.by_key is None or other.derived_from is not None or table.entities is None or other.entities is None:
        return False
    if len(table.entities.representations) != 1 or _traces(table, layout, {"__typename"}) != _traces(
        other, layout, {"__typename"}
    ):
        return False
    (mine,), (theirs,) = table.entities.representations, other.entities.representations
    fields = leaf_sources(mine)
    if fields is None or mine.typename is None or mine.types != theirs.types:
        return False
    ended = layout.before[table.fetch.id]
    for _, source in fields:
        for path in table.entities.paths:
            base, position = base_layers(layout, path, ended)
            attached = [t for t in layout.attached.get(position, ()) if t.fetch.id in ended and source in t.keys]
            own = [keys for _, keys in base if source in keys]
            if source == other.by_key:
                if len(own) != 1 or attached:
                    return False
            elif own or attached != [other]:
                return False
    return True


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
    """Which answers a walk to the objects at a path looks into; two walks of one trace find the same. All tables must be in their places."""
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


def _decided(node: PlanNode | None, conditions: Conditions) -> PlanNode | None:
    """The node without conditions, None where nothing is left of it."""
    match node:
        case Condition(variable, if_true, if_false):
            return _decided(if_true if conditions.get(variable, False) else if_false, conditions)
        case Fetch():
            if node.only_if and not any(
                all(conditions.get(variable, False) is wanted for variable, wanted in alternative)
                for alternative in node.only_if
            ):
                return None
            return node
        case Sequence(nodes) | Parallel(nodes):
            left = tuple(kept for child in nodes if (kept := _decided(child, conditions)) is not None)
            if len(left) < 2:
                return left[0] if left else None
            return Sequence(left) if isinstance(node, Sequence) else Parallel(left)
        case Defer(primary, parts):
            # All at once: needs come first.
            all_nodes = (primary, *(part.node for part in parts))
            left = tuple(kept for child in all_nodes if (kept := _decided(child, conditions)) is not None)
            if len(left) < 2:
                return left[0] if left else None
            return Sequence(left)
        case None:
            return None


def _order(node: PlanNode | None, ended: frozenset[int], begun: frozenset[int], layout: Layout) -> frozenset[int]:
    """Notes what has ended, and what has at least begun, before each fetch; gives what has ended after the node."""
    match node:
        case Fetch():
            layout.fetches[node.id] = node
            layout.before[node.id] = ended
            layout.gathered[node.id] = ended | begun
            return ended | {node.id}
        case Sequence(nodes):
            for child in nodes:
                ended = _order(child, ended, begun, layout)
        case Parallel(nodes):
            # As `Flow` does it: plain fetches begin one after another, and before any branch.
            after = ended
            for fetch in nodes:
                if isinstance(fetch, Fetch):
                    after |= _order(fetch, ended, begun, layout)
                    begun |= {fetch.id}
            for branch in nodes:
                if not isinstance(branch, Fetch):
                    after |= _order(branch, ended, begun, layout)
            ended = after
    return ended


def _place(fetch: Fetch, layout: Layout, by_identity: Collection[str]) -> None:
    kind, selections = selected(fetch.operation)
    keys = answer_keys(fetch, selections, layout.conditions)
    if has_exact_numbers(kind, selections, layout.schema):
        layout.exact.add(fetch.id)
    if not fetch.entities and not fetch.path:
        layout.roots[fetch.id] = keys
        return
    tables: list[Table] = []
    if not fetch.entities:
        tables.append(
            Table(fetch, None, (key_path(fetch.path),), keys, f"t{fetch.id}_0", f"r{fetch.id}_0", f"asked{fetch.id}_0")
        )
    for number, entities in enumerate(fetch.entities):
        below = keys.below.get(entities.response_key)
        if below is None:
            raise Unsupported("an _entities field that a condition leaves out")
        paths = tuple(dict.fromkeys(key_path(path) for path in entities.paths))
        mark = f"{fetch.id}_{number}"
        table = Table(fetch, entities, paths, below, f"t{mark}", f"r{mark}", f"asked{mark}")
        if table.index not in by_identity and not entities.contexts:
            table.by_key = _single_key(entities, layout.schema)
        tables.append(table)
    layout.tables[fetch.id] = tables
    for table in tables:
        for path in table.paths:
            layout.attached.setdefault(path, []).append(table)


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


def _single_key(entities: Entities, schema: GraphQLSchema) -> str | None:
    """The response key whose value alone tells the entity: one type, one leaf, no condition on the way."""
    if len(entities.representations) != 1 or any(
        isinstance(element, TypeCondition) for path in entities.paths for element in path
    ):
        return None
    (only,) = entities.representations
    fields = leaf_sources(only)
    if len(only.types) != 1 or only.typename is None or fields is None or len(fields) != 1:
        return None
    ((name, source),) = fields
    field = getattr(schema.get_type(only.typename), "fields", {}).get(name)
    kind = None if field is None else get_nullable_type(field.type)
    # Other values than these make the program be written anew (`OtherKey`); a list is known beforehand.
    return None if is_list_type(kind) else source


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
