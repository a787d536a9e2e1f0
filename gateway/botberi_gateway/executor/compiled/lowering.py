"""A layout and the client's operation -> the tree of objects and fields (`response`) that the writers put into code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_object_type,
)

from botberi_gateway.executor.compiled.blame import Givers
from botberi_gateway.executor.compiled.layout import KeyPath, Layout, Origin, Table, UnfitKey, leaf_sources
from botberi_gateway.executor.compiled.response import (
    Abstract,
    Blame,
    Child,
    Choice,
    Fields,
    Introspected,
    Later,
    Leaf,
    Member,
    Object,
    Target,
    Typename,
    UnknownField,
    WithheldField,
)
from botberi_gateway.executor.compiled.source import MAX_LINES, Unsupported
from botberi_gateway.executor.compiled.spending import count_fields
from botberi_gateway.executor.compiled.walking import TYPENAME
from botberi_gateway.executor.deferral import DeferredSelections, DeferUsage, Details, SelectedSets, UsageSet
from botberi_gateway.executor.definitions import definition_of
from botberi_gateway.executor.latecomers import parted
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.unknown import Typed
from botberi_gateway.operation import Operation


def lower(
    layout: Layout, operation: Operation, deferred: DeferredSelections | None = None, *, for_errors: bool = False
) -> Object:
    """Build the response's root; with `deferred` some fields come later.

    With `for_errors` fields carry the fetches to blame where they are missing, and objects are not shared for equal
    entities, whose paths differ.

    Raises `Unsupported`, and `UnfitKey` where a table can't be indexed by its key's value: the caller then lays out the
    plan again, with that table indexed by the objects' identity.
    """
    root_type = operation.schema.get_root_type(operation.definition.operation)
    if root_type is None:
        raise Unsupported("no root type")
    selecting = Selecting(Selections(operation, layout.conditions), deferred)
    return _Lowering(layout, selecting, for_errors).root(root_type)


# -- what is selected


@dataclass(frozen=True, slots=True)
class _Below:
    """What is selected below a field: its selection sets, each with the deferred fragment that it came in.

    `around` are the fragments whose fields are being answered.
    """

    sets: SelectedSets
    around: UsageSet = frozenset()


@dataclass(frozen=True, slots=True)
class _Selected:
    """What is selected of objects of one type: response key -> its nodes, and what is selected below them."""

    now: dict[str, tuple[list[FieldNode], _Below]]
    begun: Sequence[DeferUsage] = ()
    later: Sequence[tuple[UsageSet, Details]] = ()
    around: UsageSet = frozenset()


class Selecting:
    """The client's selections; without `deferred` all fields come at once."""

    def __init__(self, selections: Selections, deferred: DeferredSelections | None = None) -> None:
        self._selections = selections
        self._deferred = deferred
        self._typed = Typed(selections) if deferred is None else Typed(selections, deferred.is_deferred)

    def root(self) -> _Below:
        return _Below(((self._selections.operation.selection_set, None),))

    def of(self, below: _Below, kind: GraphQLNamedType) -> _Selected:
        """What is selected of objects of this type."""
        if self._deferred is None:
            groups = self._selections.fields([one for one, _ in below.sets], kind)
            return _Selected(
                {
                    key: (nodes, _Below(tuple([(n.selection_set, None) for n in nodes if n.selection_set is not None])))
                    for key, nodes in groups.items()
                }
            )
        split = self._deferred.split(below.sets, below.around, kind)
        now = self.group(split.now, below.around).now
        return _Selected(now, tuple(split.begun), tuple(split.later.items()), below.around)

    def group(self, fields: Details, around: UsageSet) -> _Selected:
        """These fields, when the fragments around them are answered."""
        return _Selected(
            {
                key: (
                    [detail.node for detail in details],
                    _Below(
                        tuple([(d.node.selection_set, d.usage) for d in details if d.node.selection_set is not None]),
                        around,
                    ),
                )
                for key, details in fields.items()
            },
            around=around,
        )

    def type_matters(self, below: _Below, kind: GraphQLNamedType) -> bool:
        """Whether the answer depends on the type of an object of which only `kind` is known."""
        now, later = parted(below.sets, below.around)
        return self._typed.matters(now, kind, later)

    def count(self, below: _Below) -> int:
        """How many fields are below an item."""
        return count_fields((selection_set for selection_set, _ in below.sets), self._selections)

    def alike(self, kind: GraphQLNamedType, selected: _Selected) -> Any:
        """Equal for types that select alike."""
        if self._deferred is not None:
            return kind.name  # types that select alike now may differ in what comes later
        fields = []
        for key, (nodes, _) in selected.now.items():
            definition = definition_of(self._selections.schema, kind, nodes[0].name.value)
            fields.append((key, "" if definition is None else str(definition.type), tuple(map(id, nodes))))
        return tuple(fields)


# -- objects

_Base: TypeAlias = tuple[Origin, ...]


class _Lowering:
    """Decides each object once: for a position, the answers that have it, what is selected, and a declared type."""

    def __init__(self, layout: Layout, selecting: Selecting, for_errors: bool) -> None:
        self._layout = layout
        self._schema = layout.schema
        self._selecting = selecting
        self._for_errors = for_errors
        self._givers = Givers(layout)
        self._targets: dict[Any, Target] = {}
        self._laters: dict[Any, Later] = {}
        self._numbered = 0
        self._members = 0

    def root(self, root_type: GraphQLObjectType) -> Object:
        base = tuple(Origin(number, keys) for number, keys in sorted(self._layout.roots.items()))
        selected = self._selecting.of(self._selecting.root(), root_type)
        return self._object(base, (), root_type, selected)

    def _target(self, base: _Base, position: KeyPath, kind: GraphQLNamedType, below: _Below) -> Target:
        """What stands below a field."""
        sets = tuple([(id(selection_set), usage) for selection_set, usage in below.sets])
        mark = (position, _mark(base), sets, below.around, kind.name)
        target = self._targets.get(mark)
        if target is None:
            if is_abstract_type(kind):
                target = self._abstract(base, position, kind, below)
            else:
                target = self._object(base, position, kind, self._selecting.of(below, kind))
            self._targets[mark] = target
        return target

    def _object(self, base: _Base, position: KeyPath, kind: GraphQLNamedType, selected: _Selected) -> Object:
        origins = self._origins(base, position, {TYPENAME, *selected.now}, kind, selected)
        result = Object(position, kind, base, origins, Fields(kind))
        if not self._for_errors:
            result.once_per = self._once_per(base, origins, selected)
        result.fields = self._fields(result, kind, selected)
        return result

    def _abstract(self, base: _Base, position: KeyPath, kind: Any, below: _Below) -> Abstract:
        """By an object's name what its type selects; types that select alike are one choice."""
        declared: GraphQLInterfaceType | GraphQLUnionType = kind
        possible = list(self._schema.get_possible_types(declared))
        is_interface = isinstance(kind, GraphQLInterfaceType)
        alike: dict[Any, tuple[GraphQLNamedType, _Selected, list[str | None]]] = {}
        wanted = {TYPENAME}
        for choice in (*possible, kind) if is_interface else possible:
            selected = self._selecting.of(below, choice)
            wanted |= set(selected.now)
            # Of objects of which no more is known than the interface, `__typename` isn't known.
            mark = (choice is kind, self._selecting.alike(choice, selected))
            alike.setdefault(mark, (choice, selected, []))[2].append(choice.name)
        matters = self._selecting.type_matters(below, kind)
        origins = self._origins(base, position, wanted, kind)
        result = Abstract(position, kind, base, origins, type_matters=matters)
        is_only = not is_interface and len(possible) == 1
        found = []
        for choice, selected, names in alike.values():
            if choice is kind and matters:
                continue  # an error
            # Nothing more is known than the interface, and no answer depends on it; or there is but one type that it
            # can be.
            if choice is kind or is_only:
                names += (None, *self._layout.names.abstract)
            found.append((choice, selected, tuple(names)))
        count = len({name for _, _, names in found for name in names})
        result.choices = [
            Choice(
                names,
                self._fields(result, choice, selected),
                by_name=is_object_type(choice) and count > 1 and not is_only,
            )
            for choice, selected, names in found
        ]
        return result

    def _origins(
        self,
        base: _Base,
        position: KeyPath,
        wanted: set[str],
        kind: GraphQLNamedType,
        selected: _Selected | None = None,
    ) -> tuple[Origin, ...]:
        """The parts of an object with what entity fetches may have given it, in plan order."""
        if not base or position == ():
            return base
        tables = [
            table for table in self._layout.attached.get(position, ()) if any(key in table.keys for key in wanted)
        ]
        for table in tables:
            if table.by_key is not None:
                only = table.entities.representations[0] if table.entities is not None else None
                if len(base) != 1 or table.by_key not in base[0].keys or only is None or only.types != {kind.name}:
                    raise UnfitKey(table)
        keys = [origin.keys for origin in base] + [table.keys for table in tables]
        rows = []
        for table in tables:
            is_required = (
                table.by_key is not None
                and selected is not None
                and not self._for_errors
                and any(
                    nodes[0].name.value != TYPENAME and [one for one in keys if key in one] == [table.keys]
                    for key, (nodes, _) in selected.now.items()
                )
            )
            rows.append(Origin(table.fetch.id, table.keys, table, is_required))
        return tuple(sorted([*base, *rows], key=lambda origin: origin.fetch))

    def _once_per(self, base: _Base, origins: tuple[Origin, ...], selected: _Selected) -> Origin | None:
        """The table whose representation decides everything that is selected."""
        rows = [origin for origin in origins if origin.table is not None]
        if len(base) != 1 or not rows:
            return None
        for primary in rows:
            keys = _key_sources(primary.table)
            if keys is None:
                continue
            decided = {primary}
            while True:
                more = {
                    row
                    for row in rows
                    if row not in decided
                    and (sources := _key_sources(row.table)) is not None
                    and all(source in keys or any(source in one.keys for one in decided) for source in sources)
                }
                if not more:
                    break
                decided |= more
            if all(
                nodes[0].name.value == TYPENAME
                or (
                    len(offering := [origin for origin in origins if key in origin.keys]) == 1
                    and (offering[0] in decided or (offering[0] is base[0] and key in keys))
                )
                for key, (nodes, _) in selected.now.items()
            ):
                return primary
        return None

    # -- fields

    def _fields(self, owner: Target, kind: GraphQLNamedType, selected: _Selected) -> Fields:
        """The fields of objects of one runtime type."""
        fields = Fields(kind)
        if not is_object_type(kind) and (selected.begun or selected.later):
            fields.is_undecided = True
            return fields
        fields.members = [self._member(owner, kind, key, nodes, below) for key, (nodes, below) in selected.now.items()]
        fields.begun = selected.begun
        fields.later = [
            self._later(owner, kind, usages, details, selected.around) for usages, details in selected.later
        ]
        return fields

    def _member(self, owner: Target, kind: GraphQLNamedType, key: str, nodes: list[FieldNode], below: _Below) -> Member:
        self._members += 1
        if self._members > MAX_LINES:
            raise Unsupported("the program would be too large")
        name = nodes[0].name.value
        if name == TYPENAME:
            return Typename(key)
        if name in ("__schema", "__type") and not owner.position:
            return Introspected(key, nodes)
        definition = definition_of(self._schema, kind, name)
        if definition is None:
            return UnknownField(key)
        sources = tuple([origin for origin in owner.origins if key in origin.keys])
        withheld = self._layout.withheld
        if not sources and withheld is not None and withheld.always(owner.position, kind.name, key):
            return WithheldField(key)
        blame = self._blame(owner, key, kind.name) if self._for_errors else None
        named = get_named_type(definition.type)
        if is_leaf_type(named):
            return Leaf(key, name, definition.type, sources, blame)
        target = None
        if sources:
            base = tuple([Origin(origin.fetch, origin.keys.below[key]) for origin in sources])
            target = self._target(base, (*owner.position, key), named, below)
        return Child(key, name, definition.type, sources, target, self._selecting.count(below), blame)

    def _blame(self, owner: Target, key: str, type_name: str) -> Blame | None:
        only = self._givers.only(owner.origins, owner.position, key)
        if only is None:
            return None
        (offering,) = (origin for origin in owner.origins if key in origin.keys)
        giver = self._givers.of(owner.origins, owner.position, key, type_name)
        if giver is None or len(owner.base) != 1:
            return Blame(offering)
        return Blame(offering, owner.base[0], giver)

    # -- deferred fields

    def _later(
        self, owner: Target, kind: GraphQLNamedType, usages: UsageSet, fields: Details, around: UsageSet
    ) -> Later:
        base, position = owner.base, owner.position
        mark = (position, _mark(base), kind.name, id(fields), usages)
        later = self._laters.get(mark)
        if later is None:
            order = sorted(usages, key=lambda usage: usage.directive.number)
            later = self._laters[mark] = Later(None, kind, usages, order, fields)
            if position and not all(self._has_ended(origin.fetch, around) for origin in base):
                # The parts that are there now are not all that will be: the joined view finds the object again.
                return later
            later.number = self._numbered
            self._numbered += 1
            own = tuple([Origin(origin.fetch, origin.keys) for origin in base])
            later.target = self._object(own, position, kind, self._selecting.group(fields, usages))
        return later

    def _has_ended(self, fetch: int, around: UsageSet) -> bool:
        """Whether a fetch has ended when fields of these fragments are projected."""
        part = self._layout.part_of.get(fetch)
        if part is None:
            return True
        _, defers = self._layout.parts[part]
        return not defers or any(defers <= usage.defers for usage in around)


def _mark(base: _Base) -> tuple[tuple[int, int], ...]:
    return tuple([(origin.fetch, id(origin.keys)) for origin in base])


def _key_sources(table: Table | None) -> set[str] | None:
    """The response keys whose values alone make the representation."""
    if table is None or table.entities is None or table.is_contextual or len(table.entities.representations) != 1:
        return None
    (only,) = table.entities.representations
    fields = leaf_sources(only)
    if fields is None or len(only.types) != 1:
        return None
    return {source for _, source in fields}
