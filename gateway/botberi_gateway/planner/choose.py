"""Fields at positions -> parts: for each field the subgraph that answers it, and how one gets there, by least cost under a policy.

`Chooser` goes over the answer's positions breadth first. At each it lists the ways to a field (`Route`): an arrival that is there, a
descent from an arrival at the parent, a jump by key (or through further subgraphs, when the key isn't at hand). A route is rated by the
steps and requests it would add; `Policy` says which requests cost nothing (another field needs them anyway) and which are banned, and
`search` runs the chooser under several policies.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from botberi_gateway.errors import PlanningError
from botberi_gateway.plan import ContextSource, ContextValue, KeySelection
from botberi_gateway.planner.contexts import Contexts, with_arguments
from botberi_gateway.planner.estimate import Estimator
from botberi_gateway.planner.fetch_graph import Arrival, Part, PartKind, Position, Selection
from botberi_gateway.planner.local import Local, arrival_rank, near_step
from botberi_gateway.planner.policy import Outcome, Policy, Route, Slot
from botberi_gateway.planner.positions import Positions
from botberi_gateway.planner.representations import Names, conflicting, merge_inputs
from botberi_gateway.planner.routes import Routes, conditions_above
from botberi_gateway.planner.tree import Conditions, Field, defers, only_defers, without_defers
from botberi_gateway.planner.walk import Walker
from botberi_gateway.query_graph import Entry, Host, QueryGraph, Resolver, SubgraphType, parse_field_set

TYPENAME = Field("__typename", "__typename", "", None, (), (), "", "", None, 0, (), True)


class Chooser:
    """One run over one operation under one policy."""

    def __init__(self, graph: QueryGraph, walker: Walker, estimator: Estimator, policy: Policy) -> None:
        self.graph = graph
        self.walker = walker
        self.estimator = estimator
        self.policy = policy
        self.local = Local(graph, walker)
        self.contexts = Contexts(graph, walker.variables)
        self.routes = Routes(graph, self.local, policy, self.contexts)
        self.positions = Positions(graph, self.local)
        self.names = Names(walker.names)
        self.parts: list[Part] = []
        self.forced: set[Slot] = set()
        self.sole: set[Slot] = set()
        self.choices = 0
        self.queue: deque[tuple[Position, tuple[Field, ...]]] = deque()

    # ---- the run ----------------------------------------------------------------------------------------------------------

    def run(self, root: Position, fields: tuple[Field, ...]) -> Outcome:
        """Place every field of `root`, and what lies below."""
        self.queue.append((root, fields))
        while self.queue:
            position, wanted = self.queue.popleft()
            self._place_all(position, wanted)
        return Outcome(self.parts, frozenset(self.forced), frozenset(self.sole), self.choices, self.routes.work)

    def _place_all(self, position: Position, fields: tuple[Field, ...]) -> None:
        """Fields that cost nothing or have one way first: what they bring may serve the others."""
        later = []
        position.wanted += fields
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
                if (
                    types <= self.local.types(arrival, one)
                    and self.local.usable(arrival, position, one.conditions)
                    and not self.local.spoils(arrival, one)
                ):
                    return True
        return all(len(self.graph.resolvers(name, one.name)) <= 1 for name in types)

    # ---- placing one field --------------------------------------------------------------------------------------------------

    def place(self, position: Position, one: Field, types: frozenset[str]) -> dict[Part, None]:
        """Put the field into selections so that all objects of `types` get it; the parts that then give it."""
        types = types & position.types if one.types is None else types & position.types & one.types
        needs: dict[Part, None] = {}
        if not types:
            return needs
        # Whether a deferred fragment applies at all has to be known without it.
        if self._tells_types_apart(position, one, types) and (not one.is_typename or defers(one.conditions)):
            needs.update(self._know_types(position, types, without_defers(one.conditions)))
            for earlier in self._less_deferred(position):
                self._know_types(earlier, types & earlier.types, without_defers(one.conditions))
        if one.is_typename:
            return needs | self._place_typename(position, one, types)
        for group in self.routes.apart_or_not(position, types, one):
            left = self._place_leaf(position, one, group, needs) if one.type_name is None else group
            if left:
                self._place_alike(position, one, left, needs)
        return needs

    def _tells_types_apart(self, position: Position, one: Field, types: frozenset[str]) -> bool:
        """Whether a field is wanted of objects of an object type, be it the only one that there is."""
        if one.types is not None:
            return types != position.types
        via = self.graph.types.get(one.via)
        return via is not None and via.kind == "OBJECT"

    def _less_deferred(self, position: Position) -> list[Position]:
        """The same place of the answer where the client asks for it under fewer `@defer`s: the objects are there before those of `position`."""
        within = position.defers
        return [p for p in self.positions.alike(position) if p.defers < within] if within else []

    def _place_leaf(
        self, position: Position, one: Field, types: frozenset[str], needs: dict[Part, None]
    ) -> frozenset[str]:
        """Where an arrival that is there gives it; the types for which none does."""
        near = near_step(position)
        apart = self.routes.apart(position, types, one)
        for arrival in sorted(position.arrivals, key=arrival_rank):
            if not self.local.usable(arrival, position, one.conditions):
                continue
            if not self.routes.comes_apart(arrival, position, one, apart):
                continue
            if self.local.spoils(arrival, one):
                continue
            if one.internal and arrival.part.level > near:
                break  # others wait for it: a new request may have it earlier
            here = self.local.types(arrival, one) & types
            if here:
                self._add(arrival, one, here, needs)
                types -= here
                if not types:
                    break
        return types

    def _place_alike(self, position: Position, one: Field, types: frozenset[str], needs: dict[Part, None]) -> None:
        """Together where one subgraph serves all of `types`, else in groups of those that are served alike."""
        if len(types) > 1:
            common = self.graph.common_hosts(types, one.name)
            if common and self._place_group(position, one, types, needs, common):
                return
        for group in self.local.alike(types, one):
            if not self._place_group(position, one, group, needs, None) and not self._place_group(
                position, one, group, needs, None, lenient=True
            ):
                where = ".".join(position.keys) or position.type_name
                raise PlanningError(
                    f"No subgraph gives {min(group)}.{one.name} at {where!r}{self._why(position, min(group), one)}"
                )

    def _why(self, position: Position, type_name: str, one: Field) -> str:
        for resolver in self.graph.resolvers(type_name, one.name):
            for argument in resolver.field.contexts:
                if not self.contexts.ancestors(position, argument.context):
                    return (
                        f" (nothing above it sets the context {argument.context!r} of its argument {argument.name!r})"
                    )
        return ""

    def _place_group(
        self,
        position: Position,
        one: Field,
        types: frozenset[str],
        needs: dict[Part, None],
        allowed: frozenset[Host] | None,
        *,
        lenient: bool = False,
    ) -> bool:
        """Objects of `types` are alike (to the subgraphs `allowed`): one way serves all of them. False where there is none.

        `lenient`: also where errors of objects that nobody asks about may take from the answer.
        """
        apart = self.routes.apart(position, types, one)
        if apart and self._place_group_by(position, one, types, needs, allowed, apart, lenient):
            return True
        return self._place_group_by(position, one, types, needs, allowed, frozenset(), lenient)

    def _place_group_by(
        self,
        position: Position,
        one: Field,
        types: frozenset[str],
        needs: dict[Part, None],
        allowed: frozenset[Host] | None,
        apart: frozenset[int],
        lenient: bool,
    ) -> bool:
        """By requests under the `@defer`s in `apart` only."""
        existing = self.positions.existing(position, one, types)
        if existing is not None and not self._has_to_be_apart(existing, position, one, apart):
            self._place_children(existing, one, needs)
            return True
        options: list[tuple[tuple[int, ...], int, Arrival | Route, Resolver | None]] = []
        if one.type_name is not None:
            for arrival in position.arrivals:
                here = self.local.types(arrival, one) & types
                if here and self.local.usable(arrival, position, one.conditions):
                    if not self.routes.comes_apart(arrival, position, one, apart):
                        continue
                    if not lenient and self.local.spoils(arrival, one):
                        continue
                    if here != types:
                        self._place_alike(position, one, here, needs)
                        self._place_alike(position, one, types - here, needs)
                        return True
                    rate = self._rate(
                        one, arrival.graph, self.local.static_below(arrival, one, here), arrival.part.level, ()
                    )
                    options.append((rate, len(options), arrival, None))
        some = min(types)
        # An interface's field, and not all objects are served alike: whoever gave the object has to lead to it.
        keyed = one.types is None and types < position.types and self.graph.is_abstract(one.via)
        near = near_step(position)
        settled = any(rate[0] == 0 and rate[-1] == 0 and rate[-2] <= near for rate, *_ in options)
        for resolver in () if settled else self.graph.resolvers(some, one.name):
            if allowed is not None and resolver.host not in allowed:
                continue
            if self.policy.start and position.parent is None and resolver.graph != self.policy.start:
                continue
            if any(
                a.graph == resolver.graph and rate[-2] <= near for rate, _, a, _ in options if isinstance(a, Arrival)
            ):
                continue
            within = self.routes.in_entity(position, types, resolver, one) if resolver.field.contexts else None
            if within is not None:
                level = within.part.level
                rate = self._rate(one, resolver.graph, resolver.field.type_name, level, ())
                options.append((rate, len(options), within, resolver))
                continue
            waited = self._waited(one, resolver.graph, resolver.field.type_name)
            route = self.routes.to(
                position, types, resolver, one, keyed=keyed, apart=apart, lenient=lenient, waited=waited
            )
            if route is not None:
                rate = self._rate(one, route.graph, resolver.field.type_name, route.level, route.added)
                options.append((rate, len(options), route, resolver))
        if not options:
            return False
        _, _, way, chosen = min(options, key=lambda o: o[:2])
        sole = len(options) == 1 and (isinstance(way, Arrival) or way.sole)
        self.choices += not sole
        before = len(self.parts)
        if isinstance(way, Arrival):
            arrivals = [way]
            if chosen is not None:
                self._give_contexts(way, position, types, chosen, one.conditions)
        else:
            assert chosen is not None
            waited = self._waited(one, chosen.graph, chosen.field.type_name)
            # What nobody waits for may come with a later request.
            latest = self.policy.steps - 1 if waited else sys.maxsize
            if chosen.field.needs_more:
                arrivals = [self._jump_requiring(position, types, chosen, one, latest)]
            else:
                arrivals = self._follow(position, types, way, one.conditions, latest)
        if len(options) == 1:
            made = [(part.level, part.graph) for part in self.parts[before:]]
            self.forced.update(made)
            if sole:
                self.sole.update(made)
        asked = one
        if chosen is not None and chosen.field.contexts:
            entities = way.part.position if isinstance(way, Arrival) else None
            names = self._context_variables(position, types, chosen, entities)
            asked = with_arguments(one, {a.name: names[a.name] for a in chosen.field.contexts})
        for arrival in arrivals:
            self._add(arrival, one, types, needs, asked)
        return True

    def _has_to_be_apart(self, child: Position, position: Position, one: Field, apart: frozenset[int]) -> bool:
        """Whether all that is there so far came for a key, and the field, which is deferred, is to come by itself."""
        if not apart:
            return False
        came = {arrival.part for arrival in child.arrivals}
        if any(apart <= part.defers and part.position is child for part in came):
            return False
        return not any(self.routes.comes_apart(a, position, one, apart) for a in position.arrivals if a.part in came)

    def _context_variables(
        self, position: Position, types: frozenset[str], resolver: Resolver, within: Position | None = None
    ) -> dict[str, str]:
        """By argument. `within`: the entities above that bring the values along, the same for all that stands below them."""
        contexts = resolver.field.contexts
        if within is not None:
            return {
                a.name: self.contexts.variable(resolver.graph, id(within), a.context, a.selection, a.type)
                for a in contexts
            }
        use = (id(position), types, resolver.type_name, resolver.field.name)
        return {a.name: self.contexts.variable(resolver.graph, *use, a.name) for a in contexts}

    def _waited(self, one: Field, graph: str, static: str) -> bool:
        """Whether other requests wait for the field, were it asked of `graph`."""
        return one.internal or (one.type_name is not None and bool(self.estimator.escapes(one.children, graph, static)))

    def _rate(self, one: Field, graph: str, static: str | None, level: int, added: tuple[Slot, ...]) -> tuple[int, ...]:
        new = sum(slot not in self.routes.active for slot in added)
        banned = sum(slot in self.policy.banned for slot in added)
        depth, extra, escapes = level, 0, 0
        if one.type_name is not None and static is not None:
            missing = self.estimator.escapes(one.children, graph, static)
            if missing:
                depth += 1
                escapes = len(missing)
                extra = self.estimator.cover(missing, {g for step, g in self.routes.active if step > level})
        return (banned, max(depth - self.policy.steps, 0), new + extra, level, escapes)

    def _add(
        self,
        arrival: Arrival,
        one: Field,
        types: frozenset[str],
        needs: dict[Part, None],
        asked: Field | None = None,
    ) -> None:
        """Select the field (as it is asked there) in an arrival that resolves it for `types`; go on below."""
        asked = asked or one
        needs[arrival.part] = None
        if one.type_name is None:
            conditions = () if one.internal else one.conditions
            if arrival.selection.find(asked, types, conditions) is None:
                arrival.selection.add(asked, types, conditions, None)
            return
        for below, here in self.local.alike_below(arrival, one, types):
            child = self.positions.child(arrival.position, one, here, arrival.graph, below)
            self.positions.descend(arrival, asked, here, below, child)
            self._place_children(child, one, needs)

    def _place_children(self, child: Position, one: Field, needs: dict[Part, None]) -> None:
        if not one.internal:
            self.queue.append((child, one.children))
            return
        for below in one.children:
            needs.update(self.place(child, below, child.types))

    # ---- __typename ---------------------------------------------------------------------------------------------------------

    def _place_typename(self, position: Position, one: Field, types: frozenset[str]) -> dict[Part, None]:
        arrivals = [
            a
            for a in sorted(position.arrivals, key=arrival_rank)
            if a.knows_type and types <= a.types and self.local.usable(a, position, one.conditions)
        ]
        if arrivals:
            arrival = arrivals[0]
        else:
            known = [a for a in position.arrivals if a.knows_type and self.local.usable(a, position, one.conditions)]
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

    def _types_above(self, position: Position) -> dict[Part, None]:
        """A position below objects of some types only is found when somebody has said which those are."""
        needs: dict[Part, None] = {}
        while position.parent is not None and position.field is not None:
            if position.parent_types < position.parent.types:
                conditions = without_defers(position.field.conditions)
                needs.update(self._know_types(position.parent, position.parent_types, conditions))
            position = position.parent
        return needs

    def _jump_for_type(self, position: Position, types: frozenset[str], conditions: Conditions) -> Arrival:
        """Entities of a subgraph that has the interface of the objects here, and so knows their types."""
        interfaces = dict.fromkeys(
            [a.as_interface for a in position.arrivals if a.as_interface] or [position.type_name]
        )
        entries = [e for interface in interfaces for e in self.graph.entries(interface) if not e.as_interface]
        found = [
            route
            for entry in entries
            for route in [self.routes.by_key(position, types, entry, conditions)]
            if route is not None
        ]
        if found:
            entry = min(found, key=self.routes.rank).entry
            assert entry is not None
            return self._jump(position, position.types, entry, conditions, sys.maxsize)
        # The key comes from further subgraphs, which take the objects without being told their types.
        with self.routes.without_types(position):
            for entry in entries:
                if self.routes.gives_key(position, position.types, entry, conditions):
                    return self._jump(position, position.types, entry, conditions, sys.maxsize)
        where = ".".join(position.keys)
        raise PlanningError(f"No subgraph tells the types of {' or '.join(interfaces)} objects at {where!r}")

    # ---- following a route ------------------------------------------------------------------------------------------------------

    def _follow(
        self, position: Position, types: frozenset[str], route: Route, conditions: Conditions, latest: int
    ) -> list[Arrival]:
        """Make what the route says: the arrival at its end; several, each at a position of its own, where parents' types lead there apart."""
        if route.arrival is not None:
            return [route.arrival]
        if route.root:
            return [self._new_root(position, route, conditions)]
        if route.descend is not None:
            parent, one = position.parent, position.field
            assert parent is not None
            assert one is not None
            around = conditions_above(position, conditions)
            return [
                self.positions.descend(above, one, here, below, self.positions.part(position, above, here, below))
                for above in self._follow(parent, position.parent_types, route.descend, around, latest)
                for below, here in self.local.alike_below(above, one, position.parent_types & above.position.types)
                if here
            ]
        assert route.entry is not None
        return [self._jump(position, types, route.entry, conditions, latest)]

    def _new_root(self, position: Position, route: Route, conditions: Conditions) -> Arrival:
        static = self.graph.subgraph_type(route.graph, position.type_name)
        if static is None:
            raise PlanningError(f"Subgraph {route.graph} has no type {position.type_name}")
        deferred = tuple(sorted(only_defers(conditions))) if position.parent is None else ()
        part = self._part("root", route.graph, position, position.types, None, deferred)
        if position.parent is not None:  # a field that leads back to a root type: its objects have to be there first
            part.needs[min(position.arrivals, key=arrival_rank).part] = None
            part.needs.update(self._types_above(position))
        part.level = 1 + max((need.level for need in part.needs), default=0)
        return self._arrive(part, Selection(route.graph, static, position.types))

    def _part(
        self,
        kind: PartKind,
        graph: str,
        position: Position,
        types: frozenset[str],
        typename: str | None,
        conditions: Conditions,
    ) -> Part:
        part = Part(graph, kind, position, types, typename, conditions, len(self.parts))
        self.parts.append(part)
        return part

    def _arrive(self, part: Part, selection: Selection) -> Arrival:
        self.routes.active.add((part.level, part.graph))
        part.arrival = Arrival(part.position, part, selection, frozenset(part.conditions))
        part.position.arrivals.append(part.arrival)
        return part.arrival

    def _jump(
        self,
        position: Position,
        types: frozenset[str],
        entry: Entry,
        conditions: Conditions,
        latest: int,
        resolver: Resolver | None = None,
    ) -> Arrival:
        """Entities of `entry.graph`: gather the key (and what is required), then make the part, or widen one that is late enough, but not after `latest`."""
        needs = self._types_above(position)
        entry = self._known_entry(position, types, entry, conditions)
        by_interface = self.graph.types[entry.type_name].kind == "INTERFACE"
        target = self.graph.subgraph_type(entry.graph, entry.type_name)
        real = target is not None and not target.is_interface_object
        if not by_interface or (not real and types < position.types):
            needs.update(self._know_types(position, types, conditions))
        mark = (id(position), entry.host, types)
        self.routes.underway.add(mark)
        try:
            inputs = self._gather(position, types, entry.type_name, entry.key, conditions, needs, mark_typename=True)
        finally:
            self.routes.underway.discard(mark)
        contexts: dict[str, ContextValue] = {}
        uncertain: frozenset[str] = frozenset()
        if resolver is not None:
            # Not under the mark: what is required may come from another field of the same subgraph.
            if resolver.field.requires:
                required: dict[Part, None] = {}
                inputs += self._gather(
                    position, types, entry.type_name, resolver.field.requires, conditions, required, spoils=self._spoils
                )
                uncertain = self._uncertain(required, needs)
                needs.update(required)
            contexts = self._gather_contexts(position, types, resolver, conditions, needs)
        level = 1 + max((part.level for part in needs), default=0)
        typename = entry.type_name if by_interface else (min(types) if len(types) == 1 else None)
        reason = f"key {entry.key!r} of {entry.type_name}"
        if resolver is not None:
            field = resolver.field
            wanted = [f"requires {field.requires!r}"] if field.requires else []
            wanted += [f"takes {a.name!r} from {a.context} {a.selection}" for a in field.contexts]
            reason = f"{entry.type_name}.{field.name} {', '.join(wanted)}"
        for arrival in position.arrivals:
            part = arrival.part
            if (
                part.kind == "entity"
                and part.position is position
                and part.arrival is arrival
                and part.graph == entry.graph
                and types <= part.types
                and self.local.exactly(arrival, types)
                and part.typename == typename
                and part.conditions == conditions
                and part.uncertain == uncertain
                and (part.level == level or level < part.level <= latest)
                and not conflicting(part.inputs, inputs)
            ):
                part.needs.update(needs)
                merge_inputs(part.inputs, inputs)
                part.contexts.update(contexts)
                part.reasons[reason] = None
                return arrival
        part = self._part("entity", entry.graph, position, types, typename, conditions)
        part.needs.update(needs)
        part.level, part.entry, part.uncertain = level, entry, uncertain
        merge_inputs(part.inputs, inputs)
        part.contexts.update(contexts)
        part.reasons[reason] = None
        static: SubgraphType | None = None
        if typename is not None:
            static = self.graph.subgraph_type(entry.graph, typename)
            assert static is not None
        selection = Selection(entry.graph, static, types)
        if static is not None and static.is_abstract:
            selection.typename = True
        return self._arrive(part, selection)

    def _uncertain(self, required: Iterable[Part], needs: Mapping[Part, None]) -> frozenset[str]:
        """Subgraphs that may not know the objects of which something is required there: see `Part.uncertain`."""
        found: set[str] = set()
        for part in required:
            if part in needs:
                continue  # without it there is no key either
            found |= part.uncertain
            if part.kind == "entity" and self.graph.may_not_know(part.graph, part.types):
                found.add(part.graph)
        return frozenset(found)

    def _known_entry(self, position: Position, types: frozenset[str], entry: Entry, conditions: Conditions) -> Entry:
        """The key by which the same objects enter the subgraph already, else this one: a representation has one key."""
        for arrival in position.arrivals:
            part = arrival.part
            known = part.entry
            if (
                known is not None
                and part.position is position
                and part.graph == entry.graph
                and types <= part.types
                and part.conditions == conditions
                and known.type_name == entry.type_name
            ):
                return known
        return entry

    def _jump_requiring(
        self,
        position: Position,
        types: frozenset[str],
        resolver: Resolver,
        one: Field,
        latest: int,
    ) -> Arrival:
        mark = (id(position), resolver.host, one.name, types)
        self.routes.requiring.add(mark)
        try:
            best = self.routes.to_entity(position, types, resolver, one.conditions)
            assert best is not None
            assert best.entry is not None
            return self._jump(position, types, best.entry, one.conditions, latest, resolver)
        finally:
            self.routes.requiring.discard(mark)

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
        spoils: Callable[[Field, str], bool] | None = None,
    ) -> list[KeySelection]:
        """Have the fields of a field set selected somewhere; how a representation is read from them. `spoils`: see `Names.named`."""
        parent = type_name
        if parent not in self.graph.types or (len(types) == 1 and self.graph.types[parent].kind == "OBJECT"):
            parent = min(types)
        fields = self.walker.fields(parent, [parse_field_set(text)], internal=True, conditions=conditions)
        given: dict[Part, None] = {}
        result: list[KeySelection] = []
        for one in fields:
            if one.is_typename:
                continue
            named, key = self.names.named(position.keys, one, spoils)
            given.update(self.place(position, named, types))
            result += key
        if mark_typename:
            self._mark_typename(position, given)
            if not given:
                for arrival in position.arrivals[:1]:
                    given[arrival.part] = None
        needs.update(given)
        return result

    def _spoils(self, one: Field, name: str) -> bool:
        """Whether the field `name`, selected of the object that `one` gives, may null it in a subgraph that gives the object.

        A field would then be computed of a null that is none. (A key that is null is looked up nowhere: that is told, and nothing is wrong.)
        """
        if one.type_name is None or name == "__typename":
            return False
        return any(
            inner.field.shape.endswith("!") and not inner.field.needs_more
            for type_name in self.graph.possible(one.type_name)
            for inner in self.graph.resolvers(type_name, name)
            if (above := self.graph.subgraph_type(inner.graph, one.via)) is not None and one.name in above.fields
        )

    def _gather_contexts(
        self,
        position: Position,
        types: frozenset[str],
        resolver: Resolver,
        conditions: Conditions,
        needs: dict[Part, None],
        within: Position | None = None,
    ) -> dict[str, ContextValue]:
        """Have the values of contextual arguments selected at the ancestors that set them; how they are read there, by variable."""
        names = self._context_variables(position, types, resolver, within)
        result: dict[str, ContextValue] = {}
        for argument in resolver.field.contexts:
            sources = []
            for ancestor in self.contexts.ancestors(position, argument.context):
                above = ancestor.position
                # Between here and there the way may be skipped: the value is then not needed.
                own = tuple(sorted({*conditions, *(position.conditions - above.conditions)}))
                given: dict[Part, None] = {}
                read = self._gather(above, ancestor.types, ancestor.bearer, argument.selection, own, given)
                apart = len(above.types) > 1
                if apart:
                    given.update(self._know_types(above, ancestor.types, own))
                    self._mark_typename(above, given)
                sources.append(ContextSource(ancestor.up, ancestor.types if apart else None, tuple(read)))
                needs.update(given)
            variable = names[argument.name]
            result[variable] = ContextValue(variable, argument.type, tuple(sources))
        return result

    def _give_contexts(
        self,
        arrival: Arrival,
        position: Position,
        types: frozenset[str],
        resolver: Resolver,
        conditions: Conditions,
    ) -> None:
        """Have the entities above this arrival bring the values that a field at the position takes: see `Routes.in_entity`."""
        part = arrival.part
        depth = self.routes.objects_between(part.position, position)
        assert depth is not None
        given = self._gather_contexts(position, types, resolver, conditions, part.needs, part.position)
        for variable, value in given.items():
            sources = tuple(replace(source, up=source.up - depth) for source in value.sources)
            part.contexts[variable] = replace(value, sources=sources)
        field = resolver.field
        taken = ", ".join(f"takes {a.name!r} from {a.context} {a.selection}" for a in field.contexts)
        part.reasons[f"{resolver.type_name}.{field.name} {taken}"] = None

    def _mark_typename(self, position: Position, given: dict[Part, None]) -> None:
        """Who makes a representation of an object needs its type."""
        known = [a for a in position.arrivals if a.knows_type]
        for arrival in known or position.arrivals:
            if arrival.part in given:
                arrival.selection.typename = True
