"""A `Graph` -> its world: objects whose values follow from who they are; some of them may be null or fail."""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import (
    FieldNode,
    GraphQLDeferDirective,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    Undefined,
    build_ast_schema,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
)
from graphql.execution.values import get_argument_values

from lab.fuzzing.declared import SubgraphFacts, default_of, loose, strictest, visible
from lab.fuzzing.graph import Graph
from lab.fuzzing.guests import Guests
from lab.fuzzing.kinds.unknown import NULLABLE_KEY
from lab.fuzzing.text import ROOTS

POPULATION = 4


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its concrete type, and which one of that type."""

    type: str
    number: int


@dataclass(frozen=True)
class Trouble:
    """Failures in a pair. Rates are per thousand."""

    salt: int = 0
    nulls: int = 100
    #: Resolvers that raise, list items that are errors.
    errors: int = 0
    #: Nulls where the schema allows none.
    broken: int = 0
    #: Which calls to subgraphs fail (counted from 0), and how.
    failing: tuple[int, ...] = ()
    how: str = "unreachable"
    #: Entities that a subgraph doesn't know, where that is its own business (`World.unsure`).
    unknown: int = 0


def number_of(*parts: Any) -> int:
    """The same for the same parts."""
    return zlib.crc32(json.dumps(parts, sort_keys=True, default=str).encode())


class World:
    """Data that depends on the graph alone."""

    def __init__(self, graph: Graph, labels: frozenset[str] = frozenset()) -> None:
        """`labels` are those of progressive overrides that are active."""
        self.graph = graph
        whole = parse(graph.monolith, no_location=True)
        shown = visible(whole)
        self.schema = build_ast_schema(whole)
        self.client_schema = _with_defer(build_ast_schema(shown, assume_valid=True))
        self.loose_schema = build_ast_schema(loose(shown), assume_valid=True)
        self._whole = whole
        self.subgraphs = {name: SubgraphFacts(name, sdl) for name, sdl in graph.subgraphs.items()}
        for facts in self.subgraphs.values():
            facts.settle(self.subgraphs, labels)
        self._values: dict[tuple[str, str], Any] = {}
        self._choices: dict[tuple[str, str], tuple[str, ...]] = {}
        self._hidden: dict[tuple[str, str], dict[str, Any]] = {}
        self._contextual: dict[tuple[str, str], dict[str, tuple[frozenset[str], str]]] = {}

    @cached_property
    def whole_loose_schema(self) -> GraphQLSchema:
        """The whole monolith, hidden types too, with every field nullable: a null by error stays at its place."""
        return build_ast_schema(loose(self._whole), assume_valid=True)

    def contextual(self, parent: str, name: str) -> Mapping[str, tuple[frozenset[str], str]]:
        """Arguments that the client never gives: each with the types that set its context, and the field it is."""
        key = (parent, name)
        if key not in self._contextual:
            found: dict[str, tuple[frozenset[str], str]] = {}
            for facts in self.subgraphs.values():
                field = facts.field(parent, name)
                for argument, (context, selected) in (field.contexts if field is not None else {}).items():
                    types = frozenset(t.name for t in facts.types.values() if context in t.contexts)
                    found[argument] = (types, selected)
            self._contextual[key] = found
        return self._contextual[key]

    def hidden_defaults(self, parent: str, name: str) -> Mapping[str, Any]:
        """Defaults of arguments that clients don't see: they hold all the same."""
        key = (parent, name)
        if key not in self._hidden:
            whole = self.schema.type_map[parent].fields[name].args  # type: ignore[attr-defined]
            shown = getattr(self.client_schema.type_map.get(parent), "fields", {}).get(name)
            known = {} if shown is None else shown.args
            self._hidden[key] = {
                argument: default
                for argument, made in whole.items()
                if argument not in known and (default := default_of(made)) is not Undefined
            }
        return self._hidden[key]

    def possible(self, name: str) -> frozenset[str]:
        """Concrete types, by the monolith."""
        return possible(self.schema, name)

    def names_of(self, type_name: str) -> tuple[str, ...]:
        """The type and its interfaces."""
        return (type_name, *(i.name for i in self.schema.type_map[type_name].interfaces))  # type: ignore[attr-defined]

    def type_of(self, parent: str, name: str) -> Any:
        """The field's type, with every `!` that any subgraph has."""
        key = (parent, name)
        if key not in self._values:
            made = self.schema.type_map[parent].fields[name].type  # type: ignore[attr-defined]
            for facts in self.subgraphs.values():
                for owner in self.names_of(parent):
                    if (field := facts.field(owner, name)) is not None and not field.external:
                        made = strictest(made, field.type)
            self._values[key] = made
        return self._values[key]

    @cached_property
    def guarded(self) -> frozenset[tuple[str, str]]:
        """Fields that never fail: keys and `@requires` read them, or subgraphs differ in whether they can be null."""
        found: set[tuple[str, str]] = set()
        for facts in self.subgraphs.values():
            for type_name, declared in facts.types.items():
                sets = [key.fields for key in declared.keys] + [
                    f.requires for f in declared.fields.values() if f.requires
                ]
                for one in sets:
                    found |= set(self._read(type_name, one))
                for name in declared.fields:
                    for types, selected in self.contextual(type_name, name).values():
                        found |= {(one, selected) for one in types}
        for name, type_ in self.schema.type_map.items():
            for field_name, field in (getattr(type_, "fields", None) or {}).items():
                if (
                    hasattr(field, "args")
                    and not name.startswith("__")
                    and str(field.type) != str(self.type_of(name, field_name))
                ):
                    found.add((name, field_name))
        return frozenset(found)

    def _read(self, type_name: str, selection: SelectionSetNode) -> Iterator[tuple[str, str]]:
        for node in selection.selections:
            if isinstance(node, FieldNode) and node.name.value != "__typename":
                for concrete in self.possible(type_name):
                    yield concrete, node.name.value
                    if node.selection_set is not None:
                        below = named(self.schema.type_map[concrete].fields[node.name.value].type)  # type: ignore[attr-defined]
                        yield from self._read(below, node.selection_set)
            elif isinstance(node, InlineFragmentNode):
                yield from self._read(
                    node.type_condition.name.value if node.type_condition else type_name, node.selection_set
                )

    @cached_property
    def _guests(self) -> Guests:
        return Guests(self.subgraphs, self.possible, self.nullable)

    def nullable(self, type_name: str, name: str) -> bool:
        """True if the whole says that the field may be null."""
        return not is_non_null_type(self.schema.type_map[type_name].fields[name].type)  # type: ignore[attr-defined]

    @property
    def guests(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """Subgraphs and types of things of which they may not know each; with the key fields that may be null."""
        return self._guests.keys

    @property
    def sources(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """Fields that such subgraphs give, or that are computed from such fields -> these subgraphs."""
        return self._guests.sources

    @cached_property
    def without_key(self) -> frozenset[str]:
        """Types of which some things have no value of `NULLABLE_KEY`: it leads to guests alone."""
        found: dict[str, bool] = {}
        for name, facts in self.subgraphs.items():
            for declared in facts.types.values():
                if len(declared.keys) == 1 and NULLABLE_KEY in declared.keys[0].names:
                    found[declared.name] = found.get(declared.name, True) and (name, declared.name) in self.guests
        return frozenset(name for name, guests in found.items() if guests)

    def choices(self, parent: str, name: str) -> tuple[str, ...]:
        """Types (or enum values) that each subgraph which has the field can give.

        Never a member of a union that only some of them know: there the gateway asks for those that all know, and
        others are null. It is the one place where a value that could be fetched isn't, and a monolith has no rule for
        it. Nor an object of a hidden type, where a subgraph gives an interface object: only some plans learn its type.
        """
        key = (parent, name)
        if key not in self._choices:
            inner = named(self.schema.type_map[parent].fields[name].type)  # type: ignore[attr-defined]
            kind = self.schema.type_map[inner]
            found = set(kind.values) if is_enum_type(kind) else set(self.possible(inner))
            for facts in self.subgraphs.values():
                for owner in self.names_of(parent):
                    field = facts.field(owner, name)
                    if field is None or (owner != parent and not facts.types[owner].interface_object):
                        continue
                    known = facts.values(inner) if is_enum_type(kind) else facts.possible(inner)
                    if known is not None:
                        found &= set(known)
                    declared = facts.types.get(inner)
                    if declared is not None and declared.interface_object:
                        found &= self.client_schema.type_map.keys()
            self._choices[key] = tuple(sorted(found))
        return self._choices[key]


class Facts:
    """The truth under some trouble: values of fields, and the monolith's answer."""

    def __init__(self, world: World, trouble: Trouble) -> None:
        self.world = world
        self.trouble = trouble

    def _struck(self, rate: int, *parts: Any) -> bool:
        return rate > 0 and number_of(self.trouble.salt, *parts) % 1000 < rate

    def population(self, type_name: str) -> int:
        """How many things of the type there are."""
        return POPULATION

    def knows(self, subgraph: str, thing: Thing) -> bool:
        """True if a subgraph that is asked for the thing by its key finds it."""
        guest = self.world.guests.get((subgraph, thing.type))
        if guest is None:
            return True
        if any(self.value(thing, name, {}) is None for name in guest):
            return False  # a thing isn't found by a key that is null
        return not self._struck(self.trouble.unknown, "unknown", subgraph, thing.type, thing.number)

    def value(self, thing: Thing, name: str, arguments: Mapping[str, Any]) -> Any:
        """The field's value: leaves as JSON, objects as `Thing`s, an exception where it fails, null if none can say."""
        if not all(self.knows(subgraph, thing) for subgraph in self.world.sources.get((thing.type, name), ())):
            return None
        seed = (thing.type, thing.number, name, dict(arguments))
        shaky = (thing.type, name) not in self.world.guarded
        if shaky and self._struck(self.trouble.errors, "error", seed):
            return GraphQLError(f"injected at {thing.type}.{name}")
        return self._make(self.world.type_of(thing.type, name), seed, thing, name, shaky=shaky)

    def _make(self, type_: Any, seed: Any, thing: Thing, name: str, *, shaky: bool) -> Any:
        if is_non_null_type(type_):
            if shaky and self._struck(self.trouble.broken, "broken", seed):
                return None
            return self._present(type_.of_type, seed, thing, name, shaky=shaky)
        if name not in IDENTITY and self._struck(self.trouble.nulls, "null", seed):
            return None
        return self._present(type_, seed, thing, name, shaky=shaky)

    def _present(self, type_: Any, seed: Any, thing: Thing, name: str, *, shaky: bool) -> Any:
        if name == NULLABLE_KEY and thing.number % 3 == 0 and thing.type in self.world.without_key:
            return None
        if name in IDENTITY:
            return IDENTITY[name](thing)
        if is_list_type(type_):
            items: list[Any] = []
            for index in range(number_of("length", self.trouble.salt, seed) % 4 if "[[" not in str(type_) else 2):
                if shaky and self._struck(self.trouble.errors // 2, "item", seed, index):
                    items.append(GraphQLError(f"injected in {thing.type}.{name}"))
                else:
                    items.append(self._make(type_.of_type, (seed, index), thing, name, shaky=shaky))
            return items
        number = number_of(self.trouble.salt, seed)
        if is_enum_type(type_):
            values = self.world.choices(thing.type, name) or tuple(sorted(type_.values))
            return values[number % len(values)]
        if is_leaf_type(type_):
            return LEAVES[type_.name](number, name)
        choices = self.world.choices(thing.type, name)
        if not choices:
            return None
        chosen = choices[number_of("type", self.trouble.salt, seed) % len(choices)]
        return Thing(chosen, 0 if chosen in ROOTS else number % POPULATION)

    def project(
        self, thing: Thing, selections: tuple[SelectionSetNode, ...], *, typenames: bool = False
    ) -> dict[str, Any]:
        """The truth of a field set, as a representation has it; with the `__typename`s that it asks for, or without."""
        found: dict[str, Any] = {}
        for selection in selections:
            self._project(thing, selection, found, typenames=typenames)
        found.pop("__typename", None)  # the representation's own
        return found

    def _project(self, thing: Thing, selection: SelectionSetNode, into: dict[str, Any], *, typenames: bool) -> None:
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                if node.type_condition is None or thing.type in self.world.possible(node.type_condition.name.value):
                    self._project(thing, node.selection_set, into, typenames=typenames)
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                definition = self.world.schema.type_map[thing.type].fields[node.name.value]  # type: ignore[attr-defined]
                value = self.value(thing, node.name.value, get_argument_values(definition, node))
                into[node.name.value] = self._below(
                    value, node.selection_set, into.get(node.name.value), typenames=typenames
                )
            elif typenames:
                into["__typename"] = thing.type

    def _below(self, value: Any, selection: SelectionSetNode | None, before: Any, *, typenames: bool) -> Any:
        if isinstance(value, list):
            old = before if isinstance(before, list) else [None] * len(value)
            return [
                self._below(item, selection, other, typenames=typenames) for item, other in zip(value, old, strict=True)
            ]
        if isinstance(value, Thing):
            assert selection is not None
            found = dict(before) if isinstance(before, dict) else {}
            self._project(value, selection, found, typenames=typenames)
            return found
        return value


def _with_defer(schema: GraphQLSchema) -> GraphQLSchema:
    arguments: dict[str, Any] = dict(schema.to_kwargs())
    return GraphQLSchema(**arguments | {"directives": (*schema.directives, GraphQLDeferDirective)})


def named(type_: Any) -> str:
    """The innermost type's name."""
    while is_non_null_type(type_) or is_list_type(type_):
        type_ = type_.of_type
    return str(type_.name)


def possible(schema: GraphQLSchema, name: str) -> frozenset[str]:
    """Concrete types."""
    type_ = schema.type_map[name]
    if hasattr(type_, "types") or type(type_).__name__ == "GraphQLInterfaceType":
        return frozenset(t.name for t in schema.get_possible_types(type_))  # type: ignore[arg-type]
    return frozenset((name,))


#: Fields that say who a thing is. `tenant`, `region`, `row` and `col` do so only together.
IDENTITY: dict[str, Any] = {
    "id": lambda t: f"{t.type}:{t.number}",
    "sku": lambda t: f"sku-{t.type}-{t.number}",
    "code": lambda t: f"{t.type}-{t.number}",
    "tenant": lambda t: t.number // 2,
    "region": lambda t: f"region {t.number % 2}",
    "row": lambda t: t.number // 2,
    "col": lambda t: t.number % 2,
    "alt": lambda t: f"alt-{t.type}-{t.number}",
    "serial": lambda t: 10**17 + t.number,
    "ref": lambda t: Thing("Ref", t.number),
    "spot": lambda t: Thing("Spot", t.number),
    "parts": lambda t: [Thing("Part", 2 * t.number), Thing("Part", 2 * t.number + 1)],
}
LEAVES: dict[str, Any] = {
    "Int": lambda n, _: n % 100_000 - 50_000,
    "Float": lambda n, _: n % 1000 / 8 + 0.0625,
    "Boolean": lambda n, _: bool(n % 2),
    "String": lambda n, name: f"{name} «{n % 1_000_000}»",
    "ID": lambda n, name: f"{name}-{n % 1_000_000}",
    "Big": lambda n, _: n**4 if n % 3 else n,
    "Json": lambda n, name: ({"z": n % 9, "a": [None, name]}, [n % 7, {}], n % 5, f"j{n % 9}", True)[n % 5],
}
