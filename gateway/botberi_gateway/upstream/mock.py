"""A subgraph's SDL -> a client that answers with invented data: typed, the same at every call, consistent by key.

An entity's fields follow from its type and key alone, so that one entity has the same values wherever it is reached.
Ids come from a small range, so that entities of different mocked subgraphs meet.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    build_ast_schema,
    concat_ast,
    is_abstract_type,
    parse,
)
from graphql.language import DirectiveNode, StringValueNode

from botberi_gateway.errors import SUBGRAPH_UNREACHABLE, SubgraphError
from botberi_gateway.upstream.port import SubgraphClient, SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.schema import SchemaClient

logger = logging.getLogger(__name__)

#: Ids that mocked entities have, and the items of a mocked list.
MAX_IDS: Final = 10
LIST_ITEMS: Final = 3
_EVENTS_INTERVAL_SECONDS: Final = 1.0
_ADJECTIVES: Final = ("amber", "brisk", "calm", "deep", "early", "fine", "green", "high", "iron", "jolly")
_NOUNS: Final = ("anchor", "bridge", "cedar", "delta", "ember", "field", "garden", "harbor", "island", "jetty")


def mock_client(name: str, sdl: str) -> SchemaClient:
    """The client of a subgraph that isn't there. Raises graphql-core's errors for an SDL that can't be read."""
    schema, keys = _schema_of(sdl)
    mock = _Mock(sdl, schema, keys)
    if schema.subscription_type is not None:
        for field in schema.subscription_type.fields.values():
            field.subscribe = mock.events
    return SchemaClient(
        name, schema, root_value={}, field_resolver=mock.resolve, type_resolver=lambda value, *_: value["__typename"]
    )


class FallbackClient:
    """A subgraph's client; while the subgraph can't be reached, a mock answers. Subscriptions are not mocked then."""

    def __init__(self, name: str, client: SubgraphClient, mock: SubgraphClient) -> None:
        self.name = name
        #: Whether the last request was answered by the mock.
        self.is_absent = False
        self._client = client
        self._mock = mock

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Implements `SubgraphClient`."""
        try:
            answer = await self._client.execute(request)
        except SubgraphError as error:
            if error.code != SUBGRAPH_UNREACHABLE:
                raise
            self._note(is_absent=True)
            return await self._mock.execute(request)
        self._note(is_absent=False)
        return answer

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Implements `SubgraphClient`."""
        return self._client.subscribe(request)

    async def aclose(self) -> None:
        """Implements `SubgraphClient`."""
        await self._client.aclose()
        await self._mock.aclose()

    def _note(self, *, is_absent: bool) -> None:
        if is_absent != self.is_absent:
            self.is_absent = is_absent
            logger.warning(
                "subgraph %s %s", self.name, "is absent: its data is invented" if is_absent else "answers itself again"
            )


class _Mock:
    def __init__(self, sdl: str, schema: GraphQLSchema, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._sdl = sdl
        self._schema = schema
        self._keys = keys

    async def events(self, _source: Any, info: GraphQLResolveInfo[Any], **_arguments: Any) -> AsyncIterator[Any]:
        """Yield an event each second."""
        number = 0
        while True:
            number += 1
            yield {info.field_name: self._value(info.return_type, f"event {number}", info.field_name)}
            await asyncio.sleep(_EVENTS_INTERVAL_SECONDS)

    def resolve(self, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        """The value of a field: what is known of the object, else something invented."""
        name = info.field_name
        if name == "_service":
            return {"sdl": self._sdl}
        if name == "_entities":
            return [self._entity(dict(representation)) for representation in arguments["representations"]]
        if isinstance(source, Mapping) and name in source:
            return source[name]
        seed = str(source.get("__seed", "")) if isinstance(source, Mapping) else ""
        if arguments:
            seed = f"{seed} {sorted(arguments.items())!r}"
        # An argument that is called like a field of what comes back is taken for its value: `product(id: 5)`.
        return self._value(info.return_type, f"{info.parent_type.name} {seed}", name, arguments)

    def _entity(self, representation: dict[str, Any]) -> dict[str, Any]:
        kind = str(representation.get("__typename"))
        return {**representation, "__seed": self._seed(kind, representation)}

    def _seed(self, kind: str, values: Mapping[str, Any]) -> str:
        """What an entity's values follow from: its type and its key's fields, or all fields that are known."""
        names = self._keys.get(kind) or sorted(name for name in values if not name.startswith("__"))
        return f"{kind} {[values.get(name) for name in names]}"

    def _value(self, kind: GraphQLOutputType, seed: str, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        if isinstance(kind, GraphQLNonNull):
            return self._value(kind.of_type, seed, name, arguments)
        if isinstance(kind, GraphQLList):
            return [self._value(kind.of_type, f"{seed} {i}", name) for i in range(LIST_ITEMS)]
        if isinstance(kind, GraphQLEnumType):
            return kind.values[sorted(kind.values)[_number(seed, name) % len(kind.values)]].value
        if isinstance(kind, GraphQLScalarType):
            return _scalar(kind.name, seed, name)
        if is_abstract_type(kind):
            assert isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
            possible = sorted(self._schema.get_possible_types(kind), key=lambda one: one.name)
            kind = possible[_number(seed, name) % len(possible)]
        assert isinstance(kind, GraphQLObjectType)
        return self._object(kind, f"{seed} {name}", arguments or {})

    def _object(self, kind: GraphQLObjectType, seed: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        known = {name: arguments[name] for name in arguments if name in kind.fields}
        for name in self._keys.get(kind.name, ()):
            if name not in known and name in kind.fields:
                known[name] = self._value(kind.fields[name].type, seed, name)
        made = {"__typename": kind.name, **known}
        made["__seed"] = self._seed(kind.name, made) if kind.name in self._keys else f"{kind.name} {seed}"
        return made


def _schema_of(sdl: str) -> tuple[GraphQLSchema, dict[str, tuple[str, ...]]]:
    """The executable schema, and the scalar fields of each entity's first key."""
    document = parse(sdl, no_location=True)
    keys: dict[str, tuple[str, ...]] = {}
    names: dict[str, None] = {}
    for node in document.definitions:
        if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
            names.setdefault(node.name.value)
            for directive in node.directives or ():
                if directive.name.value.rpartition("__")[2] == "key":
                    keys.setdefault(node.name.value, _key_fields(directive))
    defined = {getattr(getattr(node, "name", None), "value", "") for node in document.definitions}
    machinery = "scalar _Any type _Service { sdl: String! }"
    if keys:
        machinery += f" union _Entity = {' | '.join(keys)}"
        machinery += " extend type Query { _entities(representations: [_Any!]!): [_Entity]! _service: _Service! }"
    else:
        machinery += " extend type Query { _service: _Service! }"
    parts = [] if {"_Service", "_Any"} & defined else [parse(machinery, no_location=True)]
    whole = concat_ast([document, *parts])
    schema = build_ast_schema(_with_bases(whole), assume_valid=True, assume_valid_sdl=True)
    return schema, keys


def _with_bases(document: Any) -> Any:
    """The document, with an empty type for each that is only extended, as federation 1 allows."""
    defined = {node.name.value for node in document.definitions if isinstance(node, ObjectTypeDefinitionNode)}
    extended = {node.name.value for node in document.definitions if isinstance(node, ObjectTypeExtensionNode)}
    missing = sorted(extended - defined)
    if not missing:
        return document
    return concat_ast([document, parse(" ".join(f"type {name}" for name in missing), no_location=True)])


def _key_fields(directive: DirectiveNode) -> tuple[str, ...]:
    fields = next((a.value for a in directive.arguments or () if a.name.value == "fields"), None)
    text = fields.value if isinstance(fields, StringValueNode) else ""
    depth, names = 0, []
    for word in text.replace("{", " { ").replace("}", " } ").split():
        depth += {"{": 1, "}": -1}.get(word, 0)
        if depth == 0 and word != "}":
            names.append(word)
    return tuple(names)


def _number(seed: str, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=6).digest())


def _scalar(kind: str, seed: str, name: str) -> Any:
    number = _number(seed, name)
    match kind:
        case "ID":
            return str(number % MAX_IDS + 1)
        case "Int":
            return number % 1000
        case "Float":
            return number % 100_000 / 100
        case "Boolean":
            return number % 2 == 0
        case _:
            adjective = _ADJECTIVES[number % len(_ADJECTIVES)]
            return f"{adjective} {_NOUNS[number // 64 % len(_NOUNS)]}"
