"""A document, a world's facts -> graphql-core's answer on the monolith, and what mutations did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationType,
    Visitor,
    is_list_type,
    is_non_null_type,
    visit,
)
from graphql.execution import (
    ExperimentalIncrementalExecutionResults,
    MiddlewareManager,
    experimental_execute_incrementally,
)
from graphql.language import REMOVE

from lab.fuzzing.incremental import Fragment, Path, Whole
from lab.fuzzing.world import Facts, Thing


@dataclass(frozen=True)
class Truth:
    """The whole answer, however many payloads it came in. `data` is JSON."""

    data: Any
    errors: list[Mapping[str, Any]]
    done: list[tuple[str, Any]]
    #: Deferred fragments that failed, with the paths of errors that say why.
    failed: Mapping[Fragment, frozenset[Path]] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Nothing was executed: the variables don't fit."""
        return self.data is None and bool(self.errors) and all(e.get("path") is None for e in self.errors)


@dataclass(frozen=True, slots=True)
class Place:
    """An object where the answer has it; arguments by `@fromContext` come from those above."""

    thing: Thing
    above: "Place | None" = None


@dataclass
class Ledger:
    """Mutations that ran, in their order."""

    done: list[tuple[str, Any]] = field(default_factory=list)
    total: int = 0

    def note(self, info: GraphQLResolveInfo[Any], arguments: Mapping[str, Any]) -> None:
        """A root field of a mutation is being resolved."""
        if info.operation.operation is OperationType.MUTATION and info.path.prev is None:
            self.done.append((info.field_name, dict(arguments)))

    def count(self, arguments: Mapping[str, Any]) -> int:
        """Order shows in the answer."""
        self.total = self.total * 3 % 1_000_003 + int(arguments["by"])
        return self.total


async def truth(
    facts: Facts,
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any],
    *,
    event: int = 0,
    forced: frozenset[Path] = frozenset(),
    watched: set[Path] | None = None,
    types: dict[Path, str] | None = None,
) -> Truth:
    """Errors are raised at `forced` paths; `watched` collects forbidden nulls, `types` the types of objects.

    Of a subscription's events `event` is the one that is answered.
    """
    ledger = Ledger()
    world = facts.world

    def resolve(place: Place, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        path = tuple(info.path.as_list())
        arguments = {**world.hidden_defaults(place.thing.type, info.field_name), **arguments}
        ledger.note(info, arguments)
        if info.field_name.startswith("count_"):
            return ledger.count(arguments)
        thing = place.thing
        if types is not None:
            types[path[:-1]] = thing.type
        for name, (bearers, selected) in world.contextual(thing.type, info.field_name).items():
            arguments[name] = _from_above(facts, place.above, bearers, selected)
        value = facts.value(thing, info.field_name, arguments)
        if isinstance(value, Exception):
            raise value
        if watched is not None:
            _watch(world.schema.type_map[thing.type].fields[info.field_name].type, value, path, watched)  # type: ignore[attr-defined]
        if forced and isinstance(value, list):
            value = _force(value, path, forced)
        return _placed(value, place)

    def force(resolver: Callable[..., Any], source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if tuple(info.path.as_list()) in forced:
            raise GraphQLError("as planned")
        return resolver(source, info, **arguments)

    operation = next(d for d in document.definitions if hasattr(d, "operation"))
    found: Any = experimental_execute_incrementally(
        schema,
        document,
        Place(Thing(operation.operation.value.capitalize(), event)),
        variable_values=dict(variables),
        field_resolver=resolve,
        type_resolver=lambda place, *_: place.thing.type,
        middleware=MiddlewareManager(force) if forced else None,
    )
    if hasattr(found, "__await__"):
        found = await found
    if not isinstance(found, ExperimentalIncrementalExecutionResults):
        return Truth(found.data, [e.formatted for e in found.errors or ()], ledger.done)
    whole = Whole()
    whole.read(found.initial_result.formatted)
    async for payload in found.subsequent_results:
        whole.read(payload.formatted)
    failed = {
        fragment: frozenset(tuple(e.get("path") or ()) for e in found) for fragment, found in whole.failed.items()
    }
    return Truth(whole.data, whole.errors, ledger.done, failed)


def deferred(document: DocumentNode) -> int:
    """How many `@defer`s a document has, `if: false` not counted."""
    visitor = _WithoutDefer(None)
    visit(document, visitor)
    return visitor.count


def at_once(document: DocumentNode, numbers: frozenset[int] | None = None) -> DocumentNode:
    """The document without `@defer`, or without those of these numbers (in document order, `if: false` not counted)."""
    changed: DocumentNode = visit(document, _WithoutDefer(numbers))
    return changed


class _WithoutDefer(Visitor):
    def __init__(self, numbers: frozenset[int] | None) -> None:
        super().__init__()
        self.numbers = numbers
        self.count = 0

    def enter_directive(self, node: DirectiveNode, *_: Any) -> Any:
        if node.name.value != "defer":
            return None
        if any(isinstance(a.value, BooleanValueNode) and not a.value.value for a in node.arguments or ()):
            return REMOVE
        self.count += 1
        return REMOVE if self.numbers is None or self.count - 1 in self.numbers else None


def _from_above(facts: Facts, place: Place | None, types: frozenset[str], selected: str) -> Any:
    while place is not None:
        if place.thing.type in types:
            return facts.value(place.thing, selected, {})
        place = place.above
    raise AssertionError("nothing above sets the context")


def _placed(value: Any, above: Place) -> Any:
    if isinstance(value, list):
        return [_placed(item, above) for item in value]
    return Place(value, above) if isinstance(value, Thing) else value


def _watch(type_: Any, value: Any, path: Path, found: set[Path]) -> None:
    if is_non_null_type(type_):
        if value is None:
            found.add(path)
        type_ = type_.of_type
    if is_list_type(type_) and isinstance(value, list):
        for index, item in enumerate(value):
            _watch(type_.of_type, item, (*path, index), found)


def _force(value: Any, path: Path, forced: frozenset[Path]) -> Any:
    if path in forced:
        return GraphQLError("as planned")
    if isinstance(value, list):
        return [_force(item, (*path, index), forced) for index, item in enumerate(value)]
    return value
