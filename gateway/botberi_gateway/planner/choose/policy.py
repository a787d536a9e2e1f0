"""The policy and the outcome of a run, which `search` and the chooser exchange; and the route, a way to a subgraph."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from botberi_gateway.planner.fetch_graph import Entry, FetchGroup
from botberi_gateway.query_graph import KeyEdge

#: A request of the plan: its step and its subgraph.
RequestKey: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a run of the chooser takes for cheap, and what for expensive."""

    #: A route that ends within this many steps isn't rated by its step.
    max_steps: int = 0
    #: Requests that cost nothing, as another field needs them anyway.
    free_requests: frozenset[RequestKey] = frozenset()
    #: Requests that are made only where there is no other way.
    banned_requests: frozenset[RequestKey] = frozenset()
    #: The one subgraph that may give root fields; empty: any may.
    root_subgraph: str = ""


class Route(NamedTuple):
    """A way on which a group of `graph` reaches the objects of a goal, in `step`.

    Exactly one of these says how: an `entry` that exists; a field move from the end of `parent_route`, by the field
    between the parent and the goal's position; an entity jump by `key_edge`; a request for a root type (`is_root`).
    """

    graph: str
    step: int
    #: The requests that it would add to the plan.
    new_requests: tuple[RequestKey, ...]
    entry: Entry | None = None
    parent_route: "Route | None" = None
    key_edge: KeyEdge | None = None
    is_root: bool = False
    #: It goes through an entity above, which the subgraph may not know, though another subgraph gave it.
    enters_above: bool = False
    #: Other implementations, of which the client doesn't ask the field, get it as well (below an `@interfaceObject`):
    #: an error of theirs may null the objects that are asked for.
    has_other_implementations: bool = False
    #: No other way leads to that subgraph.
    is_only_route: bool = True


@dataclass(slots=True)
class Outcome:
    """The result of a run."""

    groups: list[FetchGroup]
    #: Requests for fields that a single subgraph gives.
    mandatory: frozenset[RequestKey]
    #: Those of `mandatory` to which a single way leads.
    only_route: frozenset[RequestKey]
    #: Fields for which there was more than one way.
    choices: int
    #: Keys looked at: what the run cost where many subgraphs have many keys.
    work: int = 0
