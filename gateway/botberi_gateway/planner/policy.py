"""What the stages of choosing share: the policy of a run, a way to a subgraph, the outcome."""

from dataclasses import dataclass
from typing import TypeAlias

from botberi_gateway.planner.fetch_graph import Arrival, Part
from botberi_gateway.query_graph import Entry

#: A request of the plan: (step, subgraph).
Slot: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """`steps`: routes within this many steps aren't rated by their step. `wanted`: requests that exist anyway. `banned`: not to be used.

    `start`: the one subgraph that may give root fields, empty where any may.
    """

    steps: int = 0
    wanted: frozenset[Slot] = frozenset()
    banned: frozenset[Slot] = frozenset()
    start: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A way to an arrival in `graph`; `added` are the requests that it adds.

    `sole`: there was no other way to that subgraph. `strangers`: objects of other types, which nobody asks about, get the field as well (below an `@interfaceObject`). Each of their errors may null
    the objects that are asked about.
    """

    graph: str
    level: int
    added: tuple[Slot, ...]
    arrival: Arrival | None = None
    descend: "Route | None" = None
    entry: Entry | None = None
    root: bool = False
    strangers: bool = False
    sole: bool = True


@dataclass(slots=True)
class Outcome:
    """The result of a run.

    `forced` are the requests of fields that one subgraph only gives, `sole` those of them to which one way only led;
    `choices` counts the other fields. `work` is what it took.
    """

    parts: list[Part]
    forced: frozenset[Slot]
    sole: frozenset[Slot]
    choices: int
    work: int = 0
