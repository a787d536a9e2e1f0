"""Root types that subgraphs call otherwise, and that fields lead back to.

Clients see the API's names, and each field comes from the subgraph that has it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import (
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    get_named_type,
    get_nullable_type,
    graphql,
    is_leaf_type,
    is_list_type,
)

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.operation import coerce_variables, prepare
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from lab.fuzzing.answering import Answering, runtime

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key" "@shareable"])\n'
SUBGRAPHS = {
    "a": """
        schema { query: RootQuery mutation: RootMutation }
        type RootQuery { x: Int @shareable again: RootQuery @shareable e: E many: [RootQuery!] m: RootMutation u: U }
        type RootMutation { go: RootQuery mx: Int self: RootMutation }
        type E @key(fields: "id") { id: ID! q: RootQuery m: RootMutation }
        union U = V | E
        type V { q: RootQuery }
    """,
    "b": """
        schema { query: Other mutation: M2 }
        type Other { x: Int @shareable again: Other @shareable y: Int es: [E] }
        type M2 { my: Int }
        type E @key(fields: "id") { id: ID! eb: Int back: Other }
    """,
    "c": "type Query { z: Int } type Mutation { mz: Int }",
}


@dataclass
class Client:
    """A subgraph in which every leaf is 7."""

    schema: GraphQLSchema

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        result = await graphql(
            self.schema,
            request.operation,
            field_resolver=_resolve,
            type_resolver=lambda value, *_: value["__typename"],
            variable_values=dict(request.variables),
        )
        assert not result.errors, (request.operation, result.errors)
        return SubgraphResponse(result.data)

    async def aclose(self) -> None:
        """Nothing is held."""


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    if info.field_name == "_entities":
        return arguments["representations"]
    named = get_named_type(info.return_type)
    if is_leaf_type(named):
        return 7
    made = {"__typename": "V" if named.name == "U" else named.name}
    return [made, made] if is_list_type(get_nullable_type(info.return_type)) else made


def _client(sdl: str) -> Client:
    plain = re.sub(r"@\w+(\([^)]*\))?", "", sdl)
    if "type E" in plain:
        root = re.search(r"query: (\w+)", plain)
        assert root is not None
        plain += " scalar _Any union _Entity = E"
        plain += f" extend type {root[1]} {{ _entities(representations: [_Any!]!): [_Entity]! }}"
    return Client(build_schema(plain))


CLIENTS = {name: _client(sdl) for name, sdl in SUBGRAPHS.items()}
COMPOSED = compose([Subgraph(name, (LINK if name != "c" else "") + sdl) for name, sdl in SUBGRAPHS.items()])
assert COMPOSED.supergraph_sdl is not None
SUPERGRAPH = Supergraph.from_sdl(COMPOSED.supergraph_sdl)


@pytest.mark.parametrize(
    ("document", "data"),
    [
        ("{ again { __typename x } }", {"again": {"__typename": "Query", "x": 7}}),
        ("{ again { x ... on Query { y } } }", {"again": {"x": 7, "y": 7}}),
        ("{ many { again { z y } __typename } }", {"many": [{"again": {"z": 7, "y": 7}, "__typename": "Query"}] * 2}),
        ("{ e { q { __typename y } eb } }", {"e": {"q": {"__typename": "Query", "y": 7}, "eb": 7}}),
        ("{ es { back { z __typename } } }", {"es": [{"back": {"z": 7, "__typename": "Query"}}] * 2}),
        ("{ u { ... on V { q { t: __typename z } } } }", {"u": {"q": {"t": "Query", "z": 7}}}),
        ("{ m { __typename mx my } }", {"m": {"__typename": "Mutation", "mx": 7, "my": 7}}),
        ("{ e { m { mz __typename } } }", {"e": {"m": {"mz": 7, "__typename": "Mutation"}}}),
        (
            "mutation { go { __typename z } self { __typename my } my }",
            {"go": {"__typename": "Query", "z": 7}, "self": {"__typename": "Mutation", "my": 7}, "my": 7},
        ),
    ],
)
async def test_fields_of_a_root_that_is_reached_again(document: str, data: Any) -> None:
    operation = prepare(SUPERGRAPH.api_schema, document)
    answering = Answering(build_plan(SUPERGRAPH, operation), operation, coerce_variables(operation, {}))
    answers = [answer.fixed async for answer in answering(runtime(CLIENTS, ExecutorKind.BOTH))]  # type: ignore[arg-type]
    assert [json.loads(answer) for answer in answers] == [{"data": data}]
