"""Parts -> plan nodes: parts of a step and subgraph become one fetch, fetches become sequences and parallels."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from graphql import DirectiveNode, print_ast

from botberi_gateway.operation import Operation
from botberi_gateway.plan import (
    Condition,
    ContextValue,
    Entities,
    Fetch,
    OperationKind,
    Parallel,
    Path,
    PlanNode,
    Representation,
)
from botberi_gateway.plan import Sequence as SequenceNode
from botberi_gateway.planner.document import Printer, document, split_conditions, wrapped
from botberi_gateway.planner.fetch_graph import Part, Position, Selection, release
from botberi_gateway.planner.tree import Conditions, only_defers, without_defers
from botberi_gateway.planner.walk import variables_of
from botberi_gateway.query_graph import QueryGraph

#: Fields that the reason of a fetch names: more of them tell people little.
NAMED_FIELDS = 8
_NOT_A_NAME = re.compile(r"\W")


@dataclass(slots=True, eq=False)
class Request:
    """Parts that travel together."""

    graph: str
    kind: str
    level: int
    conditions: Conditions
    parts: list[Part]
    #: Not empty: all that it asks for stands under these `@defer`s.
    defers: frozenset[int] = frozenset()
    needs: "dict[Request, None]" = field(default_factory=dict)
    number: int = 0


@dataclass(slots=True)
class Deferred:
    """Nodes that run when the fetches `depends` have ended."""

    nodes: list[PlanNode] = field(default_factory=list)
    depends: dict[int, None] = field(default_factory=dict)


class Emitter:
    """Makes the nodes of one plan; numbers fetches in the order of their steps."""

    def __init__(self, graph: QueryGraph, operation: Operation) -> None:
        self.graph = graph
        self.operation = operation
        self.count = 0
        #: By the `@defer`s that they stand under.
        self.deferred: dict[frozenset[int], Deferred] = {}
        self._parts: list[Part] = []

    def node(self, parts: list[Part], kind: OperationKind) -> PlanNode | None:
        """The node that runs these parts, but for those that are deferred: they are kept in `deferred`."""
        self._parts += parts
        requests = _requests(parts)
        nodes = {request: self._conditional(request, kind) for request in requests}
        for defers in dict.fromkeys(request.defers for request in requests if request.defers):
            self._defer(defers, [request for request in requests if request.defers == defers], nodes)
        return _arrange([request for request in requests if not request.defers], nodes)

    def finish(self) -> None:
        """All nodes are made: the parts that they were made of go."""
        release(self._parts)

    def _defer(self, defers: frozenset[int], requests: list[Request], nodes: dict[Request, PlanNode]) -> None:
        into = self.deferred.setdefault(defers, Deferred())
        node = _arrange(requests, nodes)
        assert node is not None
        into.nodes.append(node)
        inside = set(requests)
        needed = {need.number for request in requests for need in request.needs if need not in inside}
        into.depends.update(dict.fromkeys(sorted(needed)))

    def _conditional(self, request: Request, kind: OperationKind) -> PlanNode:
        node: PlanNode = self.fetch(request, kind)
        for variable, wanted in reversed(without_defers(request.conditions)):
            node = Condition(variable, if_true=node) if wanted else Condition(variable, if_false=node)
        return node

    def fetch(self, request: Request, kind: OperationKind) -> Fetch:
        """One request of the plan."""
        printer = Printer(self.graph)
        number = request.number = self.count
        self.count += 1
        entities: tuple[Entities, ...] = ()
        path: Path = ()
        if request.kind == "root":
            part = request.parts[0]
            path = part.position.path
            if path:
                kind = _kind_of(self.graph, part.position.type_name)
            body = printer.selection(part.selection, given=request.conditions)
        else:
            kind = "query"
            entities, body = self._entities(request, printer)
        name = self._name(request, number)
        directives = self._directives(kind)
        printer.variables.update(dict.fromkeys(sorted(variables_of(directives))))
        text = document(
            kind,
            name,
            body,
            self.operation.variable_definitions,
            printer.variables,
            {one.variable: "[_Any!]!" for one in entities}
            | {value.variable: value.type for one in entities for value in one.contexts},
            "".join(" " + print_ast(directive) for directive in directives),
        )
        return Fetch(
            id=number,
            subgraph=self.graph.graphs[request.graph].name,
            operation=text,
            kind=kind,
            operation_name=name,
            variables=tuple(
                v.variable.name.value
                for v in self.operation.variable_definitions
                if v.variable.name.value in printer.variables
            ),
            entities=entities,
            renames=tuple(printer.renames),
            reasons=_reasons(request),
            path=path,
            only_if=_only_if(request),
        )

    def _directives(self, kind: OperationKind) -> list[DirectiveNode]:
        """The client's directives on the operation, where one of this kind may have them: all subgraphs know what the supergraph does."""
        found = []
        for node in self.operation.definition.directives or ():
            definition = self.operation.schema.get_directive(node.name.value)
            if definition is not None and any(place.name == kind.upper() for place in definition.locations):
                found.append(node)
        return found

    def _name(self, request: Request, number: int) -> str | None:
        if self.operation.name is None:
            return None
        subgraph = _NOT_A_NAME.sub("_", self.graph.graphs[request.graph].name)
        return f"{self.operation.name}__{subgraph}__{number}"

    def _entities(self, request: Request, printer: Printer) -> tuple[tuple[Entities, ...], str]:
        """`_entities` fields: one for each different selection; places with equal ones share it."""
        made: dict[tuple[tuple[Representation, ...], str, tuple[ContextValue, ...]], list[Path]] = {}
        for group in _by_position(request.parts):
            own = Printer(self.graph)
            pieces = []
            shared = frozenset.intersection(*(part.position.conditions for part in group))
            for part in group:
                given = (*request.conditions, *part.conditions)
                beside = frozenset[str]().union(*(other.types for other in group if other is not part)) - part.types
                inner = own.fields((part.selection,), given=given, framed=True, mixed=len(group) > 1, beside=beside)
                # Places that are one path to the client may stand under different conditions: what only some of them have is said here.
                wanted = tuple(sorted({*part.conditions, *(part.position.conditions - shared)}))
                missing = [c for c in without_defers(wanted) if c not in request.conditions]
                pieces.append(self._guarded(inner, missing, own))
            text = "{ " + " ".join(dict.fromkeys(pieces)) + " }"
            representations = tuple(dict.fromkeys(_representation(self.graph, part) for part in group))
            paths = made.setdefault((representations, text, tuple(group[0].contexts.values())), [])
            if group[0].position.path not in paths:
                paths.append(group[0].position.path)
            # One rename serves every `_entities` field: a renamed key tells what it is called.
            printer.renames += [rename for rename in own.renames if rename not in printer.renames]
            printer.variables.update(own.variables)
        result, bodies = [], []
        single = len(made) == 1
        for index, ((representations, text, contexts), paths) in enumerate(made.items()):
            key = "_entities" if single else f"_e{index}"
            variable = self._free("representations" if single else f"representations_{index}")
            result.append(Entities(tuple(paths), representations, key, variable, contexts))
            field_text = "_entities" if single else f"{key}: _entities"
            bodies.append(f"{field_text}(representations: ${variable}) {text}")
        return tuple(result), "{ " + " ".join(bodies) + " }"

    def _free(self, variable: str) -> str:
        """A name that no variable of the client has."""
        taken = {v.variable.name.value for v in self.operation.variable_definitions}
        while variable in taken:
            variable = f"_{variable}"
        return variable

    def _guarded(self, text: str, missing: Sequence[tuple[str, bool]], printer: Printer) -> str:
        """Fields that ride in a request of weaker conditions."""
        if not missing:
            return text
        printer.variables.update(dict.fromkeys(variable for variable, _ in missing))
        here, around = split_conditions(missing)
        return "__typename " + wrapped(f"...{here} {{ {text} }}", around)


def _reasons(request: Request) -> tuple[str, ...]:
    """The fields that the request is for, then the keys and required fields by which it gets them."""
    fields = list(dict.fromkeys(name for part in request.parts for name in _asked(part.selection)))
    more = f" and {len(fields) - NAMED_FIELDS} more" if len(fields) > NAMED_FIELDS else ""
    by = dict.fromkeys(reason for part in request.parts for reason in part.reasons)
    return (f"for {', '.join(fields[:NAMED_FIELDS])}{more}", *by)


def _asked(selection: Selection) -> Iterator[str]:
    static = selection.static
    for item in selection.items:
        whole = static is not None and item.types >= selection.types
        yield f"{static.name if static and whole else '|'.join(sorted(item.types))}.{item.field.name}"
    if not selection.items:
        yield f"{static.name if static else '|'.join(sorted(selection.types))}.__typename"


def _only_if(request: Request) -> tuple[Conditions, ...]:
    """What is asked has conditions of its own, each part (or root field): where none of them hold, the request is for nothing."""
    wanted: Iterable[Conditions] = [part.conditions for part in request.parts]
    if request.kind == "root":
        wanted = _root_conditions(request.parts[0])
    found = dict.fromkeys(
        tuple(c for c in without_defers(conditions) if c not in request.conditions) for conditions in wanted
    )
    return () if () in found else tuple(found)


def _root_conditions(part: Part) -> list[Conditions]:
    return [()] if part.selection.typename else [item.conditions for item in part.selection.items] or [()]


def _kind_of(graph: QueryGraph, type_name: str) -> OperationKind:
    return "mutation" if type_name == graph.roots["mutation"] else "query"


def _by_position(parts: Iterable[Part]) -> list[list[Part]]:
    groups: dict[object, list[Part]] = {}
    for part in parts:
        # Parts that would send the same objects as different types can't share one list of representations.
        for number in range(len(groups) + 1):
            group = groups.setdefault((part.position.path, number), [])
            if all(
                part.contexts == other.contexts and (_told_apart(part, other) or _same_entity(part, other))
                for other in group
            ):
                group.append(part)
                break
    return [group for group in groups.values() if group]


def _told_apart(one: Part, other: Part) -> bool:
    """Whether the subgraph knows which of the objects each part's fields are for: of an `@interfaceObject` all would get both."""
    static = one.selection.static
    alike = static is not None and static.is_interface_object and static is other.selection.static
    return one.types.isdisjoint(other.types) and not alike


def _same_entity(one: Part, other: Part) -> bool:
    return one.types == other.types and one.typename == other.typename and one.inputs == other.inputs


def _representation(graph: QueryGraph, part: Part) -> Representation:
    types = part.types
    node = graph.types.get(part.typename) if part.typename else None
    if node is not None and node.kind == "INTERFACE":
        # An object that so far came from an `@interfaceObject` alone says the interface's name.
        types = types | {node.name}
    return Representation(types, part.typename, tuple(part.inputs))


def _requests(parts: list[Part]) -> list[Request]:
    made: dict[object, Request] = {}
    of: dict[Part, Request] = {}
    parts = sorted(parts, key=lambda p: (p.level, p.number))
    _guard(parts)
    keys: dict[Part, object] = {}
    for part in parts:
        keys[part] = (part.level, part.graph, part.kind)
        if part.kind == "root":
            keys[part] = (keys[part], id(part.position), part.conditions)
            first, *others = _root_conditions(part)
            shared = [c for c in first if all(c in other for other in others)]
            part.conditions = tuple(sorted(only_defers(part.conditions).union(shared)))
    defers = _deferred(parts)
    for part in parts:
        if part.kind == "event":
            continue
        key = (keys[part], defers[part])
        request = made.get(key)
        if request is None:
            request = made[key] = Request(part.graph, part.kind, part.level, part.conditions, [], defers[part])
        # What holds for all parts is the request's condition; a part's own stand around its fields.
        request.conditions = tuple(c for c in request.conditions if c in part.conditions)
        request.parts.append(part)
        of[part] = request
    for part, request in of.items():
        for need in part.needs:
            if need in of and of[need] is not request:
                request.needs[of[need]] = None
    return list(made.values())


def _guard(parts: list[Part]) -> None:
    """Where a field is selected again under weaker conditions, its objects are there though a part of them isn't wanted: the part has to say so."""
    if not any(part.position.conditions for part in parts):
        return
    places: dict[tuple[str, ...], list[frozenset[tuple[str, bool]]]] = {}
    for part in parts:
        root = part.position
        while root.parent is not None:
            root = root.parent
        if root.keys not in places:
            _conditions_at(root, places)
    for part in parts:
        own = part.position.conditions
        if part.kind == "entity" and any(not own <= other for other in places[part.position.keys]):
            part.conditions = tuple(sorted({*part.conditions, *without_defers(tuple(own))}))


def _conditions_at(position: Position, into: dict[tuple[str, ...], list[frozenset[tuple[str, bool]]]]) -> None:
    into.setdefault(position.keys, []).append(position.conditions)
    for siblings in position.children.values():
        for child in siblings:
            _conditions_at(child, into)


def _deferred(parts: list[Part]) -> dict[Part, frozenset[int]]:
    """The `@defer`s under which each part can wait: what something else needs earlier can't. `parts` are in the order of their steps."""
    found = {part: part.defers for part in parts}
    if any(found.values()):
        for part in reversed(parts):
            for need in part.needs:
                if need in found:  # a subscription's first request stands apart
                    found[need] &= found[part]
    return found


def _arrange(requests: list[Request], nodes: dict[Request, PlanNode]) -> PlanNode | None:
    """Independent groups in parallel; within a group the first step, then the rest, arranged the same way."""
    if not requests:
        return None
    groups = _components(requests)
    if len(groups) > 1:
        return _parallel([_arrange(group, nodes) for group in groups])
    inside = set(requests)
    first = [r for r in requests if not any(need in inside for need in r.needs)]
    rest = [r for r in requests if r not in set(first)]
    head = _parallel([nodes[request] for request in first])
    tail = _arrange(rest, nodes)
    if tail is None:
        return head
    return SequenceNode((*_flat(head, SequenceNode), *_flat(tail, SequenceNode)))


def _flat(node: PlanNode | None, kind: type) -> tuple[PlanNode, ...]:
    if node is None:
        return ()
    return node.nodes if isinstance(node, kind) and isinstance(node, SequenceNode | Parallel) else (node,)


def _parallel(nodes: Iterable[PlanNode | None]) -> PlanNode | None:
    flat = [inner for node in nodes for inner in _flat(node, Parallel)]
    if len(flat) <= 1:
        return flat[0] if flat else None
    return Parallel(tuple(flat))


def _components(requests: list[Request]) -> list[list[Request]]:
    inside = set(requests)
    neighbours: dict[Request, list[Request]] = {r: [] for r in requests}
    for request in requests:
        for need in request.needs:
            if need in inside:
                neighbours[request].append(need)
                neighbours[need].append(request)
    seen: set[Request] = set()
    groups = []
    for request in requests:
        if request in seen:
            continue
        seen.add(request)
        stack, found = [request], {request}
        while stack:
            for other in neighbours[stack.pop()]:
                if other not in seen:
                    seen.add(other)
                    found.add(other)
                    stack.append(other)
        groups.append([r for r in requests if r in found])
    return groups
