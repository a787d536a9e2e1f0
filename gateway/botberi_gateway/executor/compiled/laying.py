"""Plan and conditions -> its layout: which fetches are left, after which each runs, which tables are like others."""

from collections.abc import Collection

from graphql import GraphQLSchema, get_nullable_type, is_list_type

from botberi_gateway.executor.compiled.layout import (
    EVENT,
    Layout,
    Table,
    Trace,
    base_layers,
    key_path,
    leaf_sources,
    top_sources,
    trace,
)
from botberi_gateway.executor.compiled.source import Unsupported
from botberi_gateway.executor.shape import Conditions, Keys, answer_keys, has_exact_numbers
from botberi_gateway.executor.withheld import withholding
from botberi_gateway.plan import (
    Condition,
    Defer,
    Entities,
    EventTrigger,
    Fetch,
    Parallel,
    Plan,
    PlanNode,
    Sequence,
    Subscription,
    TypeCondition,
    Withheld,
)


def lay_out(plan: Plan, schema: GraphQLSchema, conditions: Conditions, by_identity: Collection[str] = ()) -> Layout:
    """Raises `Unsupported`.

    Tables are indexed by a key's value where its shape allows, but for those named in `by_identity`.
    """
    primary, node = (plan.node.primary, plan.node.rest) if isinstance(plan.node, Subscription) else (None, plan.node)
    layout = Layout(schema, conditions, _decided(node, conditions), withheld=withholding(plan.withheld))
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


def lay_out_parts(
    node: Defer,
    schema: GraphQLSchema,
    conditions: Conditions,
    on: frozenset[int],
    withheld: tuple[Withheld, ...] = (),
) -> Layout:
    """For delivery in parts; `on` are the directives that are. Raises `Unsupported`.

    Nothing of it may be left to the interpreter once a payload has gone: tables are by identity, and numbers exact.
    """
    layout = Layout(schema, conditions, _decided(node.primary, conditions), withheld=withholding(withheld))
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
    """Once it is known which fetches run: where their entities belong, and which tables are like others.

    Raises `Unsupported`.
    """
    again = [key_path(fetch.path) for fetch in layout.fetches.values() if fetch.path]
    if len(set(again)) < len(again):
        # An entity that stands at several places gives the same object at each: which of the fetches failed for it
        # could not be said.
        raise Unsupported("a root type at places that are one to the client")
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
    keys = answer_keys(fetch, layout.conditions)
    if has_exact_numbers(fetch, layout.schema):
        layout.exact.add(fetch.id)
    if not fetch.entities and not fetch.path:
        layout.roots[fetch.id] = keys
        return
    tables: list[Table] = []
    if not fetch.entities:
        tables.append(
            Table(
                fetch,
                None,
                (key_path(fetch.path),),
                keys,
                f"index{fetch.id}_0",
                f"rows{fetch.id}_0",
                f"asked{fetch.id}_0",
            )
        )
    for number, entities in enumerate(fetch.entities):
        below = keys.below.get(entities.response_key)
        if below is None:
            raise Unsupported("an _entities field that a condition leaves out")
        paths = tuple(dict.fromkeys(key_path(path) for path in entities.paths))
        mark = f"{fetch.id}_{number}"
        table = Table(fetch, entities, paths, below, f"index{mark}", f"rows{mark}", f"asked{mark}")
        if table.index not in by_identity and not entities.contexts:
            table.by_key = _single_key(entities, layout.schema)
        tables.append(table)
    layout.tables[fetch.id] = tables
    for table in tables:
        for path in table.paths:
            layout.attached.setdefault(path, []).append(table)


def _single_key(entities: Entities, schema: GraphQLSchema) -> str | None:
    """The response key whose value alone identifies the entity: one type, one leaf, no condition on the way."""
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
    # Other values than these make the program be written again (`OtherKey`); a list is known beforehand.
    return None if is_list_type(kind) else source
