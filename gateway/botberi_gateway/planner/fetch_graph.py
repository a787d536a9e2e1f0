"""The plan under construction: positions of the answer, arrivals at them, and the parts of fetches that make them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from botberi_gateway.plan import ContextValue, KeySelection, ListItems, Path, TypeCondition
from botberi_gateway.planner.tree import Conditions, Field, defers
from botberi_gateway.query_graph import Entry, Host, SubgraphType

PartKind: TypeAlias = Literal["root", "entity", "event"]

ITEMS = ListItems()


@dataclass(slots=True, eq=False)
class Item:
    """A field in a subgraph's selection, for objects of `types`."""

    field: Field
    types: frozenset[str]
    conditions: Conditions
    child: "Selection | None" = None


class Selection:
    """What one fetch selects of one object. `static` is its type in the subgraph, None for entities of several types."""

    __slots__ = ("_index", "graph", "items", "static", "typename", "types")

    def __init__(self, graph: str, static: SubgraphType | None, types: frozenset[str]) -> None:
        self.graph = graph
        self.static = static
        self.types = types
        self.items: list[Item] = []
        self.typename = False
        self._index: dict[str, list[Item]] = {}

    def find(
        self, field: Field, types: frozenset[str], conditions: Conditions, within: frozenset[str] | None = None
    ) -> Item | None:
        """An item that already gives the field to all of `types`, and to none that isn't `within`, whenever `conditions` hold."""
        for item in self._index.get(field.key, ()):
            if within is not None and not item.types <= within:
                continue
            # An unconditional object doesn't give a conditional one: what is selected below would lose its conditions.
            if types <= item.types and (item.conditions == conditions or not (item.conditions or item.child)):
                return item
        return None

    def add(self, field: Field, types: frozenset[str], conditions: Conditions, child: "Selection | None") -> Item:
        item = Item(field, types, conditions, child)
        self.items.append(item)
        self._index.setdefault(field.key, []).append(item)
        return item


class Position:
    """A place in the answer: the objects at `path` that are of `types`. Several fetches may arrive there."""

    __slots__ = (
        "arrivals",
        "children",
        "conditions",
        "field",
        "keys",
        "parent",
        "parent_types",
        "path",
        "type_name",
        "types",
        "wanted",
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
        self.field = field
        self.parent_types = parent_types
        #: What the client selects here, as far as it is known.
        self.wanted: tuple[Field, ...] = ()
        self.arrivals: list[Arrival] = []
        self.children: dict[tuple[str, Conditions], list[Position]] = {}
        self.path: Path = ()
        self.keys: tuple[str, ...] = ()
        self.conditions: frozenset[tuple[str, bool]] = frozenset()
        if parent is not None and field is not None:
            step: Path = (field.key, *[ITEMS] * field.list_depth)
            if parent_types < parent.types:
                step = (TypeCondition(parent_types), *step)
            self.path = parent.path + step
            self.keys = (*parent.keys, field.key)
            self.conditions = parent.conditions | frozenset(field.conditions)

    @property
    def defers(self) -> frozenset[int]:
        """The `@defer`s that the whole position stands under."""
        return defers(self.conditions)


class Arrival:
    """One fetch's selection at a position, for those objects that are of `types`."""

    __slots__ = ("as_interface", "conditions", "graph", "host", "part", "position", "provided", "selection", "types")

    def __init__(
        self,
        position: Position,
        part: "Part",
        selection: Selection,
        conditions: frozenset[tuple[str, bool]],
        provided: tuple[Field, ...] = (),
    ) -> None:
        self.position = position
        self.part = part
        self.graph = part.graph
        self.selection = selection
        self.types = selection.types
        static = selection.static
        #: The interface for whose objects the subgraph takes these, empty where it takes them for what they are.
        self.as_interface = "" if static is None else static.as_interface
        self.host: Host = (part.graph, self.as_interface)
        self.conditions = conditions
        self.provided = provided

    @property
    def is_uncertain(self) -> bool:
        """Whether there may be no representations of some objects, for want of what fields here require."""
        return bool(self.part.uncertain) and self is self.part.arrival

    @property
    def knows_type(self) -> bool:
        """Whether `__typename` of this selection is the object's own type."""
        static = self.selection.static
        return static is None or not static.is_interface_object


@dataclass(slots=True, eq=False)
class Part:
    """A root selection, or entities at one position, from one subgraph: parts of a step and subgraph become one fetch."""

    graph: str
    kind: PartKind
    position: Position
    types: frozenset[str]
    #: What representations say; None: each object's own type.
    typename: str | None
    conditions: Conditions
    number: int
    level: int = 1
    needs: "dict[Part, None]" = field(default_factory=dict)
    inputs: list[KeySelection] = field(default_factory=list)
    #: By variable.
    contexts: dict[str, ContextValue] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)
    #: Of entities: the key that representations have.
    entry: Entry | None = None
    #: Subgraphs that give what the fields here require, and that may not know each of the objects. Of those that one of them doesn't know
    #: there is no representation, so that no other field is asked for here.
    uncertain: frozenset[str] = frozenset()
    arrival: Arrival = field(init=False)

    @property
    def selection(self) -> Selection:
        return self.arrival.selection

    @property
    def defers(self) -> frozenset[int]:
        """The `@defer`s that all its fields stand under."""
        if not self.conditions and not self.position.conditions:
            return frozenset()
        return defers(self.conditions) | self.position.defers


def release(parts: Iterable[Part]) -> None:
    """Break the circles of parts that nobody needs any more, so that they go at once: the garbage collector would take longer than planning them."""
    for part in parts:
        here: Position | None = part.position
        while here is not None and (here.arrivals or here.children):
            _release(here)
            here = here.parent
        _forget_arrival(part)


def _release(position: Position) -> None:
    for arrival in position.arrivals:
        _forget_arrival(arrival.part)
    below = [child for children in position.children.values() for child in children]
    position.arrivals.clear()
    position.children.clear()
    for child in below:
        _release(child)


def _forget_arrival(part: Part) -> None:
    if hasattr(part, "arrival"):
        del part.arrival
