"""Fields at positions -> parts: for each field the subgraph that answers it, and how one gets there, by least cost under a policy.

`Chooser` goes over the answer's positions breadth first. At each it lists the ways to a field (`Route`): an arrival that is there, a
descent from an arrival at the parent, a jump by key (or through further subgraphs, when the key isn't at hand). A route is rated by the
steps and requests it would add; `Policy` says which requests cost nothing (another field needs them anyway) and which are banned, and
`search` runs the chooser under several policies.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import TypeAlias

from gateway.errors import PlanningError
from gateway.plan import KeyField, KeyFragment, KeySelection
from gateway.planner.estimate import Estimator
from gateway.planner.fetch_graph import Arrival, Part, Position, Selection
from gateway.planner.tree import Conditions, Field
from gateway.planner.walk import Walker
from gateway.query_graph import Entry, KeyPart, QueryGraph, Resolver, SubgraphType, key_parts, parse_field_set

#: A request of the plan: (step, subgraph).
Slot: TypeAlias = tuple[int, str]

TYPENAME = Field("__typename", "__typename", "", None, (), (), "", "", None, 0, (), True)


@dataclass(frozen=True, slots=True)
class Policy:
    """`steps`: routes within this many steps aren't rated by their step. `wanted`: requests that exist anyway. `banned`: not to be used."""

    steps: int = 0
    wanted: frozenset[Slot] = frozenset()
    banned: frozenset[Slot] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """A way to an arrival in `graph`; `added` are the requests that it adds."""

    graph: str
    level: int
    added: tuple[Slot, ...]
    arrival: Arrival | None = None
    descend: "Route | None" = None
    entry: Entry | None = None
    root: bool = False


@dataclass(slots=True)
class Outcome:
    """What a run gave. `forced` are the requests of fields for which there was one way only; `free`, whether there was any choice."""

    parts: list[Part]
    forced: frozenset[Slot]
    choices: int


@dataclass(slots=True)
class Names:
    """Response keys at each place of the answer: what the client took, and what the planner needs beside."""

    taken: Mapping[tuple[str, ...], Mapping[str, tuple[str, str]]]
    own: dict[tuple[str, ...], dict[str, tuple[str, str]]] = field(default_factory=dict)

    def key(self, path: tuple[str, ...], name: str, arguments: str) -> str:
        """A response key for the planner's own use of a field, the same for the same use."""
        mine = self.own.setdefault(path, {})
        client = self.taken.get(path, {})
        wanted = (name, arguments)
        candidate, number = name, 0
        while (mine.get(candidate) or client.get(candidate) or wanted) != wanted:
            candidate, number = f"__{name}_{number}", number + 1
        mine[candidate] = wanted
        return candidate


class Chooser:
    """One run over one operation under one policy."""

    def __init__(self, graph: QueryGraph, walker: Walker, estimator: Estimator, policy: Policy) -> None:
        self.graph = graph
        self.walker = walker
        self.estimator = estimator
        self.policy = policy
        self.names = Names(walker.names)
        self.parts: list[Part] = []
        self.active: set[Slot] = set(policy.wanted)
        self.forced: set[Slot] = set()
        self.choices = 0
        self.queue: deque[tuple[Position, tuple[Field, ...]]] = deque()
        self._underway: set[tuple[int, str, frozenset[str]]] = set()
        self._requiring: set[tuple[int, str, frozenset[str]]] = set()

    # ---- the run ----------------------------------------------------------------------------------------------------------

    def run(self, root: Position, fields: tuple[Field, ...]) -> Outcome:
        """Place every field of `root`, and what lies below."""
        self.queue.append((root, fields))
        while self.queue:
            position, wanted = self.queue.popleft()
            self._place_all(position, wanted)
        return Outcome(self.parts, frozenset(self.forced), self.choices)

    def _place_all(self, position: Position, fields: tuple[Field, ...]) -> None:
        """Fields that cost nothing or have one way first: what they bring may serve the others."""
        later = []
        if position.parent is None and position.type_name == self.graph.roots["mutation"]:
            for one in fields:  # in the client's order: they change things
                self.place(position, one, position.types)
            return
        for one in sorted(fields, key=lambda f: len(f.conditions)) if any(f.conditions for f in fields) else fields:
            if not self._obvious(position, one):
                later.append(one)
                continue
            self.place(position, one, position.types)
        for one in later:
            self.place(position, one, position.types)

    def _obvious(self, position: Position, one: Field) -> bool:
        if one.is_typename:
            return True
        types = position.types if one.types is None else position.types & one.types
        if one.type_name is None:
            for arrival in position.arrivals:
                if types <= self.local(arrival, one) and self._usable(arrival, position, one.conditions):
                    return True
        return all(len(self.graph.resolvers(name, one.name)) <= 1 for name in types)

    # ---- placing one field --------------------------------------------------------------------------------------------------

    def place(self, position: Position, one: Field, types: frozenset[str]) -> dict[Part, None]:
        """Put the field into selections so that all objects of `types` get it; the parts that then give it."""
        types = types & position.types if one.types is None else types & position.types & one.types
        needs: dict[Part, None] = {}
        if not types:
            return needs
        if one.is_typename:
            return self._place_typename(position, one, types)
        if types != position.types if one.types is not None else self.graph.types[one.via].kind == "OBJECT":
            needs.update(self._know_types(position, types, one.conditions))
        remaining = types
        if one.type_name is None:
            near = _near(position)
            for arrival in sorted(position.arrivals, key=_arrival_rank):
                if not self._usable(arrival, position, one.conditions):
                    continue
                if one.internal and arrival.part.level > near:
                    break  # others wait for it: a new request may have it earlier
                here = self.local(arrival, one) & remaining
                if here:
                    self._add(arrival, one, here, needs)
                    remaining -= here
                    if not remaining:
                        return needs
        self._place_alike(position, one, remaining, needs)
        return needs

    def _place_alike(self, position: Position, one: Field, types: frozenset[str], needs: dict[Part, None]) -> None:
        """Together where one subgraph serves all of `types`, else in groups of those that are served alike."""
        if len(types) > 1:
            common = self.graph.common_graphs(types, one.name)
            if common and self._place_group(position, one, types, needs, common):
                return
        for group in self._alike(types, one):
            if not self._place_group(position, one, group, needs, None):
                where = ".".join(position.keys) or position.type_name
                raise PlanningError(
                    f"No subgraph gives {min(group)}.{one.name} at {where!r}{self._why(min(group), one)}"
                )

    def _why(self, type_name: str, one: Field) -> str:
        for join in self.graph.types[type_name].joins:
            own = self.graph.subgraph_type(join.graph, type_name)
            facts = own.fields.get(one.name) if own is not None else None
            if facts is not None and facts.from_context:
                return " (in one it takes arguments by @fromContext, which isn't supported yet)"
        return ""

    def _place_group(
        self,
        position: Position,
        one: Field,
        types: frozenset[str],
        needs: dict[Part, None],
        allowed: frozenset[str] | None,
    ) -> bool:
        """Objects of `types` are alike (to the subgraphs `allowed`): one way serves all of them. False where there is none."""
        existing = self._existing_child(position, one, types)
        if existing is not None:
            self._place_children(existing, one, needs)
            return True
        options: list[tuple[tuple[int, ...], int, Arrival | Route, Resolver | None]] = []
        if one.type_name is not None:
            for arrival in position.arrivals:
                here = self.local(arrival, one) & types
                if here and self._usable(arrival, position, one.conditions):
                    if here != types:
                        self._place_alike(position, one, here, needs)
                        self._place_alike(position, one, types - here, needs)
                        return True
                    rate = self._rate(
                        one, arrival.graph, self._static_below(arrival, one, here), arrival.part.level, ()
                    )
                    options.append((rate, len(options), arrival, None))
        some = min(types)
        # An interface's field, and not all objects are served alike: whoever gave the object has to lead to it. (Its parent's field asked of
        # another subgraph, for these types alone, would only fit a supergraph that doesn't satisfy the operation.)
        alone = one.types is None and types < position.types and self.graph.is_abstract(one.via)
        near = _near(position)
        settled = any(rate[0] == 0 and rate[-1] == 0 and rate[-2] <= near for rate, *_ in options)
        for resolver in () if settled else self.graph.resolvers(some, one.name):
            if allowed is not None and resolver.graph not in allowed:
                continue
            if any(
                a.graph == resolver.graph and rate[-2] <= near for rate, _, a, _ in options if isinstance(a, Arrival)
            ):
                continue
            route = self._route_to(position, types, resolver, one, alone=alone)
            if route is not None:
                rate = self._rate(one, route.graph, resolver.field.type_name, route.level, route.added)
                options.append((rate, len(options), route, resolver))
        if not options:
            return False
        if len(options) > 1:
            self.choices += 1
        _, _, way, chosen = min(options, key=lambda o: o[:2])
        before = len(self.parts)
        if isinstance(way, Arrival):
            arrival = way
        elif chosen is not None and chosen.field.requires:
            arrival = self._jump_requiring(position, types, chosen, one, needs)
        else:
            arrival = self._follow(position, types, way, one.conditions)
        if len(options) == 1:
            self.forced.update((part.level, part.graph) for part in self.parts[before:])
        self._add(arrival, one, types, needs)
        return True

    def _rate(self, one: Field, graph: str, static: str | None, level: int, added: tuple[Slot, ...]) -> tuple[int, ...]:
        new = sum(slot not in self.active for slot in added)
        banned = sum(slot in self.policy.banned for slot in added)
        depth, extra, escapes = level, 0, 0
        if one.type_name is not None and static is not None:
            missing = self.estimator.escapes(one.children, graph, static)
            if missing:
                depth += 1
                escapes = len(missing)
                extra = self.estimator.cover(missing, {g for step, g in self.active if step > level})
        return (banned, max(depth - self.policy.steps, 0), new + extra, level, escapes)

    def _add(self, arrival: Arrival, one: Field, types: frozenset[str], needs: dict[Part, None]) -> None:
        """Select the field in an arrival that resolves it for `types`; go on below."""
        needs[arrival.part] = None
        if one.type_name is None:
            conditions = () if one.internal else one.conditions
            if arrival.selection.find(one, types, conditions) is None:
                arrival.selection.add(one, types, conditions, None)
            return
        for below, here in self._statics_below(arrival, one, types).items():
            child = self._child(arrival.position, one, here, arrival.graph, below)
            self._descend(arrival, one, here, below, child)
            self._place_children(child, one, needs)

    def _place_children(self, child: Position, one: Field, needs: dict[Part, None]) -> None:
        if not one.internal:
            self.queue.append((child, one.children))
            return
        for below in one.children:
            needs.update(self.place(child, below, child.types))

    # ---- positions and arrivals -----------------------------------------------------------------------------------------------

    def _existing_child(self, position: Position, one: Field, types: frozenset[str]) -> Position | None:
        if one.type_name is None:
            return None
        for child in position.children.get((one.key, one.conditions), ()):
            if types <= child.parent_types and any(
                self._usable(arrival, child, one.conditions) for arrival in child.arrivals
            ):
                return child
        return None

    def _child(self, position: Position, one: Field, types: frozenset[str], graph: str, static: str) -> Position:
        siblings = position.children.setdefault((one.key, one.conditions), [])
        for child in siblings:
            if types == child.parent_types and child.type_name == one.type_name:
                return child
        assert one.type_name is not None
        below = self.graph.subgraph_type(graph, static)
        possible = self.graph.possible(one.type_name)
        if below is not None and below.possible & possible:
            possible = below.possible & possible
        elif below is not None and below.possible:
            possible = below.possible
        child = Position(one.type_name, possible, position, one, types)
        siblings.append(child)
        return child

    def _descend(self, arrival: Arrival, one: Field, types: frozenset[str], static: str, child: Position) -> Arrival:
        """Select a composite field in `arrival`: the arrival below it."""
        selection = arrival.selection
        conditions = one.conditions
        item = selection.find(one, types, conditions)
        if item is not None and item.child is not None:
            for known in child.arrivals:
                if known.selection is item.child:
                    return known
        below = self.graph.subgraph_type(arrival.graph, static)
        if below is None:
            raise PlanningError(f"Subgraph {arrival.graph} has no type {static}")
        if item is None or item.child is None:
            made = Selection(arrival.graph, below, below.possible)
            # Also where the type is abstract to clients alone: the subgraph's field gives one of its types always.
            made.typename = below.is_abstract or self.graph.is_abstract(child.type_name)
            item = selection.add(one, types, conditions, made)
        assert item.child is not None
        new = Arrival(child, arrival.part, item.child, arrival.conditions, self._provided(arrival, one))
        child.arrivals.append(new)
        return new

    def _provided(self, arrival: Arrival, one: Field) -> tuple[Field, ...]:
        found = [below for given in arrival.provided if given.name == one.name for below in given.children]
        static = arrival.selection.static
        names = [static.name] if static is not None and one.name in static.fields else sorted(arrival.types)
        for name in names:
            own = self.graph.subgraph_type(arrival.graph, name)
            text = own.fields[one.name].provides if own is not None and one.name in own.fields else None
            if text and own is not None:
                parent = own.fields[one.name].type_name
                found += self.walker.fields(parent, [parse_field_set(text)], internal=True)
        return tuple(found)

    def _statics_below(self, arrival: Arrival, one: Field, types: frozenset[str]) -> dict[str, frozenset[str]]:
        """The field's type in the subgraph, by the concrete types of its parent."""
        static = arrival.selection.static
        if static is not None and one.name in static.fields and (types == arrival.types or not static.is_abstract):
            return {static.fields[one.name].type_name: types}
        found: dict[str, frozenset[str]] = {}
        for name in sorted(types):
            own = self.graph.subgraph_type(arrival.graph, name)
            if own is None or one.name not in own.fields:
                # An entity of an `@interfaceObject`: the field is the interface's.
                assert static is not None
                below = static.fields[one.name].type_name
            else:
                below = own.fields[one.name].type_name
            found[below] = found.get(below, frozenset()) | {name}
        return found

    def _static_below(self, arrival: Arrival, one: Field, types: frozenset[str]) -> str | None:
        return next(iter(self._statics_below(arrival, one, types)), None)

    def local(self, arrival: Arrival, one: Field) -> frozenset[str]:
        """The types for which the arrival's subgraph gives the field right here."""
        static = arrival.selection.static
        if arrival.part.kind == "event":
            assert static is not None
            # An event has the key under its own names.
            return arrival.types if one.name in static.fields and one.key == one.name else frozenset()
        if static is not None:
            found = self.graph.local_types(arrival.graph, static.name, one.name)
            if arrival.types is not found:
                found = found & arrival.types
        else:
            found = frozenset(
                name for name in arrival.types if name in self.graph.local_types(arrival.graph, name, one.name)
            )
        if arrival.provided and found != arrival.types:
            for given in arrival.provided:
                if given.name == one.name and given.arguments_text == one.arguments_text:
                    found |= arrival.types if given.types is None else arrival.types & given.types
        return found

    def _usable(self, arrival: Arrival, position: Position, conditions: Conditions) -> bool:
        """Whether the arrival is there whenever the field is wanted."""
        return not arrival.conditions or arrival.conditions <= position.conditions.union(conditions)

    def _alike(self, types: frozenset[str], one: Field) -> list[frozenset[str]]:
        if len(types) < 2:
            return [types] if types else []
        groups: dict[object, list[str]] = {}
        for name in sorted(types):
            groups.setdefault(self.graph.signature(name, one.name), []).append(name)
        return [frozenset(names) for names in groups.values()]

    # ---- __typename ---------------------------------------------------------------------------------------------------------

    def _place_typename(self, position: Position, one: Field, types: frozenset[str]) -> dict[Part, None]:
        arrivals = [
            a
            for a in sorted(position.arrivals, key=_arrival_rank)
            if a.knows_type and types <= a.types and self._usable(a, position, one.conditions)
        ]
        if arrivals:
            arrival = arrivals[0]
        else:
            known = [a for a in position.arrivals if a.knows_type and self._usable(a, position, one.conditions)]
            if known:
                needs: dict[Part, None] = {}
                for a in known:
                    needs |= self._give_typename(a, one, types & a.types)
                return needs
            if not position.arrivals and position.parent is None:
                return {}
            arrival = self._jump_for_type(position, types, one.conditions)
        return self._give_typename(arrival, one, types)

    def _give_typename(self, arrival: Arrival, one: Field, types: frozenset[str]) -> dict[Part, None]:
        if one.key == "__typename" and not one.conditions and types == arrival.types:
            arrival.selection.typename = True
        elif types and arrival.selection.find(one, types, one.conditions) is None:
            arrival.selection.add(one, types, one.conditions, None)
        return {arrival.part: None}

    def _know_types(self, position: Position, types: frozenset[str], conditions: Conditions) -> dict[Part, None]:
        """Where all that is there came from an `@interfaceObject`, somebody has to say which type an object is of."""
        if all(a.knows_type for a in position.arrivals):
            return {}
        typename = replace(TYPENAME, conditions=conditions)
        return self._place_typename(position, typename, position.types)

    def _jump_for_type(self, position: Position, types: frozenset[str], conditions: Conditions) -> Arrival:
        interface = next(
            (a.selection.static.name for a in position.arrivals if a.selection.static is not None), position.type_name
        )
        best: Route | None = None
        for entry in self.graph.entries(interface):
            target = self.graph.subgraph_type(entry.graph, entry.type_name)
            if target is None or target.is_interface_object:
                continue
            route = self._jump_route(position, types, entry)
            if route is not None and (best is None or self._route_rank(route) < self._route_rank(best)):
                best = route
        if best is None:
            where = ".".join(position.keys)
            raise PlanningError(f"No subgraph tells the types of {interface} objects at {where!r}")
        return self._follow(position, position.types, best, conditions)

    def _route_rank(self, route: Route) -> tuple[int, int, int]:
        new = sum(slot not in self.active for slot in route.added)
        banned = sum(slot in self.policy.banned for slot in route.added)
        return (banned + max(route.level - self.policy.steps, 0), new, route.level)

    # ---- routes -------------------------------------------------------------------------------------------------------------

    def _route_to(
        self, position: Position, types: frozenset[str], resolver: Resolver, one: Field, *, alone: bool = False
    ) -> Route | None:
        if resolver.field.requires:
            mark = (id(position), f"{resolver.graph}.{one.name}", types)
            if mark in self._requiring:
                return None
            return self._entity_route(position, types, resolver, one.conditions)
        return self._reach(position, types, resolver.graph, one.conditions, alone=alone)

    def _reach(
        self, position: Position, types: frozenset[str], graph: str, conditions: Conditions, *, alone: bool = False
    ) -> Route | None:
        """The best way to have the objects of `types` at this position in `graph`."""
        options = []
        near = _near(position)
        for arrival in position.arrivals:
            if arrival.graph == graph and types <= arrival.types and self._usable(arrival, position, conditions):
                there = Route(graph, arrival.part.level, (), arrival=arrival)
                if there.level <= near:
                    return there
                options.append(there)
        if position.parent is None:
            if position.type_name in self.graph.roots.values():
                return Route(graph, 1, ((1, graph),), root=True)
        elif not alone:
            above = self._reach_above(position, types, graph)
            if above is not None:
                options.append(above)
        for entry in self._entries(position, types, graph):
            route = self._jump_route(position, types, entry)
            if route is not None:
                options.append(route)
        if not options and position.type_name == self.graph.roots["query"] and position.arrivals:
            level = 1 + min(arrival.part.level for arrival in position.arrivals)
            options.append(Route(graph, level, ((level, graph),), root=True))
        if all(route.level > near for route in options):
            far = self._far_route(position, types, graph, conditions)
            if far is not None:
                options.append(far)
        if not options:
            return None
        return options[0] if len(options) == 1 else min(options, key=self._route_rank)

    def _entity_route(
        self, position: Position, types: frozenset[str], resolver: Resolver, conditions: Conditions
    ) -> Route | None:
        """A jump by key, whoever is here already: representations carry what the field requires."""
        routes = [
            route
            for entry in self._entries(position, types, resolver.graph)
            if entry.type_name == resolver.type_name or self.graph.types[resolver.type_name].kind == "OBJECT"
            for route in [self._jump_route(position, types, entry)]
            if route is not None
        ]
        if routes:
            return min(routes, key=self._route_rank)
        return self._far_route(position, types, resolver.graph, conditions)

    def _reach_above(self, position: Position, types: frozenset[str], graph: str) -> Route | None:
        """Through the same field of the parent, in another subgraph."""
        parent, one = position.parent, position.field
        assert parent is not None
        assert one is not None
        if parent.parent is None and parent.type_name == self.graph.roots["mutation"]:
            return None  # a mutation runs once
        for name in position.parent_types:
            resolver = next(
                (r for r in self.graph.resolvers(name, one.name) if r.graph == graph and not r.field.requires), None
            )
            if resolver is None:
                return None
            below = self.graph.subgraph_type(graph, resolver.field.type_name)
            if below is None or not types <= below.possible:
                return None
        above = self._reach(parent, position.parent_types, graph, one.conditions)
        if above is None:
            return None
        return Route(graph, above.level, above.added, descend=above)

    def _entries(self, position: Position, types: frozenset[str], graph: str) -> Sequence[Entry]:
        """Keys by which all of `types` enter `graph`. Objects of unknown type enter by their interface's key."""
        if (id(position), graph, types) in self._underway:
            return ()
        if position.arrivals and not any(a.knows_type for a in position.arrivals):
            static = position.arrivals[0].selection.static
            assert static is not None
            by_interface = self.graph.entries_into(static.name, graph)
            target = self.graph.subgraph_type(graph, static.name)
            if by_interface and target is not None and types <= target.possible:
                return by_interface
        return self.graph.entries_into(min(types), graph)

    def _jump_route(self, position: Position, types: frozenset[str], entry: Entry) -> Route | None:
        """What a jump by this key costs, None where no arrival here gives the key."""
        level = 0
        for part in key_parts(entry.key):
            found = [
                arrival.part.level + self._below_key(arrival.graph, types, part)
                for arrival in position.arrivals
                if types <= self._gives(arrival, part.name)
            ]
            if not found:
                return None
            level = max(level, min(found))
        if not position.arrivals:
            return None
        level += 1
        return Route(entry.graph, level, ((level, entry.graph),), entry=entry)

    def _below_key(self, graph: str, types: frozenset[str], part: KeyPart) -> int:
        """0 where `graph` has all below this field of a key, else the step that it takes at least to get the rest."""
        return 0 if part.below is None or self.graph.has_below(graph, min(types), part) else 1

    def _far_route(self, position: Position, types: frozenset[str], graph: str, conditions: Conditions) -> Route | None:
        """Through further subgraphs, which give the keys that nobody here has: shortest way first (Dijkstra over subgraphs)."""
        if not position.arrivals:
            return None
        some = min(types)
        reached: dict[str, tuple[int, tuple[Slot, ...]]] = {}
        # Arrivals that are there, and descents from the parent.
        open_ways: list[tuple[int, int, str, int, tuple[Slot, ...], Entry | None]] = []
        for arrival in position.arrivals:
            if types <= arrival.types and self._usable(arrival, position, conditions):
                heappush(open_ways, (arrival.part.level, 0, arrival.graph, len(open_ways), (), None))
        if position.field is not None and position.parent is not None:
            for resolver in self.graph.resolvers(min(position.parent_types), position.field.name):
                if all(way[2] != resolver.graph for way in open_ways) and resolver.graph != graph:
                    above = self._reach_above(position, types, resolver.graph)
                    if above is not None:
                        heappush(
                            open_ways,
                            (above.level, len(above.added), resolver.graph, len(open_ways), above.added, None),
                        )
        count = len(open_ways)
        while open_ways:
            level, _, here, _, added, entry = heappop(open_ways)
            if here in reached:
                continue
            reached[here] = (level, added)
            if here == graph and entry is not None:
                return Route(graph, level, added, entry=entry)
            for other in self.graph.entries(some):
                if other.graph in reached or (id(position), other.graph, types) in self._underway:
                    continue
                way = self._way_by_key(position, types, other, reached)
                if way is not None:
                    step, slots = way
                    slots = (*slots, (step, other.graph))
                    count += 1
                    heappush(open_ways, (step, len(slots), other.graph, count, slots, other))
        return None

    def _way_by_key(
        self,
        position: Position,
        types: frozenset[str],
        entry: Entry,
        reached: Mapping[str, tuple[int, tuple[Slot, ...]]],
    ) -> tuple[int, tuple[Slot, ...]] | None:
        """(step, requests so far) of a jump by this key from what is reached."""
        level = 0
        slots: dict[Slot, None] = {}
        some = min(types)
        for part in key_parts(entry.key):
            best: tuple[int, int, tuple[Slot, ...]] | None = None
            for arrival in position.arrivals:
                if types <= self._gives(arrival, part.name):
                    rank = (arrival.part.level + self._below_key(arrival.graph, types, part), 0)
                    if best is None or rank < best[:2]:
                        best = (*rank, ())
            for resolver in self.graph.resolvers(some, part.name):
                way = reached.get(resolver.graph)
                if way is not None and not resolver.field.requires:
                    rank = (way[0] + self._below_key(resolver.graph, types, part), len(way[1]))
                    if best is None or rank < best[:2]:
                        best = (*rank, way[1])
            if best is None:
                return None
            level = max(level, best[0])
            slots.update(dict.fromkeys(best[2]))
        return level + 1, tuple(slots)

    def _gives(self, arrival: Arrival, name: str) -> frozenset[str]:
        if arrival.conditions:
            return frozenset()
        static = arrival.selection.static
        if arrival.part.kind == "event":
            assert static is not None
            return arrival.types if name in static.fields else frozenset()
        if static is not None:
            found = self.graph.local_types(arrival.graph, static.name, name) & arrival.types
        else:
            found = frozenset(t for t in arrival.types if t in self.graph.local_types(arrival.graph, t, name))
        for given in arrival.provided:
            if given.name == name:
                found |= arrival.types if given.types is None else arrival.types & given.types
        return found

    # ---- following a route ------------------------------------------------------------------------------------------------------

    def _follow(self, position: Position, types: frozenset[str], route: Route, conditions: Conditions) -> Arrival:
        """Make what the route says: the arrival at its end."""
        if route.arrival is not None:
            return route.arrival
        if route.root:
            return self._new_root(position, route)
        if route.descend is not None:
            parent, one = position.parent, position.field
            assert parent is not None
            assert one is not None
            above = self._follow(parent, position.parent_types, route.descend, one.conditions)
            statics = self._statics_below(above, one, position.parent_types)
            if len(statics) == 1:
                return self._descend(above, one, position.parent_types, next(iter(statics)), position)
            arrivals = [self._descend(above, one, here, below, position) for below, here in statics.items()]
            return arrivals[0]
        assert route.entry is not None
        return self._jump(position, types, route.entry, conditions)

    def _new_root(self, position: Position, route: Route) -> Arrival:
        static = self.graph.subgraph_type(route.graph, position.type_name)
        if static is None:
            raise PlanningError(f"Subgraph {route.graph} has no type {position.type_name}")
        part = self._part("root", route.graph, position, position.types, None, ())
        if position.parent is not None:  # a field that leads back to a root type: its objects have to be there first
            part.needs[min(position.arrivals, key=_arrival_rank).part] = None
        part.level = 1 + max((need.level for need in part.needs), default=0)
        return self._arrive(part, Selection(route.graph, static, position.types))

    def _part(
        self,
        kind: str,
        graph: str,
        position: Position,
        types: frozenset[str],
        typename: str | None,
        conditions: Conditions,
    ) -> Part:
        part = Part(graph, kind, position, types, typename, conditions, len(self.parts))  # type: ignore[arg-type]
        self.parts.append(part)
        return part

    def _arrive(self, part: Part, selection: Selection) -> Arrival:
        self.active.add((part.level, part.graph))
        part.arrival = Arrival(part.position, part, selection, frozenset(part.conditions))
        part.position.arrivals.append(part.arrival)
        return part.arrival

    def _jump(
        self,
        position: Position,
        types: frozenset[str],
        entry: Entry,
        conditions: Conditions,
        requires: str | None = None,
        for_field: Field | None = None,
    ) -> Arrival:
        """Entities of `entry.graph`: gather the key (and what is required), then make the part, or widen one that is late enough."""
        needs: dict[Part, None] = {}
        by_interface = self.graph.types[entry.type_name].kind == "INTERFACE"
        target = self.graph.subgraph_type(entry.graph, entry.type_name)
        real = target is not None and not target.is_interface_object
        if not by_interface or (not real and types < position.types):
            needs.update(self._know_types(position, types, conditions))
        mark = (id(position), entry.graph, types)
        self._underway.add(mark)
        try:
            inputs = self._gather(position, types, entry.type_name, entry.key, conditions, needs, mark_typename=True)
        finally:
            self._underway.discard(mark)
        if requires is not None:
            # Not under the mark: what is required may come from another field of the same subgraph.
            inputs += self._gather(position, types, entry.type_name, requires, conditions, needs)
        level = 1 + max((part.level for part in needs), default=0)
        typename = entry.type_name if by_interface else (min(types) if len(types) == 1 else None)
        reason = f"key {entry.key!r} of {entry.type_name}"
        if requires is not None and for_field is not None:
            reason = f"{entry.type_name}.{for_field.name} requires {requires!r}"
        for arrival in position.arrivals:
            part = arrival.part
            if (
                part.kind == "entity"
                and part.position is position
                and part.arrival is arrival
                and part.graph == entry.graph
                and types <= part.types
                and part.typename == typename
                and part.conditions == conditions
                and part.level >= level
                and not _conflicting(part.inputs, inputs)
            ):
                part.needs.update(needs)
                _merge_inputs(part.inputs, inputs)
                part.reasons[reason] = None
                return arrival
        part = self._part("entity", entry.graph, position, types, typename, conditions)
        part.needs.update(needs)
        part.level = level
        _merge_inputs(part.inputs, inputs)
        part.reasons[reason] = None
        static: SubgraphType | None = None
        if typename is not None:
            static = self.graph.subgraph_type(entry.graph, typename)
            assert static is not None
        selection = Selection(entry.graph, static, types)
        if static is not None and static.is_abstract:
            selection.typename = True
        return self._arrive(part, selection)

    def _jump_requiring(
        self,
        position: Position,
        types: frozenset[str],
        resolver: Resolver,
        one: Field,
        needs: dict[Part, None],
    ) -> Arrival:
        mark = (id(position), f"{resolver.graph}.{one.name}", types)
        self._requiring.add(mark)
        try:
            best = self._entity_route(position, types, resolver, one.conditions)
            assert best is not None
            assert best.entry is not None
            return self._jump(position, types, best.entry, one.conditions, resolver.field.requires, one)
        finally:
            self._requiring.discard(mark)

    # ---- representations ------------------------------------------------------------------------------------------------------

    def _gather(
        self,
        position: Position,
        types: frozenset[str],
        type_name: str,
        text: str,
        conditions: Conditions,
        needs: dict[Part, None],
        *,
        mark_typename: bool = False,
    ) -> list[KeySelection]:
        """Have the fields of a field set selected somewhere; how a representation is read from them."""
        parent = type_name
        if parent not in self.graph.types or (len(types) == 1 and self.graph.types[parent].kind == "OBJECT"):
            parent = min(types)
        fields = self.walker.fields(parent, [parse_field_set(text)], internal=True, conditions=conditions)
        given: dict[Part, None] = {}
        result: list[KeySelection] = []
        for one in fields:
            if one.is_typename:
                continue
            named, key = self._named(position.keys, one)
            given.update(self.place(position, named, types))
            result += key
        if mark_typename:
            self._mark_typename(position, given)
            if not given:
                for arrival in position.arrivals[:1]:
                    given[arrival.part] = None
        needs.update(given)
        return result

    def _mark_typename(self, position: Position, given: dict[Part, None]) -> None:
        """Who makes a representation of an object needs its type."""
        known = [a for a in position.arrivals if a.knows_type]
        for arrival in known or position.arrivals:
            if arrival.part in given:
                arrival.selection.typename = True

    def _named(self, path: tuple[str, ...], one: Field) -> tuple[Field, list[KeySelection]]:
        """The field under response keys that are free; and its key selection."""
        key = self.names.key(path, one.name, one.arguments_text)
        children: list[Field] = []
        selections: list[KeySelection] = []
        for below in one.children:
            if below.is_typename:
                continue
            named, selection = self._named((*path, key), below)
            children.append(named)
            selections += selection
        made = replace(one, key=key, children=tuple(children))
        result: list[KeySelection] = [KeyField(one.name, key, tuple(selections))]
        if one.types is not None:
            result = [KeyFragment(one.types, tuple(result))]
        return made, result


def _arrival_rank(arrival: Arrival) -> int:
    return arrival.part.level


def _near(position: Position) -> int:
    """The step at which a jump from what is here first arrives."""
    return 1 + min((arrival.part.level for arrival in position.arrivals), default=0)


def _conflicting(inputs: Iterable[KeySelection], more: Iterable[KeySelection]) -> bool:
    """Whether a representation can't carry both: one field from two sources (`@requires` with other arguments)."""
    sources = {one.name: one.source for one in inputs if isinstance(one, KeyField)}
    return any(isinstance(one, KeyField) and sources.get(one.name, one.source) != one.source for one in more)


def _merge_inputs(into: list[KeySelection], more: Iterable[KeySelection]) -> None:
    """Add key selections, those of the same field merged."""
    for selection in more:
        for index, known in enumerate(into):
            if (
                isinstance(known, KeyField)
                and isinstance(selection, KeyField)
                and (known.name, known.source) == (selection.name, selection.source)
            ) or (
                isinstance(known, KeyFragment) and isinstance(selection, KeyFragment) and known.types == selection.types
            ):
                below = list(known.selections)
                _merge_inputs(below, selection.selections)
                into[index] = replace(known, selections=tuple(below))
                break
        else:
            into.append(selection)
