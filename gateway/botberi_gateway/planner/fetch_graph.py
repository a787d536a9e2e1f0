"""The plan under construction: positions of the answer, the fetch groups that ask for fields there, and their entries.

A position is a place in the answer. A fetch group asks one subgraph for objects at one position. Its selection goes on
to positions below; at each position that a group reaches it has an entry, from which further fields can be selected.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from botberi_gateway.plan import ContextValue, KeySelection, ListItems, Path, TypeCondition
from botberi_gateway.planner.conditions import ALWAYS, Conditions
from botberi_gateway.planner.tree import Field
from botberi_gateway.query_graph import Host, KeyEdge, SubgraphType

#: How a group gets its objects: by root fields, by representations, or from the event of a subscription.
GroupKind: TypeAlias = Literal["root", "entity", "event"]

#: Fetch groups in the order in which they were found; the values mean nothing.
Groups: TypeAlias = "dict[FetchGroup, None]"
#: Subgraphs that may not know the objects at a place (response keys).
Uncertain: TypeAlias = frozenset[tuple[str, tuple[str, ...]]]

ITEMS = ListItems()


@dataclass(slots=True, eq=False)
class Item:
    """A field in a subgraph's selection, selected for objects of `types`."""

    field: Field
    types: frozenset[str]
    conditions: Conditions
    child: "Selection | None" = None


class Selection:
    """The fields that one request selects of one object.

    `static` is its type in the subgraph, None for entities of several types.
    """

    __slots__ = ("_index", "graph", "items", "static", "typename", "types")

    def __init__(self, graph: str, static: SubgraphType | None, types: frozenset[str]) -> None:
        self.graph = graph
        self.static = static
        self.types = types
        self.items: list[Item] = []
        #: Whether `__typename` is selected without conditions.
        self.typename = False
        self._index: dict[str, list[Item]] = {}

    def find(
        self, field: Field, types: frozenset[str], conditions: Conditions, within: frozenset[str] | None = None
    ) -> Item | None:
        """An item that gives the field to all of `types`, and to none outside `within`, if `conditions` hold."""
        for item in self._index.get(field.key, ()):
            if within is not None and not item.types <= within:
                continue
            # An unconditional object doesn't give a conditional one: what is selected below would lose its conditions.
            if types <= item.types and (item.conditions == conditions or not (item.conditions or item.child)):
                return item
        return None

    def add(self, field: Field, types: frozenset[str], conditions: Conditions, child: "Selection | None") -> Item:
        """Select the field once more."""
        item = Item(field, types, conditions, child)
        self.items.append(item)
        self._index.setdefault(field.key, []).append(item)
        return item


class Position:
    """A place in the answer: the objects at `path` that are of `types`. Several groups may have an entry there."""

    __slots__ = (
        "children",
        "client_fields",
        "conditions",
        "entries",
        "field",
        "keys",
        "parent",
        "parent_types",
        "path",
        "type_name",
        "types",
    )

    def __init__(
        self,
        type_name: str,
        types: frozenset[str],
        parent: "Position | None" = None,
        field: Field | None = None,
        parent_types: frozenset[str] = frozenset(),
    ) -> None:
        self.type_name = type_name
        self.types = types
        self.parent = parent
        #: The parent's field whose value stands here, and the parent's types for which it does.
        self.field = field
        self.parent_types = parent_types
        #: What the client selects here, as far as it is known.
        self.client_fields: tuple[Field, ...] = ()
        self.entries: list[Entry] = []
        self.children: dict[tuple[str, Conditions], list[Position]] = {}
        self.path: Path = ()
        #: The response keys of `path`.
        self.keys: tuple[str, ...] = ()
        self.conditions = ALWAYS
        if parent is not None and field is not None:
            segment: Path = (field.key, *[ITEMS] * field.list_depth)
            if parent_types < parent.types:
                segment = (TypeCondition(parent_types), *segment)
            self.path = parent.path + segment
            self.keys = (*parent.keys, field.key)
            self.conditions = parent.conditions.union(field.conditions)

    @property
    def defers(self) -> frozenset[int]:
        """The `@defer`s that the whole position stands under."""
        return self.conditions.defers


class Entry:
    """A group's selection at a position, for those objects there that are of `types`."""

    __slots__ = (
        "as_interface",
        "conditions",
        "graph",
        "group",
        "host",
        "knows_type",
        "position",
        "provided",
        "selection",
        "types",
    )

    def __init__(
        self,
        position: Position,
        group: "FetchGroup",
        selection: Selection,
        conditions: Conditions,
        provided: tuple[Field, ...] = (),
    ) -> None:
        self.position = position
        self.group = group
        self.graph = group.graph
        self.selection = selection
        self.types = selection.types
        static = selection.static
        #: The interface for whose objects the subgraph takes these; empty where it takes them for what they are.
        self.as_interface = "" if static is None else static.as_interface
        #: Whether `__typename` of this selection is the object's own type.
        self.knows_type = static is None or not static.is_interface_object
        self.host: Host = (group.graph, self.as_interface)
        self.conditions = conditions
        #: What `@provides` of fields above gives here beside the subgraph's own fields.
        self.provided = provided

    @property
    def step(self) -> int:
        """The step of its group."""
        return self.group.step

    @property
    def is_uncertain(self) -> bool:
        """Whether some objects may have no representation here, for want of what the fields of the group require."""
        return bool(self.group.uncertain) and self is self.group.entry


@dataclass(slots=True, eq=False)
class FetchGroup:
    """What one subgraph is asked for at one position in one step: root fields, or fields of entities.

    Groups of the same step and subgraph are sent as one request.
    """

    graph: str
    kind: GroupKind
    position: Position
    types: frozenset[str]
    #: The type name that representations say; None: each object's own type.
    typename: str | None
    conditions: Conditions
    #: Its place among the groups, in the order in which they are made.
    number: int
    step: int = 1
    #: The groups whose answers it depends on.
    needs: Groups = field(default_factory=dict)
    #: How representations are read from the data: the key, and what fields require.
    inputs: list[KeySelection] = field(default_factory=list)
    #: Contextual arguments, by variable.
    contexts: dict[str, ContextValue] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)
    #: The key by which entities are asked for.
    key_edge: KeyEdge | None = None
    #: Where subgraphs give what the fields here require, and may not know each of the objects. What requires something
    #: of an object that one doesn't know has no representation, so that no other field is asked for here.
    uncertain: Uncertain = frozenset()
    entry: Entry = field(init=False)

    @property
    def selection(self) -> Selection:
        """What it asks for."""
        return self.entry.selection

    @property
    def defers(self) -> frozenset[int]:
        """The `@defer`s that all its fields stand under."""
        own, around = self.conditions.defers, self.position.conditions.defers
        return own | around if own else around


def release(groups: Iterable[FetchGroup]) -> None:
    """Break the reference cycles of groups that are not needed any more, so that their memory is free at once.

    The garbage collector would take longer for them than planning took.
    """
    for group in groups:
        position: Position | None = group.position
        while position is not None and (position.entries or position.children):
            _release(position)
            position = position.parent
        _forget_entry(group)


def _release(position: Position) -> None:
    for entry in position.entries:
        _forget_entry(entry.group)
    below = [child for children in position.children.values() for child in children]
    position.entries.clear()
    position.children.clear()
    for child in below:
        _release(child)


def _forget_entry(group: FetchGroup) -> None:
    if hasattr(group, "entry"):
        del group.entry
