"""One suite over every way to a subgraph: HTTP, an ASGI app in this process, a schema in this process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import GraphQLError, build_schema

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream import (
    AsgiClient,
    EncodedClient,
    HttpClient,
    SchemaClient,
    SubgraphClient,
    SubgraphRequest,
)
from gateway.tests.support.subgraph_app import serving, subgraph_app

SDL = """
  scalar JSON
  type Query {
    hello(name: String!): String echo(value: JSON): JSON fails: String! slow: String header(name: String!): String
  }
  type Mutation { add(by: Int!): Int }
  type Subscription { count(to: Int!): Int forever: Int breaks: Int }
"""


class Root:
    """Resolvers of the test schema."""

    def __init__(self) -> None:
        self.total = 0
        self.open = 0
        self.cancelled = 0

    def hello(self, _info: Any, name: str) -> str:
        return f"hello {name}"

    def echo(self, _info: Any, value: Any = None) -> Any:
        return value

    def fails(self, _info: Any) -> str:
        raise GraphQLError("no luck", extensions={"code": "UNLUCKY"})

    async def slow(self, _info: Any) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "late"

    def header(self, info: Any, name: str) -> str | None:
        context = info.context
        return context["headers"].get(name)  # type: ignore[no-any-return]

    def add(self, _info: Any, by: int) -> int:
        self.total += by
        return self.total

    async def count(self, _info: Any, to: int) -> AsyncIterator[Any]:
        for number in range(to):
            yield {"count": number}

    async def forever(self, _info: Any) -> AsyncIterator[Any]:
        self.open += 1
        try:
            number = 0
            while True:
                yield {"forever": number}
                number += 1
                await asyncio.sleep(0.001)
        finally:
            self.open -= 1

    def breaks(self, _info: Any) -> AsyncIterator[Any]:
        raise GraphQLError("refused")


@pytest.fixture
def root() -> Root:
    return Root()


@pytest.fixture(params=["http", "asgi", "schema"])
async def client(request: pytest.FixtureRequest, root: Root) -> AsyncIterator[SubgraphClient]:
    schema = build_schema(SDL)
    assert schema.subscription_type is not None
    for name, field in schema.subscription_type.fields.items():
        field.subscribe = lambda source, info, _name=name, **args: getattr(source, _name)(info, **args)
        field.resolve = lambda event, info, _name=name, **_: event[_name]
    app = subgraph_app(schema, root)
    made: SubgraphClient
    match request.param:
        case "http":
            async with serving(app) as url:
                made = HttpClient("test", url)
                yield made
                await made.aclose()
        case "asgi":
            made = AsgiClient("test", app)
            yield made
            await made.aclose()
        case _:
            made = SchemaClient(
                "test",
                schema,
                root_value=root,
                context=lambda r: {"headers": {k.lower(): v for k, v in r.headers.items()}},
            )
            yield made
            await made.aclose()


async def test_answers_a_query(client: SubgraphClient) -> None:
    operation = "query A { fails } query B($n: String!) { hello(name: $n) }"
    answer = await client.execute(SubgraphRequest(operation, {"n": "you"}, "B"))
    assert answer.data == {"hello": "hello you"}
    assert not answer.errors


async def test_keeps_every_number(client: SubgraphClient) -> None:
    value = {"big": 2**80, "negative": -(2**63) - 1, "deep": [[{"x": 0.5}]], "text": 'ü " \n 🙂'}
    answer = await client.execute(SubgraphRequest("query($v: JSON) { echo(value: $v) }", {"v": value}))
    assert answer.data == {"echo": value}


async def test_gives_errors_as_they_are(client: SubgraphClient) -> None:
    answer = await client.execute(SubgraphRequest("{ fails }"))
    assert answer.data is None
    assert answer.errors[0]["message"] == "no luck"
    assert answer.errors[0]["extensions"] == {"code": "UNLUCKY"}
    assert answer.errors[0]["path"] == ["fails"]


async def test_gives_validation_errors(client: SubgraphClient) -> None:
    answer = await client.execute(SubgraphRequest("{ nothing }"))
    assert answer.data is None
    assert "nothing" in answer.errors[0]["message"]


async def test_runs_a_mutation_once(client: SubgraphClient, root: Root) -> None:
    answer = await client.execute(SubgraphRequest("mutation { add(by: 2) }", kind="mutation"))
    assert answer.data == {"add": 2}
    assert root.total == 2


async def test_sends_headers(client: SubgraphClient) -> None:
    request = SubgraphRequest('{ header(name: "x-caller") }', headers={"X-Caller": "me"})
    assert (await client.execute(request)).data == {"header": "me"}


async def test_gives_up_in_time_and_cancels(client: SubgraphClient, root: Root) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(SubgraphError) as caught:
        await client.execute(SubgraphRequest("{ slow }", timeout=0.1))
    assert caught.value.code == errors.SUBGRAPH_TIMEOUT
    assert asyncio.get_running_loop().time() - started < 1


async def test_cancelling_ends_the_call(client: SubgraphClient, root: Root) -> None:
    task = asyncio.create_task(client.execute(SubgraphRequest("{ slow }")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if not isinstance(client, HttpClient):  # over a socket it is the server's to notice
        await asyncio.sleep(0.01)
        assert root.cancelled == 1


async def test_many_at_once(client: SubgraphClient) -> None:
    requests = [SubgraphRequest("query($n: String!) { hello(name: $n) }", {"n": str(i)}) for i in range(200)]
    answers = await asyncio.gather(*map(client.execute, requests))
    assert [answer.data for answer in answers] == [{"hello": f"hello {i}"} for i in range(200)]


async def test_subscription_completes(client: SubgraphClient) -> None:
    answers = client.subscribe(
        SubgraphRequest("subscription($n: Int!) { count(to: $n) }", {"n": 3}, kind="subscription")
    )
    assert [answer.data async for answer in answers] == [{"count": 0}, {"count": 1}, {"count": 2}]


async def test_closing_a_subscription_ends_it_upstream(client: SubgraphClient, root: Root) -> None:
    answers = client.subscribe(SubgraphRequest("subscription { forever }", kind="subscription"))
    assert (await anext(answers)).data == {"forever": 0}
    assert root.open == 1
    await answers.aclose()  # type: ignore[attr-defined]
    for _ in range(100):
        if not root.open:
            break
        await asyncio.sleep(0.01)
    assert root.open == 0


@pytest.mark.parametrize("operation", ["subscription { breaks }", "subscription { nothing }"])
async def test_refused_subscription_is_one_answer_with_errors(client: SubgraphClient, operation: str) -> None:
    answers = [answer async for answer in client.subscribe(SubgraphRequest(operation, kind="subscription"))]
    assert len(answers) == 1
    assert answers[0].data is None
    assert answers[0].errors


async def test_takes_a_body_that_is_written_already(client: SubgraphClient) -> None:
    if not isinstance(client, EncodedClient):
        pytest.skip("needs no bytes")
    body = b'{"query":"query($n: String!) { hello(name: $n) }","variables":{"n":"you"}}'
    answer = await client.start(body, "query", {"x-caller": "me"}, 5.0)
    assert answer.data == {"hello": "hello you"}
    with pytest.raises(SubgraphError) as caught:
        await client.start(b'{"query":"{ slow }"}', "query", {}, 0.1)
    assert caught.value.code == errors.SUBGRAPH_TIMEOUT
