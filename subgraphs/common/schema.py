"""Strawberry types -> a federated schema whose SDL says exactly what the supergraph needs."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import strawberry
from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
    FieldDefinitionNode,
    GraphQLError,
    InputValueDefinitionNode,
    NameNode,
    NullValueNode,
    ObjectTypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from strawberry.extensions import (
    AddValidationRules,
    MaxTokensLimiter,
    ParserCache,
    SchemaExtension,
    ValidationCache,
)
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Key
from strawberry.federation.types import FieldSet
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext

from subgraphs.common.depth import depth_rule
from subgraphs.common.errors import BadInput
from subgraphs.common.event_source import DEFINITION
from subgraphs.common.places import quoted
from subgraphs.common.scalars import SCALARS
from subgraphs.common.work import SharingExecutor

FEDERATION_VERSION: Final = "2.9"
# The key of an entity that this subgraph only points at.
REFERENCE = Key(fields=FieldSet("id"), resolvable=False)
# The gateway sends few distinct texts per subgraph (one a plan step), far fewer than this.
CACHED_DOCUMENTS = 512
OPERATION = "operation_definition"
MACHINERY = frozenset({"_Any", "_Entity", "_Service", "_entities", "_service"})


@strawberry.type(name="_Service", description="What the gateway asks a subgraph about itself.")
class Service:
    sdl: str


@strawberry.type
class ServiceQuery:
    """Base of each subgraph's Query: `_service` answers the same SDL that `schema.graphql` holds."""

    @strawberry.field(name="_service")
    def federation_service(self, info: strawberry.Info) -> Service:
        return Service(sdl=info.schema.as_str())


class OneOperation(SchemaExtension):
    """Refuses a document of several operations that doesn't say which; Strawberry would run the first."""

    def on_validate(self) -> Iterator[None]:
        """Look before the validation's errors are taken."""
        context = self.execution_context
        document = context.graphql_document
        operations = [each for each in document.definitions if each.kind == OPERATION] if document else []
        # Its public `operation_name` is the first operation's name when the request names none.
        if len(operations) > 1 and context._provided_operation_name is None:
            message = "The document has several operations; `operationName` must say which."
            context.pre_execution_errors = [GraphQLError(message)]
        yield


class SubgraphSchema(strawberry.federation.Schema):
    """A federated schema with bounded documents and a polished SDL."""

    def __init__(
        self,
        *,
        query: type,
        mutation: type,
        subscription: type | None = None,
        types: Iterable[type] = (),
        maximum_depth: int = 15,
        maximum_tokens: int = 2000,
    ) -> None:
        # One rule for all requests: the validation cache is keyed by it.
        rule = depth_rule(maximum_depth)
        extensions: list[Callable[[], SchemaExtension]] = [
            lambda: MaxTokensLimiter(max_token_count=maximum_tokens),
            lambda: ParserCache(maxsize=CACHED_DOCUMENTS),
            lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
            lambda: AddValidationRules([rule]),
            OneOperation,
        ]
        super().__init__(
            query=query,
            mutation=mutation,
            subscription=subscription,
            types=types,
            extensions=extensions,
            execution_context_class=SharingExecutor,
            federation_version=FEDERATION_VERSION,
            config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
        )

    @cached_property
    def sdl(self) -> str:
        """The SDL with federation directives, as the gateway composes it."""
        return polished(super().as_str())

    def entities_resolver(self, info: strawberry.Info, representations: list[FederationAny]) -> list[FederationAny]:
        """The entities that the representations name; each type batches its own by a loader.

        One without its key is an error in its own place, and the others are answered.
        """
        origins = [self._entity(representation) for representation in representations]
        return [
            _resolved(info, origin, representation)
            for origin, representation in zip(origins, representations, strict=True)
        ]

    def _entity(self, representation: object) -> Any:
        named = representation.get("__typename") if isinstance(representation, dict) else None
        definition = self.schema_converter.type_map.get(named) if isinstance(named, str) else None
        origin = getattr(definition.definition, "origin", None) if definition else None
        if not hasattr(origin, "resolve_reference"):
            raise BadInput(f"There are no entities of type {quoted(named)} here.")
        return origin

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing: the endpoint logs errors that clients may not read, and what clients sent must not be logged."""

    def as_str(self) -> str:
        """The SDL with federation directives, as the gateway composes it."""
        return self.sdl


def _resolved(info: strawberry.Info, origin: Any, representation: Any) -> Any:
    parameters = inspect.signature(origin.resolve_reference).parameters
    keys = [name for name in parameters if name != "info"]
    missing = [name for name in keys if name not in representation]
    if missing:
        name = origin.__strawberry_definition__.name
        # As a value: GraphQL reports it with the representation's place in the list.
        return BadInput(f"A representation of {name} has no {' and no '.join(missing)}: that is its key.")
    arguments: dict[str, Any] = {name: representation[name] for name in keys}
    return origin.resolve_reference(**arguments, **({"info": info} if "info" in parameters else {}))


def polished(sdl: str) -> str:
    """Strawberry's SDL without federation's machinery, and with the directive as its specification has it.

    Strawberry prints neither descriptions nor an empty list as the default of directive arguments.
    """
    document = parse(sdl, no_location=True)
    kept = tuple(_polished_definition(d) for d in document.definitions if _name(d) not in MACHINERY)
    return print_ast(visit(DocumentNode(definitions=kept), _WithoutNullDefaults())) + "\n"


class _WithoutNullDefaults(Visitor):
    """`first: Int = null` says what `first: Int` says."""

    def enter_input_value_definition(self, node: InputValueDefinitionNode, *_: object) -> Any:
        if isinstance(node.default_value, NullValueNode):
            return replace(node, default_value=None)
        return None


def _polished_definition(definition: DefinitionNode) -> DefinitionNode:
    if isinstance(definition, DirectiveDefinitionNode) and definition.name.value == "eventSource":
        (specified,) = parse(DEFINITION, no_location=True).definitions
        return specified
    if isinstance(definition, ObjectTypeDefinitionNode) and definition.name.value == "Query":
        fields: tuple[FieldDefinitionNode, ...] = tuple(
            field for field in definition.fields or () if field.name.value not in MACHINERY
        )
        return replace(definition, fields=fields)
    return definition


def _name(definition: DefinitionNode) -> str | None:
    name = getattr(definition, "name", None)
    return name.value if isinstance(name, NameNode) else None
