"""A position and a subgraph -> the best `Route` there: an arrival, a descent from the parent, a jump by key, or further subgraphs in between."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from heapq import heappop, heappush

from botberi_gateway.planner.contexts import Contexts
from botberi_gateway.planner.fetch_graph import Arrival, Position
from botberi_gateway.planner.local import Local, near_step
from botberi_gateway.planner.policy import Policy, Route, Slot
from botberi_gateway.planner.tree import Conditions, Field, defers, only_defers, without_defers
from botberi_gateway.query_graph import Entry, Host, KeyPart, QueryGraph, Resolver, key_parts
from botberi_gateway.supergraph import ContextArgument


class Routes:
    """Looks only; `active` are the requests that exist (or are wanted anyway), `underway` and `requiring` what is being made."""

    def __init__(self, graph: QueryGraph, local: Local, policy: Policy, contexts: Contexts) -> None:
        self.graph = graph
        self.contexts = contexts
        self.local = local
        self.policy = policy
        self.active: set[Slot] = set(policy.wanted)
        #: Keys looked at so far: what choosing costs where many subgraphs have many keys.
        self.work = 0
        self.underway: set[tuple[int, Host, frozenset[str]]] = set()
        self.requiring: set[tuple[int, Host, str, frozenset[str]]] = set()
        self._untyped: set[int] = set()

    def rank(self, route: Route, waited: bool = False) -> tuple[int, int, int, bool]:
        new = sum(slot not in self.active for slot in route.added)
        banned = sum(slot in self.policy.banned for slot in route.added)
        return (banned + max(route.level + waited - self.policy.steps, 0), new, route.level, route.strangers)

    def to(
        self,
        position: Position,
        types: frozenset[str],
        resolver: Resolver,
        one: Field,
        *,
        keyed: bool = False,
        apart: frozenset[int] = frozenset(),
        lenient: bool = False,
        waited: bool = False,
    ) -> Route | None:
        """The best way to the subgraph of `resolver` for this field; `lenient`: also where strangers' errors may take from the answer; see `reach`."""
        if resolver.field.needs_more:
            if not self.contexts.available(position, resolver.field):
                return None
            mark = (id(position), resolver.host, one.name, types)
            if mark in self.requiring:
                return None
            return self.to_entity(position, types, resolver, one.conditions)
        alone = any(
            a.host == resolver.host
            and not a.is_uncertain
            and (not self.comes_apart(a, position, one, apart) or (not lenient and self.local.spoils(a, one)))
            for a in position.arrivals
        )
        asked = None if lenient else one
        return self.reach(
            position,
            types,
            resolver.host,
            one.conditions,
            asked,
            alone=alone,
            keyed=keyed,
            apart=apart,
            lenient=lenient,
            waited=waited,
        )

    def in_entity(self, position: Position, types: frozenset[str], resolver: Resolver, one: Field) -> Arrival | None:
        """An arrival below an entity that can bring the values of the field's contextual arguments along.

        The contexts are set by the entity or above it, and all that they select is there before the entity is asked for.
        Where a value is missing, the entity is left out: so none may be that can be null where the argument can't.
        """
        field = resolver.field
        if not field.contexts or field.requires or one.internal or self.local.defers_of(position, one):
            return None
        if any(argument.type.endswith("!") for argument in field.contexts):
            return None
        for arrival in position.arrivals:
            part = arrival.part
            if part.kind != "entity" or arrival is part.arrival or arrival.host != resolver.host:
                continue
            if not types <= arrival.types or not self.local.usable(arrival, position, one.conditions):
                continue
            depth = self.objects_between(part.position, position)
            if depth is not None and all(
                self._is_there_before(part.level, position, depth, argument, one.conditions)
                for argument in field.contexts
            ):
                return arrival
        return None

    def objects_between(self, above: Position, position: Position) -> int | None:
        """How many objects above this position that one is, None where it isn't above."""
        depth, here = 0, position
        while here is not above:
            if here.parent is None:
                return None
            depth, here = depth + 1, here.parent
        return depth

    def _is_there_before(
        self, level: int, position: Position, depth: int, argument: ContextArgument, conditions: Conditions
    ) -> bool:
        """Whether a context is set at least so many objects above, and requests before this step give what is selected of it."""
        ancestors = self.contexts.ancestors(position, argument.context)
        for ancestor in ancestors:
            parts = key_parts(argument.selection)
            if ancestor.up < depth or not parts:
                return False
            for part in parts:
                step = self._at_hand(ancestor.position, ancestor.types, part, conditions)
                if part.below is not None or step is None or step >= level:
                    return False
        return bool(ancestors)

    def apart(self, position: Position, types: frozenset[str], one: Field) -> frozenset[int]:
        """The `@defer`s under which all requests for the field should stand; none where it may come with anything.

        The field may be at hand here, but what else a request asks for must not wait for it, nor be lost by its errors.

        Only what has a key can be asked for again, be it the fragment's object or one below it. Further below, fields come with the requests that
        were made so; what has no key rides along and is delivered later (Apollo's planner does the same).
        """
        wanted = self.local.defers_of(position, one)
        if one.internal or not wanted or self._is_known_key(position, types, one, wanted):
            return frozenset()
        if any(wanted <= arrival.part.defers for arrival in position.arrivals):
            return wanted
        return wanted if self.has_keys(position, types, one) else frozenset()

    def _is_known_key(self, position: Position, types: frozenset[str], one: Field, wanted: frozenset[int]) -> bool:
        """Whether the field is one of a key that is at hand without these `@defer`s: a request by the key would ask for what it was told."""
        if one.type_name is not None or one.is_typename or one.arguments_text:
            return False
        if not all(self._is_in_key(name, one.name) for name in types):
            return False
        conditions = without_defers(one.conditions)
        return any(
            not wanted <= arrival.part.defers and types <= self.local.gives(arrival, one.name, conditions)
            for arrival in position.arrivals
        )

    def _is_in_key(self, type_name: str, field: str) -> bool:
        return any(
            part.name == field and part.below is None
            for entry in self.graph.entries(type_name)
            for part in key_parts(entry.key)
        )

    def comes_apart(self, arrival: Arrival, position: Position, one: Field, apart: frozenset[int]) -> bool:
        """Whether the arrival's request stands under these `@defer`s, and begins no higher than their fragment.

        A request that begins above has objects beside this one in its answer, which a null of this one may take along; what has no key comes so all the same.
        """
        if not apart:
            return True
        if not apart <= arrival.part.defers:
            return False
        here = position
        while arrival.part.position is not here:
            if not apart <= here.defers:
                return not self.has_keys(here, here.types, one)
            above, field = here.parent, here.field
            if above is None or field is None:
                return True
            here, one = above, field
        return True

    def apart_or_not(self, position: Position, types: frozenset[str], one: Field) -> list[frozenset[str]]:
        """The types in groups of those that `apart` says the same of, where those that can't be apart have the field at hand."""
        if one.internal or len(types) < 2 or not defers(one.conditions):
            return [types]
        keyed = frozenset(name for name in types if self.has_key(position, name, one))
        others = types - keyed
        if not keyed or not others:
            return [types]
        at_hand = any(
            others <= self.local.types(arrival, one) and self.local.usable(arrival, position, one.conditions)
            for arrival in position.arrivals
        )
        return [others, keyed] if at_hand else [types]

    def has_keys(self, position: Position, types: frozenset[str], one: Field) -> bool:
        """Whether objects of each of the types that the field is wanted of have one."""
        return all(self.has_key(position, name, one) for name in (types if one.types is None else types & one.types))

    def has_key(self, position: Position, type_name: str, one: Field) -> bool:
        """Whether objects of the type can be asked for where the field is: by a key that is at hand, or by those of further subgraphs."""
        types = frozenset((type_name,))
        resolvers = self.graph.resolvers(type_name, one.name)
        return any(
            self.by_key(position, types, entry, one.conditions) is not None
            for resolver in resolvers
            for entry in self.entries(position, types, resolver.host)
        ) or any(self._far(position, types, resolver.host, one.conditions) is not None for resolver in resolvers)

    def reach(
        self,
        position: Position,
        types: frozenset[str],
        host: Host,
        conditions: Conditions,
        asked: Field | None = None,
        *,
        alone: bool = False,
        keyed: bool = False,
        apart: frozenset[int] = frozenset(),
        lenient: bool = False,
        waited: bool = False,
    ) -> Route | None:
        """The best way to have the objects of `types` at this position in the subgraph of `host`, where `asked` is to be selected and strangers must not spoil it.

        `alone`: not through the parent's field; `keyed`: through it only where a key leads there, too; `apart`: only by requests under these
        `@defer`s; `lenient`: strangers may spoil the parent's field; `waited`: other requests wait for what is selected there.
        """
        options = []
        graph, _ = host
        near = near_step(position)
        for arrival in position.arrivals:
            if not (apart <= arrival.part.defers and self.local.exactly(arrival, types)):
                continue
            if asked is not None and (
                not self.comes_apart(arrival, position, asked, apart) or self.local.spoils(arrival, asked)
            ):
                continue
            if arrival.host == host and types <= arrival.types and self.local.usable(arrival, position, conditions):
                there = Route(graph, arrival.part.level, (), arrival=arrival)
                if there.level <= near:
                    return there
                options.append(there)
        if position.parent is None:
            if position.type_name in self.graph.roots.values():
                return Route(graph, 1, ((1, graph),), root=True)
        elif not alone:
            above = self._above(position, types, host, conditions, apart, asked, lenient)
            if above is not None:
                options.append(above)
        for entry in self.entries(position, types, host):
            route = self.by_key(position, types, entry, conditions)
            if route is not None:
                options.append(route)
        if not options and self._is_asked_again(position.type_name) and position.arrivals:
            level = 1 + min(arrival.part.level for arrival in position.arrivals)
            options.append(Route(graph, level, ((level, graph),), root=True))
        if all(route.level > near for route in options):
            far = self._far(position, types, host, conditions)
            if far is not None:
                options.append(far)
        if keyed and options and all(route.descend is not None for route in options):
            # For these types alone the parent's field would fit a supergraph that doesn't satisfy the operation.
            far = self._far(position, types, host, conditions)
            options = [] if far is None else [*options, far]
        if not options:
            return None
        if len(options) == 1:
            return options[0]
        return replace(min(options, key=lambda route: self.rank(route, waited)), sole=False)

    def to_entity(
        self, position: Position, types: frozenset[str], resolver: Resolver, conditions: Conditions
    ) -> Route | None:
        """A jump by key, whoever is here already: representations carry what the field requires."""
        entries = self.entries(position, types, resolver.host)
        if not entries and any(arrival.graph == resolver.graph for arrival in position.arrivals):
            # as the reference planner does: what fetches have left they may come back to by any key
            entries = self.graph.own_keys(min(types), resolver.graph)
        routes = [
            route
            for entry in entries
            for route in [self.by_key(position, types, entry, conditions)]
            if route is not None
        ]
        if routes:
            return min(routes, key=self.rank)
        return self._far(position, types, resolver.host, conditions)

    def _above(
        self,
        position: Position,
        types: frozenset[str],
        host: Host,
        conditions: Conditions,
        apart: frozenset[int] = frozenset(),
        asked: Field | None = None,
        lenient: bool = False,
    ) -> Route | None:
        """Through the same field of the parent, in another subgraph."""
        parent, one = position.parent, position.field
        assert parent is not None
        assert one is not None
        if parent.type_name == self.graph.roots["mutation"]:
            return None  # a mutation runs once
        within = position.defers
        if within and not apart and any(within <= arrival.part.defers for arrival in position.arrivals):
            # Keys, too, come by the fragment's own requests: the fields on the way may fail.
            own = self._above(position, types, host, conditions, within, asked, lenient)
            if own is not None:
                return own
        if not apart <= within:
            return None  # others' errors would be in its answer: of objects beside this one, which have a fragment of their own
        graph, _ = host
        # How the subgraph takes the parent: one way, but where it has several of its interfaces as `@interfaceObject`.
        best: Route | None = None
        ways: list[Host] = []
        for resolver in self.graph.resolvers(min(position.parent_types), one.name):
            if resolver.graph != graph or resolver.host in ways or resolver.field.needs_more:
                continue
            ways.append(resolver.host)
            route = self._through(position, types, host, resolver.host, conditions, apart, asked, lenient)
            if route is not None and (best is None or self.rank(route) < self.rank(best)):
                best = route
        return best

    def _through(
        self,
        position: Position,
        types: frozenset[str],
        host: Host,
        above: Host,
        conditions: Conditions,
        apart: frozenset[int],
        asked: Field | None,
        lenient: bool,
    ) -> Route | None:
        """Through the parent's field where the subgraph takes the parent as `above` says."""
        parent, one = position.parent, position.field
        assert parent is not None
        assert one is not None
        graph, as_interface = host
        strangers = False
        for name in position.parent_types:
            for resolver in self.graph.resolvers(name, one.name):
                if resolver.host == above and not resolver.field.needs_more:
                    break
            else:
                return None
            below = self.graph.subgraph_type(graph, resolver.field.type_name)
            if below is None or not types <= below.possible:
                return None
            if (as_interface or below.is_interface_object) and below.as_interface != as_interface:
                return None
            if asked is not None and self.local.strangers.spoil(position, asked, below):
                return None
            strangers = strangers or (below.is_interface_object and types < position.types)
        route = self._at_root(parent, position.parent_types, graph, one.conditions)
        if route is None:
            itself = None if lenient else one
            around = conditions_above(position, conditions)
            route = self.reach(parent, position.parent_types, above, around, itself, apart=apart, lenient=lenient)
        if route is None:
            return None
        return Route(graph, route.level, route.added, descend=route, strangers=strangers or route.strangers)

    def _is_asked_again(self, type_name: str) -> bool:
        """Whether a field that leads back to a root type is followed by a request for that root; events begin once."""
        return type_name in (self.graph.roots["query"], self.graph.roots["mutation"])

    def _at_root(self, root: Position, types: frozenset[str], graph: str, conditions: Conditions) -> Route | None:
        """The root's request that is there: what is deferred below it and has no key comes with it."""
        if root.parent is not None:
            return None
        for arrival in root.arrivals:
            if arrival.graph == graph and types <= arrival.types and self.local.usable(arrival, root, conditions):
                return Route(graph, arrival.part.level, (), arrival=arrival)
        return None

    def entries(self, position: Position, types: frozenset[str], host: Host) -> Sequence[Entry]:
        """Keys by which all of `types` enter the subgraph. Objects of unknown type enter by their interface's key."""
        if (id(position), host, types) in self.underway:
            return ()
        if position.arrivals and not any(a.knows_type for a in position.arrivals):
            for interface in dict.fromkeys(a.as_interface for a in position.arrivals):
                by_interface = self.graph.entries_into(interface, *host)
                target = self.graph.subgraph_type(host[0], interface)
                if by_interface and target is not None and types <= target.possible:
                    return by_interface
        if not host[1] and self._untyped and not self.knows_types(position):
            return ()
        return self.graph.entries_into(min(types), *host)

    def knows_types(self, position: Position) -> bool:
        """Whether entities may be sent as objects of their own types: see `without_types`."""
        return id(position) not in self._untyped

    @contextmanager
    def without_types(self, position: Position) -> Iterator[None]:
        """Ways within are needed to learn the types of the objects at this position: none of them may begin with these types."""
        self._untyped.add(id(position))
        try:
            yield
        finally:
            self._untyped.discard(id(position))

    def gives_key(self, position: Position, types: frozenset[str], entry: Entry, conditions: Conditions) -> bool:
        """Whether each field of this key is at hand, or a way leads to a subgraph that gives it."""
        return all(
            self._at_hand(position, types, part, conditions) is not None
            or any(
                not resolver.field.needs_more
                and self.reach(position, types, resolver.host, conditions, alone=True) is not None
                for resolver in self.graph.resolvers(min(types), part.name)
            )
            for part in key_parts(entry.key)
        )

    def by_key(self, position: Position, types: frozenset[str], entry: Entry, conditions: Conditions) -> Route | None:
        """What a jump by this key costs, None where no arrival here gives the key."""
        self.work += 1
        if not position.arrivals:
            return None
        level = 0
        for part in key_parts(entry.key):
            found = self._at_hand(position, types, part, conditions)
            if found is None:
                return None
            level = max(level, found)
        level += 1
        return Route(entry.graph, level, ((level, entry.graph),), entry=entry)

    def _at_hand(self, position: Position, types: frozenset[str], part: KeyPart, conditions: Conditions) -> int | None:
        """The first step after which an arrival here has given this field of a key, None where none of them gives it."""
        return min(
            (
                arrival.part.level + self._below_key(arrival.graph, arrival.as_interface or min(types), part)
                for arrival in position.arrivals
                if types <= self.local.gives(arrival, part.name, conditions)
            ),
            default=None,
        )

    def _below_key(self, graph: str, type_name: str, part: KeyPart) -> int:
        """0 where `graph` has all below this field of a key, else the step that it takes at least to get the rest."""
        return 0 if part.below is None or self.graph.has_below(graph, type_name, part) else 1

    def _far(self, position: Position, types: frozenset[str], host: Host, conditions: Conditions) -> Route | None:
        """Through further subgraphs, which give the keys that nobody here has: shortest way first (Dijkstra over subgraphs)."""
        if not position.arrivals:
            return None
        some = min(types)
        #: By key: what `_at_hand` says of each of its fields.
        at_hand: dict[str, list[int | None]] = {}
        reached: dict[Host, tuple[int, tuple[Slot, ...]]] = {}
        # Arrivals that are there, and descents from the parent.
        open_ways: list[tuple[int, int, Host, int, tuple[Slot, ...], Entry | None]] = []
        for arrival in position.arrivals:
            if types <= arrival.types and self.local.usable(arrival, position, conditions):
                heappush(open_ways, (arrival.part.level, 0, arrival.host, len(open_ways), (), None))
        if position.field is not None and position.parent is not None:
            for resolver in self.graph.resolvers(min(position.parent_types), position.field.name):
                below = self.graph.subgraph_type(resolver.graph, resolver.field.type_name)
                there = (resolver.graph, "" if below is None else below.as_interface)
                if all(way[2] != there for way in open_ways) and there != host:
                    above = self._above(position, types, there, conditions)
                    if above is not None:
                        heappush(open_ways, (above.level, len(above.added), there, len(open_ways), above.added, None))
        count = len(open_ways)
        knows_types = self.knows_types(position)
        while open_ways:
            level, _, here, _, added, entry = heappop(open_ways)
            if here == host and entry is not None:
                return Route(host[0], level, added, entry=entry)
            if here in reached:
                continue
            reached[here] = (level, added)
            for other in self.graph.entries(some):
                # Who is at the target already may have to come back to it, with what is required.
                there = other.host
                if not other.as_interface and not knows_types:
                    continue
                if (there in reached and there != host) or (id(position), there, types) in self.underway:
                    continue
                here_of = at_hand.get(other.key)
                if here_of is None:
                    here_of = at_hand[other.key] = [
                        self._at_hand(position, types, part, conditions) for part in key_parts(other.key)
                    ]
                way = self._way_by_key(some, other, here_of, reached)
                if way is not None:
                    step, slots = way
                    slots = (*slots, (step, other.graph))
                    count += 1
                    heappush(open_ways, (step, len(slots), there, count, slots, other))
        return None

    def _way_by_key(
        self,
        type_name: str,
        entry: Entry,
        at_hand: Sequence[int | None],
        reached: Mapping[Host, tuple[int, tuple[Slot, ...]]],
    ) -> tuple[int, tuple[Slot, ...]] | None:
        """(step, requests so far) of a jump by this key from what is here and what is reached."""
        level = 0
        slots: dict[Slot, None] = {}
        for part, step in zip(key_parts(entry.key), at_hand, strict=True):
            best: tuple[int, int, tuple[Slot, ...]] | None = None if step is None else (step, 0, ())
            for resolver in self.graph.resolvers(type_name, part.name):
                way = reached.get(resolver.host)
                if way is not None and not resolver.field.needs_more:
                    rank = (way[0] + self._below_key(resolver.graph, resolver.type_name, part), len(way[1]))
                    if best is None or rank < best[:2]:
                        best = (*rank, way[1])
            if best is None:
                return None
            level = max(level, best[0])
            slots.update(dict.fromkeys(best[2]))
        return level + 1, tuple(slots)


def conditions_above(position: Position, conditions: Conditions) -> Conditions:
    """Of a request for the position's parent, which is made for what stands under these conditions at the position: it is deferred as that is."""
    assert position.parent is not None
    assert position.field is not None
    deferred = only_defers(position.conditions.union(conditions)) - position.parent.conditions
    return tuple(sorted(deferred.union(position.field.conditions))) if deferred else position.field.conditions
