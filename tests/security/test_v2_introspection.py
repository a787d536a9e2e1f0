"""V2: introspection that multiplies. Small requests get no answer of megabytes, nor stop the loop meanwhile."""

import asyncio
import json
import re
import time

import pytest
from graphql import FieldNode, Visitor, get_introspection_query, parse, print_ast, visit
from graphql.language import NameNode, SelectionSetNode

from botberi_gateway.config import OperationLimits
from botberi_gateway.engine import Gateway
from botberi_gateway.errors import RequestError
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.operation.limits import UNLIMITED
from gateway.tests.support.local_gateway import ask, local_gateway

#: Six types of an interface: each `possibleTypes { interfaces` is six times more.
ERRORS = "interface Error { message: String! } type Query { fail: Error } " + " ".join(
    f"type {name} implements Error {{ message: String! }}" for name in ("A", "B", "C", "D", "E", "F")
)


def multiplied(levels: int) -> str:
    """`{__type(name:"Error"){possibleTypes{interfaces{…`, a level in one another so often."""
    return '{__type(name:"Error")' + "{possibleTypes{interfaces" * levels + "{name}" + "}}" * levels + "}"


async def refused(gateway: Gateway, query: str) -> str:
    """The message with which the query is refused."""
    with pytest.raises(RequestError) as caught:
        await ask(gateway, query)
    assert caught.value.code == "LIMIT_EXCEEDED"
    return caught.value.message


@pytest.mark.parametrize("levels", [2, 5, 7, 11])
async def test_lists_in_lists_are_refused_before_anything_is_made(levels: int) -> None:
    message = await refused(local_gateway(ERRORS), multiplied(levels))
    assert message == "The operation exceeds the limit of 2 introspection lists in one another."


async def test_lists_in_lists_through_fragments_are_refused() -> None:
    query = (
        '{ __type(name: "Error") { ...A } } fragment A on __Type { possibleTypes { ...B } } '
        "fragment B on __Type { interfaces { ...C } } fragment C on __Type { possibleTypes { name } }"
    )
    await refused(local_gateway(ERRORS), query)


@pytest.mark.parametrize("executor", list(ExecutorKind))
async def test_the_budget_of_fields_ends_what_nesting_admits(executor: ExecutorKind) -> None:
    limits = OperationLimits(max_depth=50, max_introspection_lists=50, max_introspection_fields=10_000)
    gateway = local_gateway(ERRORS, limits=limits, executor=executor)
    started = time.process_time()
    # Six times as much on each level: the whole answer would be two billion names.
    message = await refused(gateway, multiplied(12))
    assert re.fullmatch(r"The operation exceeds the limit of \d+ fields of introspection\.", message)
    assert time.process_time() - started < 2


async def test_aliases_of_the_roots_count_together() -> None:
    gateway = local_gateway(ERRORS, limits=OperationLimits(max_introspection_fields=1_000))
    types = "{ types { kind name description specifiedByURL isOneOf fields { name description type { name kind } } } }"
    await ask(gateway, "{ __schema " + types + " }")
    await refused(gateway, "{ " + " ".join(f"x{number}: __schema {types}" for number in range(99)) + " }")


class WithTypenames(Visitor):
    """What Apollo Client does to each document: `__typename` in every selection below the root."""

    def leave_field(self, node: FieldNode, *_: object) -> FieldNode | None:
        if node.selection_set is None:
            return None
        typename = FieldNode(
            name=NameNode(value="__typename"), alias=None, arguments=(), directives=(), selection_set=None
        )
        below = SelectionSetNode(selections=(*node.selection_set.selections, typename))
        return FieldNode(name=node.name, alias=node.alias, arguments=node.arguments, directives=(), selection_set=below)


ALL = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)
#: What clients ask: most are built on graphql-js' or graphql-core's query, with other options.
CLIENTS = {
    "graphql-js, all options (GraphiQL, Altair, urql, gql.tada, Relay, GraphQL Code Generator)": ALL,
    "graphql-core, no options (gql, strawberry, ariadne-codegen)": get_introspection_query(),
    "graphql-js 15 and before (seven levels of types)": get_introspection_query(type_depth=7),
    "without descriptions (get-graphql-schema, minified schemas)": get_introspection_query(descriptions=False),
    "Apollo Client, which adds __typename": print_ast(visit(parse(ALL), WithTypenames())),
    "Rover (graph introspect)": """
        query GraphIntrospectQuery {
          __schema {
            queryType { name } mutationType { name } subscriptionType { name }
            types { ...FullType }
            directives { name description isRepeatable locations args { ...InputValue } }
          }
        }
        fragment FullType on __Type {
          kind name description specifiedByURL
          fields(includeDeprecated: true) {
            name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
          }
          inputFields { ...InputValue } interfaces { ...TypeRef }
          enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
          possibleTypes { ...TypeRef }
        }
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
        fragment TypeRef on __Type {
          kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
          ofType { kind name ofType { kind name ofType { kind name } } } } } } }
        }
    """,
    "Postman and Insomnia, which look first at what is supported": """
        { __schema { queryType { name } }
          typeFields: __type(name: "__Type") { fields { name } }
          inputFields: __type(name: "__InputValue") { fields(includeDeprecated: true) { name args { name } } } }
    """,
}


def large_sdl(types: int) -> str:
    """A graph of so many types with ten fields each: 1,000 of them are what a company of a hundred subgraphs has."""
    fields = " ".join(f"f{number}(first: Int = 10, after: String): [T{{next{number}}}!]!" for number in range(10))
    return "type Query { first: T0 } " + " ".join(
        f'"Number {number}" type T{number} {{ id: ID! '
        + re.sub(r"\{next(\d)\}", lambda found: str((number + int(found[1])) % types), fields)  # noqa: B023
        + " }"
        for number in range(types)
    )


@pytest.mark.parametrize("client", CLIENTS)
async def test_what_clients_ask_is_answered_on_a_large_graph(client: str) -> None:
    gateway = local_gateway(large_sdl(100), limits=OperationLimits(max_introspection_fields=1))
    answer = await ask(gateway, CLIENTS[client])
    assert "errors" not in answer
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"


async def test_the_loop_goes_on_while_a_large_answer_is_made() -> None:
    gateway = local_gateway(large_sdl(600))
    await gateway.prepare(ALL)
    ticks, ended = 0, False

    async def tick() -> None:
        nonlocal ticks
        while not ended:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    answer = await ask(gateway, ALL)
    ended = True
    await ticking
    assert len(json.dumps(answer)) > 1_500_000
    # A loop that stood still would have ticked once; one that shares the processor ticks every few milliseconds.
    assert ticks >= 10


async def test_what_many_ask_is_made_once() -> None:
    gateway = local_gateway(large_sdl(50))
    first, *others = await asyncio.gather(*(ask(gateway, ALL) for _ in range(20)))
    assert all(other["data"]["__schema"] is first["data"]["__schema"] for other in others)


async def test_typename_and_data_are_not_counted() -> None:
    gateway = local_gateway("type Query { a: Int }", {"a": 1}, UNLIMITED)
    assert await ask(gateway, "{ __typename a }") == {"data": {"__typename": "Query", "a": 1}}
