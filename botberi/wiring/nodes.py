"""Relay's global object identification: an id of any subgraph's object -> the object, if its owner shows it.

A subgraph of the gateway's own process, made from the others' SDLs: `node` and `nodes` ask the subgraph that owns the
id's type whether the object is there for this caller, and return its key; everything else that is selected is planned
as ever. See the GraphQL Global Object Identification Specification, https://relay.dev/graphql/objectidentification.htm.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import (
    ConstDirectiveNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    StringValueNode,
    build_schema,
    parse,
)

from botberi.wiring.assertion import AssertionSigner
from botberi_gateway import errors
from botberi_gateway.errors import GatewayError
from botberi_gateway.upstream import SchemaClient
from botberi_gateway.upstream.port import SubgraphClient, SubgraphRequest
from shared_schema.contracts.assertion import HEADER
from shared_schema.ids import InvalidGlobalId, split_global_id

NAME: Final = "nodes"
#: Ids in one `nodes(ids:)`: as many as a page has at most.
MAX_IDS: Final = 100
_HEADER: Final = HEADER.lower()
_LINK: Final = 'schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"]) {\n  query: Query\n}\n'
_EXISTS: Final = "query Exists($keys: [_Any!]!) {{ _entities(representations: $keys) {{ ... on {} {{ id }} }} }}"


def owners(sdls: Mapping[str, str]) -> dict[str, str]:
    """Type -> the subgraph that resolves its entities by `id`."""
    owner_of: dict[str, str] = {}
    for subgraph, sdl in sdls.items():
        for node in parse(sdl).definitions:
            if isinstance(node, ObjectTypeDefinitionNode | ObjectTypeExtensionNode) and any(
                _resolves_by_id(directive) for directive in node.directives or ()
            ):
                owner_of[node.name.value] = subgraph
    return owner_of


def _resolves_by_id(directive: ConstDirectiveNode) -> bool:
    arguments = {argument.name.value: argument.value for argument in directive.arguments or ()}
    fields, resolvable = arguments.get("fields"), arguments.get("resolvable")
    return (
        directive.name.value == "key"
        and isinstance(fields, StringValueNode)
        and fields.value.strip() == "id"
        and getattr(resolvable, "value", True) is True
    )


def sdl(types: Sequence[str], *, federated: bool = True) -> str:
    """The subgraph's SDL; without `federated` as graphql-core executes it."""
    key = ' @key(fields: "id", resolvable: false)' if federated else ""
    objects = "".join(f"\ntype {name} implements Node{key} {{\n  id: ID!\n}}\n" for name in sorted(types))
    return f'''{_LINK if federated else ""}
"""An object that its id alone finds again."""
interface Node {{
  id: ID!
}}

type Query {{
  """The object with this id; null when there is none, or none that the caller may see."""
  node(id: ID!): Node

  """The objects with these ids, in the same order; null for each that `node` would not find. At most {MAX_IDS}."""
  nodes(ids: [ID!]!): [Node]!
}}
{objects}'''


class Nodes:
    """Subgraph of `node` and `nodes`. The gateway fills in the others' `clients`; `signer` addresses claims to them."""

    def __init__(self, sdls: Mapping[str, str], signer: AssertionSigner) -> None:
        self._owners = owners(sdls)
        self._signer = signer
        self.sdl = sdl(list(self._owners))
        self.clients: dict[str, SubgraphClient] = {}

    def client(self) -> SubgraphClient:
        """The client by which the gateway reaches it."""
        schema: GraphQLSchema = build_schema(sdl(list(self._owners), federated=False))
        assert schema.query_type is not None
        schema.query_type.fields["node"].resolve = self._node
        schema.query_type.fields["nodes"].resolve = self._nodes
        return SchemaClient(NAME, schema, context=lambda request: request.headers)

    def keep(self, name: str, client: SubgraphClient) -> SubgraphClient:
        """For `Gateway.wrap_clients`: remember the others' clients, as they are with all their wrappers."""
        self.clients[name] = client
        return client

    async def _node(self, _: None, info: GraphQLResolveInfo[Any], *, id: str) -> dict[str, str] | None:
        return (await self._find([id], info.context))[0]

    async def _nodes(self, _: None, info: GraphQLResolveInfo[Any], *, ids: list[str]) -> list[dict[str, str] | None]:
        if len(ids) > MAX_IDS:
            message = f"nodes takes at most {MAX_IDS} ids at once, and was given {len(ids)}."
            raise GraphQLError(message, extensions={"code": errors.BAD_USER_INPUT})
        return await self._find(ids, info.context)

    async def _find(self, ids: Sequence[str], headers: Mapping[str, str]) -> list[dict[str, str] | None]:
        """Each id's object as its key and type; one request for all ids of one type."""
        of_type: defaultdict[str, list[str]] = defaultdict(list)
        for text in dict.fromkeys(ids):
            try:
                type_name, _ = split_global_id(text)
            except InvalidGlobalId:
                continue
            if type_name in self._owners:
                of_type[type_name].append(text)
        answers = await asyncio.gather(*(self._existing(name, texts, headers) for name, texts in of_type.items()))
        objects = {
            text: {"__typename": name, "id": text}
            for name, texts in zip(of_type, answers, strict=True)
            for text in texts
        }
        return [objects.get(text) for text in ids]

    async def _existing(self, type_name: str, ids: Sequence[str], headers: Mapping[str, str]) -> list[str]:
        owner = self._owners[type_name]
        claims = self._signer.for_audience(headers[_HEADER], owner)
        request = SubgraphRequest(
            _EXISTS.format(type_name),
            {"keys": [{"__typename": type_name, "id": text} for text in ids]},
            operation_name="Exists",
            headers={**headers, _HEADER: claims},
        )
        try:
            response = await self.clients[owner].execute(request)
        except GatewayError as error:
            raise GraphQLError(error.message, extensions={"code": error.code}) from error
        if response.data is None:
            code = errors.DOWNSTREAM_SERVICE_ERROR
            raise GraphQLError(f"Subgraph {owner!r} can't say which objects exist.", extensions={"code": code})
        return [entity["id"] for entity in response.data["_entities"] if entity is not None]
