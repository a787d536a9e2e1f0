"""Two small subgraphs in this process (graphql-core), their supergraph, and a gateway over them.

They have every kind of operation, fast and slow.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, GraphQLUnionType, build_schema, graphql, parse, subscribe
from graphql.pyutils import is_awaitable

from botberi_gateway.engine import Gateway
from botberi_gateway.errors import SubgraphError
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

ACCOUNTS = """
type Query {
  me: User
  whoami: String
  header(name: String!): String
  slow(seconds: Float!): String
  broken: String
  big(size: Int!): String
  echo(value: Json): Json
  hello(name: String! = "world", times: Int): String
}
type Mutation {
  rename(name: String!): User
  slowRename(name: String!, seconds: Float!): User
}
type Subscription {
  count(to: Int!, every: Float! = 0): Int
  users(times: Int!): User
  forever: Int
  failing: Int
}
type User @key(fields: "id") { id: ID! name: String! }
scalar Json
"""
REVIEWS = """
type Query { reviews: [Review!]! }
type Review { body: String! author: User! }
type User @key(fields: "id") { id: ID! reviews: [Review!]! }
"""
_LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'

SUPERGRAPH = """
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) {
  query: Query mutation: Mutation subscription: Subscription
}
directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE
directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, override: String, usedOverridden: Boolean) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE
directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
scalar join__FieldSet
scalar link__Import
enum link__Purpose { SECURITY EXECUTION }
enum join__Graph {
  ACCOUNTS @join__graph(name: "accounts", url: "http://accounts.test/graphql")
  REVIEWS @join__graph(name: "reviews", url: "http://reviews.test/graphql")
}
scalar Json @join__type(graph: ACCOUNTS)
type Query @join__type(graph: ACCOUNTS) @join__type(graph: REVIEWS) {
  me: User @join__field(graph: ACCOUNTS)
  whoami: String @join__field(graph: ACCOUNTS)
  header(name: String!): String @join__field(graph: ACCOUNTS)
  slow(seconds: Float!): String @join__field(graph: ACCOUNTS)
  broken: String @join__field(graph: ACCOUNTS)
  big(size: Int!): String @join__field(graph: ACCOUNTS)
  echo(value: Json): Json @join__field(graph: ACCOUNTS)
  hello(name: String! = "world", times: Int): String @join__field(graph: ACCOUNTS)
  reviews: [Review!]! @join__field(graph: REVIEWS)
}
type Mutation @join__type(graph: ACCOUNTS) {
  rename(name: String!): User
  slowRename(name: String!, seconds: Float!): User
}
type Subscription @join__type(graph: ACCOUNTS) {
  count(to: Int!, every: Float! = 0): Int
  users(times: Int!): User
  forever: Int
  failing: Int
}
type User @join__type(graph: ACCOUNTS, key: "id") @join__type(graph: REVIEWS, key: "id") {
  id: ID!
  name: String! @join__field(graph: ACCOUNTS)
  reviews: [Review!]! @join__field(graph: REVIEWS)
}
type Review @join__type(graph: REVIEWS) { body: String! author: User! }
"""


def federated_sdl(sdl: str) -> str:
    """As the subgraph says it in `_service { sdl }`."""
    return _LINK + sdl


def executable(sdl: str) -> GraphQLSchema:
    """With what the federation specification adds to a subgraph."""
    extra = """
    directive @key(fields: String!, resolvable: Boolean = true) repeatable on OBJECT
    scalar _Any
    union _Entity = User
    type _Service { sdl: String! }
    extend type Query { _entities(representations: [_Any!]!): [_Entity]! _service: _Service! }
    """
    schema = build_schema(sdl + extra)
    union = schema.type_map["_Entity"]
    assert isinstance(union, GraphQLUnionType)
    union.resolve_type = lambda *_: "User"
    return schema


class World:
    """What the resolvers know, and what the tests look at."""

    def __init__(self) -> None:
        self.name = "Ada"
        self.requests: list[tuple[str, SubgraphRequest]] = []
        self.running = 0
        self.streams = 0
        self.renames = 0
        #: Subgraph -> further headers of its answers.
        self.answer_headers: dict[str, list[tuple[str, str]]] = {}


class SchemaClient:
    """A subgraph's schema in this process, as a `SubgraphClient`."""

    def __init__(self, name: str, sdl: str, world: World) -> None:
        self.name, self.world = name, world
        self.schema = executable(sdl)
        self.closed = False
        self._sdl = federated_sdl(sdl)
        for type_name in ("Query", "Mutation", "Subscription"):
            type_ = self.schema.type_map.get(type_name)
            if isinstance(type_, GraphQLObjectType):
                for field_name, field in type_.fields.items():
                    method = getattr(self, f"resolve_{field_name.lstrip('_')}")
                    if type_name == "Subscription":
                        field.subscribe, field.resolve = method, lambda event, *_, **__: event
                    else:
                        field.resolve = method

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        assert not self.closed, "a request to a client that is closed"
        self.world.requests.append((self.name, request))
        self.world.running += 1
        try:
            result = await graphql(
                self.schema,
                request.operation,
                variable_values=dict(request.variables),
                operation_name=request.operation_name,
                context_value=request,
            )
        finally:
            self.world.running -= 1
        errors = [dict(error.formatted) for error in result.errors or ()]
        own = self.world.answer_headers.get(self.name, ())
        headers = [("set-cookie", f"{self.name}=1"), ("x-secret", "s"), *own]
        return SubgraphResponse(result.data, errors, headers=headers)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        self.world.streams += 1
        try:
            results: Any = subscribe(
                self.schema, parse(request.operation), variable_values=dict(request.variables), context_value=request
            )
            if is_awaitable(results):
                results = await results
            async for result in results:
                errors = [dict(error.formatted) for error in result.errors or ()]
                yield SubgraphResponse(result.data, errors)
        finally:
            self.world.streams -= 1

    async def aclose(self) -> None:
        self.closed = True

    def user(self) -> dict[str, Any]:
        return {"id": "1", "name": self.world.name, "reviews": [self.review()]}

    def review(self) -> dict[str, Any]:
        return {"body": "fine", "author": {"id": "1", "reviews": []}}

    def resolve_me(self, *_: Any) -> Any:
        return self.user()

    def resolve_whoami(self, _: Any, info: Any) -> Any:
        return info.context.headers.get("x-caller")

    def resolve_header(self, _: Any, info: Any, name: str) -> Any:
        return info.context.headers.get(name)

    async def resolve_slow(self, _: Any, info: Any, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def resolve_broken(self, *_: Any) -> Any:
        raise SubgraphError("accounts", "it is broken")

    def resolve_big(self, _: Any, info: Any, size: int) -> str:
        return "x" * size

    def resolve_echo(self, _: Any, info: Any, value: Any = None) -> Any:
        return value

    def resolve_hello(self, _: Any, info: Any, name: str, times: int | None = None) -> str:
        return f"hello {name}" * (times or 1)

    def resolve_reviews(self, *_: Any) -> Any:
        return [self.review()]

    def resolve_rename(self, _: Any, info: Any, name: str) -> Any:
        self.world.name = name
        self.world.renames += 1
        return self.user()

    async def resolve_slowRename(self, _: Any, info: Any, name: str, seconds: float) -> Any:
        await asyncio.sleep(seconds)
        return self.resolve_rename(_, info, name)

    def resolve_entities(self, _: Any, info: Any, representations: list[dict[str, Any]]) -> Any:
        return [self.user() for _ in representations]

    def resolve_service(self, *_: Any) -> Any:
        return {"sdl": self._sdl}

    async def resolve_count(self, _: Any, info: Any, to: int, every: float) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            await asyncio.sleep(every)
            yield number

    async def resolve_users(self, _: Any, info: Any, times: int) -> AsyncIterator[Any]:
        for _number in range(times):
            yield self.user()

    async def resolve_forever(self, *_: Any) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def resolve_failing(self, *_: Any) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("secret of the subgraph")


def clients(world: World | None = None) -> Mapping[str, SchemaClient]:
    """Both subgraphs of one world."""
    world = world or World()
    return {"accounts": SchemaClient("accounts", ACCOUNTS, world), "reviews": SchemaClient("reviews", REVIEWS, world)}


def toy_gateway(world: World | None = None, **options: Any) -> Gateway:
    """A gateway over them."""
    return Gateway(Supergraph.from_sdl(SUPERGRAPH), clients(world), **options)
