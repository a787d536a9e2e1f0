"""A layout and an operation with `@defer` -> the source of `project`: the part of the response that isn't deferred, and each group of fields that comes later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLNamedType, GraphQLObjectType, SelectionSetNode, is_object_type

from botberi_gateway.executor.compiled.layout import KeyPath, Layer, Layout, layers_at_root
from botberi_gateway.executor.compiled.null_propagation import NullPropagation
from botberi_gateway.executor.compiled.project import Deliver, Project, Shape, returned
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.spending import count_fields, count_items
from botberi_gateway.executor.deferral import DeferredSelections, DeferUsage, Details, SelectedSets, Split, UsageSet
from botberi_gateway.executor.latecomers import parted
from botberi_gateway.executor.selection import FieldGroups, Selections
from botberi_gateway.executor.unknown import Typed


@dataclass(frozen=True, slots=True)
class Below:
    """The selection below a field: its sets, and the fragments whose fields are being answered."""

    sets: SelectedSets
    around: UsageSet


class Now(dict[str, list[FieldNode]]):
    """Fields that are answered now, and what else becomes of the object."""

    def __init__(self, split: Split, around: UsageSet) -> None:
        super().__init__((key, [detail.node for detail in details]) for key, details in split.now.items())
        self.split = split
        self.around = around


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """A group of fields for these fragments; `number` is its function's (None: it has none), `order` the fragments in the document's."""

    number: int | None
    kind: GraphQLNamedType
    usages: UsageSet
    order: Sequence[DeferUsage]
    fields: Details


class Deferring(NullPropagation):
    """`k` are the fragments that began at the object or above it, `r` the look's `Look`."""

    parameters = ("p", "k")
    passed = ", k"

    def __init__(
        self,
        source: Source,
        layout: Layout,
        selections: Selections,
        state: Sequence[str],
        deferred: DeferredSelections,
    ) -> None:
        super().__init__(source, layout, selections, state)
        self._deferred = deferred
        self._typed = Typed(selections, deferred.is_deferred)
        self._laters: dict[Any, Later] = {}
        self._names: list[str] = []
        #: The layers of the object that is being written, before entities are attached to them.
        self._base: list[Layer] = []

    def write(self, root_type: GraphQLObjectType, root: SelectionSetNode) -> None:
        """`project(x, r, w, …)` gives the function of the first payload's data, and those of groups by their number."""
        source = self._source
        with source.block(f"def project({', '.join(['x', *self.helpers, *self._state])}):"):
            source.line("spending = x.spending")
            top = len(source.lines)
            with source.block("def initial():"):
                source.line("k = {}")
                self._begin()
                self._base = layers_at_root(self._layout)
                groups = self._groups(Below(((root, None),), frozenset()), root_type)
                self._fields(self._base, (), root_type, groups, repr(root_type.name), returned(source), root=True)
            source.lines[top:top] = self._written
            source.line(f"return initial, ({''.join(f'{name}, ' for name in self._names)})")

    # -- what may be lost again

    def _count(self, mark: str) -> None:
        super()._count(mark)
        self._source.line(f"{mark}g = len(r.groups)")

    def _lose(self, mark: str, place: str) -> None:
        super()._lose(mark, place)
        self._source.line(f"del r.groups[{mark}g:]")

    # -- selections

    def _mark(self, sets: Below) -> Any:
        return tuple((id(one), usage) for one, usage in sets.sets), sets.around

    def _count_items(self, items: str, sets: Below) -> None:
        count_items(self._source, items, count_fields((one for one, _ in sets.sets), self._selections))

    def _groups(self, sets: Below, kind: GraphQLNamedType) -> FieldGroups:
        return Now(self._deferred.split(sets.sets, sets.around, kind), sets.around)

    def _matters(self, sets: Below, kind: GraphQLNamedType) -> bool:
        now, later = parted(sets.sets, sets.around)
        return self._typed.matters(now, kind, later)

    def _shape(self, kind: GraphQLNamedType, groups: FieldGroups) -> Shape:
        # Types that select alike now may differ in what comes later.
        return Shape((("", kind.name, ()),))

    # -- objects

    def _function(self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, sets: Any) -> str:
        before = self._base
        name = super()._function(base, position, kind, sets)
        self._base = before
        return name

    def _object(
        self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, groups: FieldGroups, deliver: Deliver
    ) -> None:
        self._base = base
        super()._object(base, position, kind, groups, deliver)

    def _abstract_object(self, base: list[Layer], position: KeyPath, kind: GraphQLNamedType, sets: Any) -> None:
        self._base = base
        super()._abstract_object(base, position, kind, sets)

    def _fields(
        self,
        layers: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        groups: FieldGroups,
        typename: str,
        deliver: Deliver,
        root: bool = False,
    ) -> None:
        assert isinstance(groups, Now)
        source, base, split = self._source, self._base, groups.split
        if not is_object_type(kind) and (split.begun or split.later):
            source.line("raise BailOut('deferred fields of an object of unknown type')")
            return
        if split.begun:
            source.line(f"k = r.begin(k, p, {source.constant('BEGUN', tuple(split.begun))})")
        parts = []
        for key, details in split.now.items():
            below = Below(
                tuple((one.node.selection_set, one.usage) for one in details if one.node.selection_set is not None),
                groups.around,
            )
            value = self._field(layers, position, kind, key, groups[key], below, typename, root)
            parts.append(f"{key!r}: {value}")
        for usages, fields in split.later.items():
            later = source.constant("LATER", self._later(base, position, kind, fields, usages, groups.around))
            captured = "".join(f"{layer.var}, " for layer in base) if position else ""
            source.line(f"r.defer(p, k, {later}, ({captured}))")
        deliver("{" + ", ".join(parts) + "}")

    def _later(
        self,
        base: list[Layer],
        position: KeyPath,
        kind: GraphQLNamedType,
        fields: Details,
        usages: UsageSet,
        around: UsageSet,
    ) -> Later:
        mark = (position, tuple((layer.fetch, id(layer.keys)) for layer in base), kind.name, id(fields), usages)
        later = self._laters.get(mark)
        if later is not None:
            return later
        order = sorted(usages, key=lambda usage: usage.directive.number)
        if position and not all(self._has_ended(layer.fetch, around) for layer in base):
            # The layers that are there now are not all that will be: the joined view finds the object again.
            later = self._laters[mark] = Later(None, kind, usages, order, fields)
            return later
        name = self._source.name("later")
        later = self._laters[mark] = Later(len(self._names), kind, usages, order, fields)
        self._names.append(name)
        arguments = [Layer(layer.fetch, layer.keys, self._source.name("o")) for layer in base] if position else base
        before, self._loops, self._in_abstract, self._base = (
            (self._loops, self._in_abstract, self._base),
            0,
            False,
            arguments,
        )
        captured = [layer.var for layer in arguments] if position else []
        # That the object is of another type than it was: nothing above could report it.
        self._impossible = Project._impossible
        with (
            self._source.aside(depth=1) as lines,
            self._source.block(f"def {name}({', '.join([*captured, *self.parameters])}):"),
        ):
            self._enter()
            groups = Now(Split(now=fields), usages)
            if position:
                self._object(arguments, position, kind, groups, returned(self._source))
            else:
                self._fields(arguments, (), kind, groups, repr(kind.name), returned(self._source), root=True)
        self._impossible = NullPropagation._impossible
        self._loops, self._in_abstract, self._base = before
        self._written += lines
        return later

    def _has_ended(self, fetch: int, around: UsageSet) -> bool:
        """Whether a fetch has ended when fields of these fragments are projected."""
        part = self._layout.part_of.get(fetch)
        if part is None:
            return True
        _, defers = self._layout.parts[part]
        return not defers or any(defers <= usage.defers for usage in around)
