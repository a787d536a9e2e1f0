"""Programs over typed answers: operations that run often are read straight into the response's objects.

That they answer like the other executors, every other test of this folder shows.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from graphql import build_schema

from botberi_gateway.executor import Compiled, ExecutionResult, ExecutorKind
from botberi_gateway.executor.compiled.program import OFTEN
from botberi_gateway.plan import Entities, Fetch, KeyField, ListItems, Parallel, Plan, Representation, Sequence
from botberi_gateway.upstream import SubgraphRequest
from botberi_gateway.upstream.answer import read_answer
from botberi_gateway.upstream.port import Answer, SubgraphResponse
from gateway.tests.executor.scripted import Scripted
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of

SDL = """
  type Query { users: [User] me: User top: [Item!] }
  type User { id: ID! name: String age: Int mood: Mood score: Float seen: Date items: [Item!] }
  type Item { id: ID! owner: User title: String! }
  enum Mood { FINE GRIM }
  scalar Date
"""
BY_ID = Representation(frozenset({"User"}), "User", (KeyField("id", "id"),))


class Encoded(Scripted):
    """The same answers as bytes, read as the connection reads them."""

    def start(
        self, body: bytes, kind: str, headers: Mapping[str, str], timeout: float
    ) -> "asyncio.Future[SubgraphResponse]":
        call = Answer()
        call.over = call.read = None
        given = orjson.loads(body)
        self.requests.append(SubgraphRequest(given["query"], given.get("variables", {})))
        answer: Any = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if callable(answer):
            answer = answer(self.requests[-1])

        def deliver() -> None:
            if not call.cancelled():
                raw = orjson.dumps({key: value for key, value in answer.items() if key != "headers"})
                call.set_result(
                    read_answer(
                        "a", 200, "application/json", raw, answer.get("headers", ()), rounded=True, read=call.read
                    )
                )

        asyncio.get_running_loop().call_later(self.delay, deliver)
        return call


def entities(number: int, subgraph: str, fields: str, *paths: Any) -> Fetch:
    query = (
        "query($representations: [_Any!]!) "
        f"{{ _entities(representations: $representations) {{ ... on User {{ {fields} }} }} }}"
    )
    return fetch_of(number, subgraph, query, entities=(Entities(paths, (BY_ID,)),))


def users(*each: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": {"users": [{"__typename": "User", **one} for one in each]}}


def of_each(answer: Any) -> Any:
    """Entities, each made of its representation's id."""

    def answered(request: SubgraphRequest) -> dict[str, Any]:
        return {"data": {"_entities": [answer(r["id"]) for r in request.variables["representations"]]}}

    return answered


class Site:
    """One plan over clients, run again and again."""

    def __init__(self, query: str, plan: Plan, **clients: Any) -> None:
        self.clients = {
            name: Encoded(answers if isinstance(answers, list) else [answers]) for name, answers in clients.items()
        }
        self.compiled = Compiled(plan, operation_of(build_schema(SDL), query))
        self.runtime = runtime_of(self.clients)

    async def run(self) -> ExecutionResult:
        return await self.compiled.execute({}, self.runtime)

    async def run_often(self) -> ExecutionResult:
        """Until there is a typed program, which a thread writes meanwhile, or none is to be expected."""
        for _ in range(OFTEN):
            result = await self.run()
        async with asyncio.timeout(10):
            while not (self.typed or self.runtime.environment.statistics.typed_bail_outs):
                await asyncio.sleep(0.005)
                result = await self.run()
        return result

    @property
    def typed(self) -> int:
        return self.runtime.environment.statistics.typed


NAMES = Plan(
    "query",
    Sequence((fetch_of(0, "a", "{ users { __typename id } }"), entities(1, "b", "name", ("users", ListItems())))),
)


async def test_what_is_asked_often_gets_a_typed_program() -> None:
    site = Site(
        "{ users { id name } }", NAMES, a=users({"id": "1"}, {"id": "2"}), b=of_each(lambda id: {"name": f"n{id}"})
    )
    for _ in range(OFTEN - 1):
        first = await site.run()
    await asyncio.sleep(0.1)
    assert site.typed == 0, "a program that may never be used again isn't made"
    await site.run_often()
    before = site.typed
    last = await site.run()
    assert site.typed == before + 1
    assert last.to_bytes() == first.to_bytes() == b'{"data":{"users":[{"id":"1","name":"n1"},{"id":"2","name":"n2"}]}}'
    assert last.data == first.data, "who looks into the data finds dictionaries"


ODD: list[tuple[str, dict[str, Any], Any]] = [
    ("an ID as a number", users({"id": 1}), {"name": "x"}),
    ("another type's name", {"data": {"users": [{"__typename": "Robot", "id": "1"}]}}, {"name": "x"}),
    ("a null item", {"data": {"users": [None, {"__typename": "User", "id": "1"}]}}, {"name": "x"}),
    ("a null where none may be", users({"id": None}), {"name": "x"}),
    (
        "an error beside the data",
        {**users({"id": "1"}), "errors": [{"message": "no", "path": ["users"]}]},
        {"name": "x"},
    ),
    ("no data", {"data": None, "errors": [{"message": "no"}]}, {"name": "x"}),
    ("an unknown entity", users({"id": "1"}), None),
    ("a leaf of another type", users({"id": "1"}), {"name": 5}),
    ("a field missing", users({"id": "1"}), {}),
    ("another entity than was asked for", users({"id": "1"}), {"name": "x", "id": "2"}),
]


@pytest.mark.parametrize(("name", "root", "entity"), ODD, ids=[name for name, *_ in ODD])
async def test_answers_that_do_not_fit_are_answered_as_ever_and_nothing_is_asked_twice(
    name: str, root: dict[str, Any], entity: Any
) -> None:
    fine = users({"id": "1"})
    site = Site("{ users { id name } }", NAMES, a=fine, b=of_each(lambda id: {"name": "x"}))
    await site.run_often()
    assert site.typed > 0
    site.clients["a"].answers = [root]
    site.clients["b"].answers = [of_each(lambda id: entity)]
    asked = len(site.clients["a"].requests), len(site.clients["b"].requests)
    odd = await site.run()
    other = Site("{ users { id name } }", NAMES, a=root, b=of_each(lambda id: entity))
    plain = await other.run()
    assert odd.to_bytes() == plain.to_bytes()
    assert len(site.clients["a"].requests) == asked[0] + 1
    assert len(site.clients["b"].requests) - asked[1] == len(other.clients["b"].requests)


@pytest.mark.parametrize("executor", [ExecutorKind.COMPILED, ExecutorKind.BOTH])
async def test_a_branch_that_still_waits_when_another_gives_up_is_not_asked_again(executor: ExecutorKind) -> None:
    branches = Parallel((
        Sequence((
            fetch_of(0, "a", "{ users { __typename id } }"),
            entities(1, "slow", "name items { id owner { __typename id } }", ("users", ListItems())),
            entities(4, "then", "age", ("users", ListItems(), "items", ListItems(), "owner")),
        )),
        Sequence((fetch_of(2, "c", "{ me { __typename id } }"), entities(3, "d", "age", ("me",)))),
    ))  # fmt: skip
    me = {"data": {"me": {"__typename": "User", "id": "1"}}}
    site = Site(
        "{ users { name items { owner { age } } } me { age } }",
        Plan("query", branches),
        a=users({"id": "1"}),
        slow=of_each(lambda id: {"name": "x", "items": [{"id": "i", "owner": {"__typename": "User", "id": "2"}}]}),
        then=of_each(lambda id: {"age": 5}),
        c=me,
        d=of_each(lambda id: {"age": 7}),
    )
    site.runtime.environment = replace(site.runtime.environment, executor=executor)
    await site.run_often()
    assert site.typed > 0
    site.clients["slow"].delay = 0.05
    for odd in ("d", "c"):
        asked = {name: len(client.requests) for name, client in site.clients.items()}
        before = site.runtime.environment.statistics.typed_bail_outs
        right = site.clients[odd].answers
        site.clients[odd].answers = (
            [of_each(lambda id: {"age": "old"})] if odd == "d" else [{"data": {"me": {"__typename": "User", "id": 1}}}]
        )
        result = await site.run()
        site.clients[odd].answers = right
        assert site.runtime.environment.statistics.typed_bail_outs == before + 1
        assert result.data == {
            "users": [{"name": "x", "items": [{"owner": {"age": 5}}]}],
            "me": {"age": None if odd == "d" else 7},
        }
        assert {name: len(client.requests) - asked[name] for name, client in site.clients.items()} == dict.fromkeys(
            asked, 1
        )


async def test_where_too_many_answers_do_not_fit_no_further_tries_are_made() -> None:
    site = Site("{ users { id name } }", NAMES, a=users({"id": 1}), b=of_each(lambda id: {"name": "x"}))
    await site.run_often()
    for _ in range(30):
        result = await site.run()
    assert result.to_bytes() == b'{"data":{"users":[{"id":"1","name":"x"}]}}'
    assert 0 < site.runtime.environment.statistics.typed_bail_outs < 10
    assert site.typed == 0


LEAVES = "id name age mood score seen"


@pytest.mark.parametrize(
    "more",
    [
        {"name": 'quotes " and \\ and \u2028 and \x01', "age": -1, "mood": "FINE", "score": 0.1, "seen": "2026-01-01"},
        {"name": "", "age": 2**31 - 1, "mood": None, "score": 3, "seen": 17},
        {"name": None, "age": None, "mood": "GRIM", "score": -1.5e-9, "seen": True},
        {"name": "double", "age": 1, "mood": "GRIM", "score": 7, "seen": 2.5},
        {"name": "big", "age": 0, "mood": "FINE", "score": 1e22, "seen": {"day": [1, 2.5]}},
        {"name": "odd", "age": 2**31, "mood": "HIDDEN", "score": "1", "seen": None},
    ],
    ids=lambda more: str(more["name"]),
)
async def test_leaves_are_written_to_the_byte_as_by_the_others(more: dict[str, Any]) -> None:
    site = Site(
        f"{{ me {{ {LEAVES} }} }}",
        Plan("query", fetch_of(0, "a", f"{{ me {{ {LEAVES} }} }}")),
        a={"data": {"me": {"id": "1", **more}}},
    )
    first = await site.run()
    assert (await site.run_often()).to_bytes() == first.to_bytes()


async def test_an_entity_that_is_met_often_is_changed_once() -> None:
    """Its items get more from another subgraph: in place, and so not again for each user that is the same."""
    owners = Plan(
        "query",
        Sequence((
            fetch_of(0, "a", "{ users { __typename id } }"),
            entities(1, "b", "items { id owner { __typename id } }", ("users", ListItems())),
            entities(2, "c", "name", ("users", ListItems(), "items", ListItems(), "owner")),
        )),
    )  # fmt: skip
    site = Site(
        "{ users { items { id owner { name } } } }",
        owners,
        a=users({"id": "1"}, {"id": "1"}, {"id": "2"}),
        b=of_each(lambda id: {"items": [{"id": f"i{id}", "owner": {"__typename": "User", "id": "9"}}] * 2}),
        c=of_each(lambda id: {"name": f"n{id}"}),
    )
    first = await site.run()
    assert (await site.run_often()).to_bytes() == first.to_bytes()
    assert site.typed > 0
    item = '{"id":"i1","owner":{"name":"n9"}}'
    assert first.to_bytes().decode().count(item) == 4


async def test_one_entity_at_two_places_shows_at_each_what_is_selected_there() -> None:
    two = Plan(
        "query",
        Sequence((
            Parallel((fetch_of(0, "a", "{ users { __typename id } }"), fetch_of(1, "a", "{ me { __typename id } }"))),
            entities(2, "b", "name items { id title }", ("users", ListItems()), ("me",)),
        )),
    )  # fmt: skip
    items = [{"id": "i", "title": "t"}]
    me = {"data": {"me": {"__typename": "User", "id": "1"}}}
    site = Site(
        "{ users { items { title id } } me { name items { title } } }",
        two,
        a=lambda request: me if "{ me" in request.operation else users({"id": "1"}, {"id": "1"}),
        b=of_each(lambda id: {"name": "n", "items": items}),
    )
    first = await site.run()
    assert (await site.run_often()).to_bytes() == first.to_bytes()
    assert site.typed > 0
    assert first.data == {
        "users": [{"items": [{"title": "t", "id": "i"}]}] * 2,
        "me": {"name": "n", "items": [{"title": "t"}]},
    }


async def test_response_headers_are_kept_once() -> None:
    site = Site(
        "{ users { id name } }",
        NAMES,
        a={**users({"id": "1"}), "headers": [("set-cookie", "x")]},
        b=of_each(lambda id: {"name": "x"}),
    )
    await site.run_often()
    site.runtime.response_headers = []
    await site.run()
    assert site.typed > 0
    assert site.runtime.response_headers == [("a", "set-cookie", "x")]


async def test_executors_are_compared_from_the_first_run() -> None:
    site = Site("{ users { id name } }", NAMES, a=users({"id": "1"}), b=of_each(lambda id: {"name": "x"}))
    site.runtime.environment = replace(site.runtime.environment, executor=ExecutorKind.BOTH)
    await site.run()
    assert site.typed == 1
