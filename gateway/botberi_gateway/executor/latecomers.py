"""The joined view -> the part of the response that isn't deferred, and groups of fields that come later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLNamedType, SelectionSetNode, is_object_type

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.deferral import DeferredSelections, DeferUsage, Details, SelectedSets, UsageSet
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.project import PROPAGATE, Projection
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.unknown import Typed
from botberi_gateway.executor.view import ObjectView, object_at


@dataclass(slots=True, eq=False)
class Fragment:
    """A deferred fragment at one object of the response: what clients know as a pending result."""

    path: ResponsePath
    usage: DeferUsage
    parent: "Fragment | None"
    groups: "list[Group]" = field(default_factory=list)
    id: str | None = None
    completed: bool = False
    failed: bool = False

    @property
    def label(self) -> str | None:
        return self.usage.directive.label

    def around(self) -> "Fragment | None":
        """The nearest fragment outside that has anything to deliver itself."""
        here = self.parent
        while here is not None and not here.groups:
            here = here.parent
        return here

    def is_lost(self) -> bool:
        """Whether the fragment, or one around it, failed, so that clients get no more of it."""
        here: Fragment | None = self
        while here is not None:
            if here.failed:
                return True
            here = here.parent
        return False


@dataclass(slots=True, eq=False)
class Group:
    """Fields of one object that come later, together, for all of these fragments."""

    path: ResponsePath
    runtime_type: GraphQLNamedType
    usages: UsageSet
    fields: Details
    fragments: tuple[Fragment, ...]
    known: dict[DeferUsage, Fragment]
    #: Deferred parts of the plan that must have ended before; nothing of others is seen.
    parts: frozenset[int] = frozenset()
    done: bool = False
    delivered: bool = False
    data: dict[str, Any] | None = None
    errors: list[ErrorEntry] = field(default_factory=list)
    #: In compiled code the number of its function, and the object's layers.
    compiled: tuple[int, Sequence[dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True)
class Below:
    """The selection below a field: its sets, the fragments that are being answered, and all that began above."""

    sets: SelectedSets
    around: UsageSet
    known: dict[DeferUsage, Fragment]


class DeferringProjection(Projection):
    """A projection that leaves out deferred fields; `groups` are those fields, without any that a null removed."""

    def __init__(
        self, execution: Execution, root: ObjectView, selections: Selections, deferred: DeferredSelections
    ) -> None:
        super().__init__(execution, root, selections)
        self.deferred = deferred
        self.groups: list[Group] = []
        self.typed = Typed(selections, deferred.is_deferred)

    def joined(self) -> ObjectView:
        return self.root

    def type_matters(self, sets: Any, kind: GraphQLNamedType) -> bool:
        below: Below = sets
        now, later = parted(below.sets, below.around)
        return self.typed.matters(now, kind, later)

    def initial(self) -> dict[str, Any] | None:
        root_type = self.root_type()
        if root_type is None:
            return None
        below = Below(((self.execution.operation.selection_set, None),), frozenset(), {})
        return self.object_value(self.root, root_type, below)

    def later(self, group: Group) -> dict[str, Any] | None:
        """A group's fields; None where a null propagated out of them."""
        runtime_type = group.runtime_type
        view = object_at(self.root, group.path)
        if view is None:
            return None
        if not is_object_type(runtime_type):
            # So far subgraphs had it as `@interfaceObject`; one of the fetches for this group may know better.
            name = self.execution.names.of(view)
            known = None if name is None else self.schema.get_type(name)
            runtime_type = known if is_object_type(known) else runtime_type
        return self._fields(view, runtime_type, group.fields, group.usages, group.known)

    def again(self) -> "DeferringProjection":
        """A projection for another group."""
        return DeferringProjection(self.execution, self.root, self.selections, self.deferred)

    def close(self) -> None:
        """Nothing is kept that would have to be released."""

    def object_value(self, view: ObjectView, runtime_type: GraphQLNamedType, sets: Any) -> dict[str, Any] | None:
        below: Below = sets
        split = self.deferred.split(below.sets, below.around, runtime_type)
        known = below.known
        if split.begun:
            known = dict(known)
            path = view.path()
            for usage in split.begun:
                parent = None if usage.parent is None else known.get(usage.parent)
                known[usage] = Fragment(path, usage, parent)
        result = self._fields(view, runtime_type, split.now, below.around, known)
        if result is not None:
            for usages, fields in split.later.items():
                fragments = tuple(known[usage] for usage in sorted(usages, key=_number))
                self.groups.append(Group(view.path(), runtime_type, usages, fields, fragments, known))
        return result

    def _fields(
        self,
        view: ObjectView,
        runtime_type: GraphQLNamedType,
        fields: Details,
        around: UsageSet,
        known: dict[DeferUsage, Fragment],
    ) -> dict[str, Any] | None:
        result: dict[str, Any] = {}
        mark = self.mark()
        for key, details in fields.items():
            sets = tuple((d.node.selection_set, d.usage) for d in details if d.node.selection_set is not None)
            value = self.field(view, runtime_type, key, [d.node for d in details], Below(sets, around, known))
            if value is PROPAGATE:
                self.lose(mark, view.path())
                return None
            result[key] = value
        return result

    def mark(self) -> tuple[int, int]:
        return len(self.field_errors.entries), len(self.groups)

    def lose(self, mark: tuple[int, int], place: ResponsePath) -> None:
        super().lose((mark[0], 0), place)
        del self.groups[mark[1] :]


def parted(sets: SelectedSets, around: UsageSet) -> tuple[list[SelectionSetNode], list[SelectionSetNode]]:
    """The selection sets below a field that are answered now, and those of fragments that come later."""
    now = [selection_set for selection_set, usage in sets if usage is None or usage in around]
    return now, [selection_set for selection_set, usage in sets if not (usage is None or usage in around)]


def _number(usage: DeferUsage) -> int:
    return usage.directive.number
