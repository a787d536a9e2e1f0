"""A world of made-up objects behind any supergraph: its subgraphs in this process, and the truth by one schema.

Every field of every object has a value that follows from the object's identity alone, so a plan is right exactly if the
gateway's answer is the monolith's. The subgraphs are strict: an operation that isn't valid by the subgraph's own
schema, a representation that isn't the truth, a field asked without what it `@requires`, or an `@external` field that
no subgraph provides, is an error.
"""

import json
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveDefinitionNode,
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariablesInAllowedPositionRule,
    build_schema,
    execute_sync,
    is_enum_type,
    is_list_type,
    is_non_null_type,
    parse,
    print_ast,
    specified_rules,
    validate,
)
from graphql.execution.values import get_argument_values

from botberi_gateway.query_graph import parse_field_set, query_graph
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse


@dataclass(frozen=True)
class Thing:
    """An object: its concrete type, and which one of that type."""

    type: str
    number: int


@dataclass(frozen=True)
class Seen:
    """A thing as one subgraph sees it: with what came in its representation, and what its parent field provides."""

    thing: Thing
    given: Mapping[str, Any] | None = None
    provided: SelectionSetNode | None = None


@dataclass(frozen=True)
class Placed:
    """A thing where it is in an answer: contexts come from what is above it."""

    thing: Thing
    above: "Placed | None" = None


def _hash(*parts: Any) -> int:
    return zlib.crc32(json.dumps(parts, sort_keys=True, default=str).encode())


class World:
    """Things for one supergraph; `population` of each type."""

    def __init__(self, supergraph: Supergraph, population: int = 4, nulls: bool = True) -> None:
        self.supergraph = supergraph
        self.graph = query_graph(supergraph)
        self.schema = supergraph.schema
        self.population = population
        self.nulls = nulls
        self.roots = {name for name in self.graph.roots.values() if name}

    # ---- the truth
    # ----------------------------------------------------------------------------------------------------------

    def value(self, thing: Thing, name: str, arguments: Mapping[str, Any]) -> Any:
        """The value of a field: leaves as JSON, objects as `Thing`s."""
        definition = self.schema.get_type(thing.type).fields[name]  # type: ignore[union-attr]
        return self._make(definition.type, (thing.type, thing.number, name, dict(arguments)), thing.type, name)

    def _make(self, type_: Any, seed: Any, parent: str, name: str) -> Any:
        key = self._in_key(parent, name)
        if is_non_null_type(type_):
            return self._present(type_.of_type, seed, parent, name)
        if self.nulls and not key and _hash("null", seed) % 9 == 0:
            return None
        return self._present(type_, seed, parent, name)

    def _present(self, type_: Any, seed: Any, parent: str, name: str) -> Any:
        if is_list_type(type_):
            return [self._make(type_.of_type, (seed, index), parent, name) for index in range(2)]
        if is_enum_type(type_):
            values = sorted(self._common_values(type_.name))
            return values[_hash(seed) % len(values)]
        if not self.graph.is_composite(type_.name):
            number = _hash(seed)
            return {
                "Int": number % 100_000,
                "Float": number % 1000 / 8,
                "Boolean": bool(number % 2),
            }.get(type_.name, f"{name}-{number % 1_000_000}")
        if type_.name in self.roots:
            return Thing(type_.name, 0)
        choices = sorted(self._common_types(parent, name))
        if not choices:
            return None
        chosen = choices[_hash("type", seed) % len(choices)]
        return Thing(chosen, _hash("thing", seed) % self.population)

    def _in_key(self, parent: str, name: str) -> bool:
        return any(name in join.key for join in self.supergraph.types[parent].joins if join.key)

    def _common_values(self, name: str) -> set[str]:
        values = self.supergraph.types[name].values.values()
        everywhere = {join.graph for join in self.supergraph.types[name].joins}
        shown = [v for v in values if not any(d.name.value == "inaccessible" for d in v.directives)]
        common = {v.name for v in shown if not v.graphs or set(v.graphs) >= everywhere}
        return common or {v.name for v in shown}

    def _common_types(self, parent: str, name: str) -> frozenset[str]:
        """Types that each subgraph which has the field can give."""
        found = self.graph.possible(self.graph.facts(parent, name)[0])
        for type_name in (parent, *self.supergraph.types[parent].interfaces):
            for join in self.supergraph.types[type_name].joins:
                own = self.graph.subgraph_type(join.graph, type_name)
                if own is None or name not in own.fields or (type_name != parent and not own.is_interface_object):
                    continue
                below = self.graph.subgraph_type(join.graph, own.fields[name].type_name)
                if below is not None and not below.is_interface_object:
                    found &= below.possible
        return found

    def monolith(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """What one server that had everything would answer."""
        document = parse(query)
        operation = next(d for d in document.definitions if hasattr(d, "operation"))
        root = self.graph.roots[operation.operation.value]
        assert root is not None

        def resolve(placed: Placed, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            arguments |= self.context_values(placed, info.field_name)
            return _placed(self.value(placed.thing, info.field_name, arguments), placed)

        def resolve_type(placed: Placed, *_: Any) -> str:
            return placed.thing.type

        return execute_sync(
            self.schema,
            document,
            Placed(Thing(root, 0)),
            variable_values=dict(variables or {}),
            field_resolver=resolve,
            type_resolver=resolve_type,
        )

    def context_values(self, placed: Placed, name: str) -> dict[str, Any]:
        """Contextual arguments of a field: from the nearest thing above that sets the context."""
        found = {}
        joins = self.supergraph.types[placed.thing.type].fields[name].joins
        for argument in (argument for join in joins for argument in join.context_arguments):
            bearers = self.graph.context_bearers(argument.context)
            above = placed.above
            while above is not None and above.thing.type not in bearers:
                above = above.above
            assert above is not None, f"nothing above sets {argument.context}"
            found[argument.name] = self._selected(above, parse_field_set(argument.selection))
        return found

    def _selected(self, placed: Any, selection: SelectionSetNode) -> Any:
        if isinstance(placed, list):
            return [self._selected(item, selection) for item in placed]
        if placed is None:
            return None
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                assert node.type_condition is not None
                if placed.thing.type in self.graph.possible(node.type_condition.name.value):
                    return self._selected(placed, node.selection_set)
            elif isinstance(node, FieldNode):
                arguments = self.context_values(placed, node.name.value)
                value = _placed(self.value(placed.thing, node.name.value, arguments), placed)
                return self._selected(value, node.selection_set) if node.selection_set else value
        raise AssertionError("nothing is selected")

    # ---- representations
    # --------------------------------------------------------------------------------------------------------

    def find(self, representation: Mapping[str, Any]) -> Thing:
        """The thing that a representation means; every field in it must be the truth."""
        typename = representation["__typename"]
        for type_name in sorted(self.graph.possible(typename)):
            for number in range(self.population):
                thing = Thing(type_name, number)
                if self._is(thing, typename, representation):
                    return thing
        raise GraphQLError(f"No such {typename}: {json.dumps(representation)}")

    def _is(self, thing: Thing, typename: str, representation: Mapping[str, Any]) -> bool:
        """By any of the keys of the type."""
        keys = {join.key for join in self.supergraph.types[typename].joins if join.key}
        return any(self.fits(thing, parse_field_set(key), representation) for key in keys)

    def fits(self, thing: Thing, selection: SelectionSetNode, given: Any) -> bool:
        """Whether `given` has everything of the selection, and it is the truth."""
        if not isinstance(given, Mapping):
            return False
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                condition = node.type_condition.name.value if node.type_condition else thing.type
                if thing.type in self.graph.possible(condition) and not self.fits(thing, node.selection_set, given):
                    return False
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                name = node.name.value
                definition = self.schema.get_type(thing.type).fields[name]  # type: ignore[union-attr]
                truth = self.value(thing, name, get_argument_values(definition, node))
                if name not in given or not self._same(truth, given[name], node.selection_set):
                    return False
        return True

    def _same(self, truth: Any, given: Any, selection: SelectionSetNode | None) -> bool:
        if isinstance(truth, list):
            return (
                isinstance(given, list)
                and len(given) == len(truth)
                and all(self._same(t, g, selection) for t, g in zip(truth, given, strict=True))
            )
        if isinstance(truth, Thing):
            assert selection is not None
            return self.fits(truth, selection, given)
        return bool(truth == given)

    def clients(self, *, lenient: bool = False) -> dict[str, "WorldClient"]:
        """A client for each subgraph.

        `lenient` ones take nullable variables anywhere, for clients' operations that do the same.
        """
        return {g.name: WorldClient(self, g.graph, lenient) for g in self.supergraph.graphs.values()}


@dataclass
class WorldClient:
    """One subgraph of a world. Values cross as JSON."""

    world: World
    graph: str
    lenient: bool = False
    schema: GraphQLSchema = field(init=False)
    requests: list[SubgraphRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schema = build_schema(subgraph_sdl(self.world.supergraph, self.graph), assume_valid=True)

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        self.requests.append(request)
        document = parse(request.operation)
        rules = [r for r in specified_rules if not self.lenient or r is not VariablesInAllowedPositionRule]
        problems = validate(self.schema, document, rules)
        if problems:
            raise AssertionError(f"{self.graph}: {request.operation}\n{problems}")
        root = self.world.graph.roots[request.kind]
        assert root is not None
        result = execute_sync(
            self.schema,
            document,
            Seen(Thing(root, 0)),
            variable_values=json.loads(json.dumps(dict(request.variables))),
            field_resolver=self._resolve,
            type_resolver=self._type_of,
        )
        if result.errors:
            raise AssertionError(f"{self.graph}: {request.operation}\n{request.variables}\n{result.errors}")
        return SubgraphResponse(json.loads(json.dumps(result.data)), ())

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        for _ in range(2):
            yield await self.execute(request)

    async def aclose(self) -> None:
        return

    def _type_of(self, seen: Seen, info: GraphQLResolveInfo, abstract: Any) -> str:
        """By its own name, or by the interface's that is an `@interfaceObject` here."""
        possible = {t.name for t in info.schema.get_possible_types(abstract)}
        names = [seen.thing.type, *self.world.supergraph.types[seen.thing.type].interfaces]
        if seen.given is not None:
            names.insert(0, seen.given["__typename"])
        return next(name for name in names if name in possible)

    def _resolve(self, seen: Seen, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        name = info.field_name
        if name == "_entities":
            return [Seen(self.world.find(r), r) for r in arguments["representations"]]
        graph = self.world.graph
        own = graph.subgraph_type(self.graph, info.parent_type.name)
        assert own is not None
        facts = own.fields[name]
        provided = None
        if seen.provided is not None:
            provided = next(_provided(seen.provided, name, seen.thing, graph), None)
        if facts.external and provided is None:
            raise GraphQLError(f"{own.name}.{name} is external")
        if facts.requires and not self.world.fits(seen.thing, parse_field_set(facts.requires), seen.given):
            raise GraphQLError(f"{own.name}.{name} requires {facts.requires}, got {seen.given}")
        below = provided.selection_set if provided is not None else None
        if facts.provides:
            below = parse_field_set(facts.provides)
        return _seen(self.world.value(seen.thing, name, arguments), below)


def _placed(value: Any, above: Placed) -> Any:
    if isinstance(value, list):
        return [_placed(item, above) for item in value]
    return Placed(value, above) if isinstance(value, Thing) else value


def _provided(selection: SelectionSetNode, name: str, thing: Thing, graph: Any) -> Iterator[FieldNode]:
    for node in selection.selections:
        if isinstance(node, FieldNode) and node.name.value == name:
            yield node
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else thing.type
            if thing.type in graph.possible(condition):
                yield from _provided(node.selection_set, name, thing, graph)


def _seen(value: Any, provided: SelectionSetNode | None) -> Any:
    if isinstance(value, list):
        return [_seen(item, provided) for item in value]
    return Seen(value, None, provided) if isinstance(value, Thing) else value


def _is_executable(node: DirectiveDefinitionNode) -> bool:
    places = {"QUERY", "MUTATION", "SUBSCRIPTION", "FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"}
    return all(place.value in places for place in node.locations)


def subgraph_sdl(supergraph: Supergraph, graph: str) -> str:
    """The schema that a subgraph serves, as far as the supergraph tells it."""
    tables = query_graph(supergraph)
    parts = ["scalar _Any", *(print_ast(node) for node in supergraph.directive_definitions if _is_executable(node))]
    entities = []
    for node in supergraph.types.values():
        if not any(join.graph == graph for join in node.joins):
            continue
        if node.kind == "SCALAR":
            parts.append(f"scalar {node.name}")
        elif node.kind == "ENUM":
            values = [v.name for v in node.values.values() if not v.graphs or graph in v.graphs]
            parts.append(f"enum {node.name} {{ {' '.join(values)} }}")
        elif node.kind == "INPUT_OBJECT":
            fields = [
                f"{f.name}: {next((j.type for j in f.joins if j.graph == graph and j.type), None) or print_ast(f.node.type)}"
                + (f" = {print_ast(f.node.default_value)}" if f.node.default_value else "")
                for f in node.input_fields.values()
                if not f.joins or any(j.graph == graph for j in f.joins)
            ]
            parts.append(f"input {node.name} {{ {' '.join(fields)} }}")
        elif node.kind == "UNION":
            own = tables.subgraph_type(graph, node.name)
            assert own is not None
            parts.append(f"union {node.name} = {' | '.join(sorted(own.possible))}")
        else:
            own = tables.subgraph_type(graph, node.name)
            assert own is not None
            fields = []
            for name, facts in own.fields.items():
                arguments = ", ".join(
                    [
                        f"{a.name.value}: {print_ast(a.type)}"
                        + (f" = {print_ast(a.default_value)}" if a.default_value else "")
                        for a in node.fields[name].arguments
                    ]
                    + [f"{a.name}: {a.type}" for a in facts.contexts]
                )
                fields.append(f"{name}{'(' + arguments + ')' if arguments else ''}: {facts.shape}")
            if node.name == supergraph.query:
                fields.append("_entities(representations: [_Any!]!): [_Entity]!")
            interfaces = [j.interface for j in node.implements if j.graph == graph]
            head = f"{'type' if own.kind == 'OBJECT' else 'interface'} {node.name}"
            if interfaces and own.kind:
                head += " implements " + " & ".join(interfaces)
            parts.append(f"{head} {{ {' '.join(fields) or '_: Boolean'} }}")
            if own.keys:
                entities += [node.name] if own.kind == "OBJECT" else sorted(own.possible)
    if entities:
        parts.append(f"union _Entity = {' | '.join(dict.fromkeys(entities))}")
    else:
        parts.append("type _Nothing { _: Boolean } union _Entity = _Nothing")
    text = "\n".join(parts)
    roots = " ".join(
        f"{kind}: {name}"
        for kind, name in tables.roots.items()
        if name and any(j.graph == graph for j in supergraph.types[name].joins)
    )
    if not any(j.graph == graph for j in supergraph.types[supergraph.query].joins):
        text += f"\ntype {supergraph.query} {{ _entities(representations: [_Any!]!): [_Entity]! }}"
        roots += f" query: {supergraph.query}"
    return f"schema {{ {roots} }}\n{text}"
