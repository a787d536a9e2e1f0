"""The order in which subgraphs answer changes neither response nor requests: all orders, by each executor."""

import asyncio
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import Compiled, ExecutorKind
from botberi_gateway.plan import Entities, Fetch, KeyField, ListItems, Parallel, Path, Plan, Representation, Sequence
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from gateway.tests.executor.scripted import Answer, Scripted
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of

SCHEMA = build_schema("type Query { users: [User] me: User } type User { id: ID! name: String age: Int size: Int }")
EACH = ListItems()


@dataclass
class Late(Scripted):
    """Answers after so many turns of the event loop."""

    turns: int = 0

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return await super().execute(request)


def entities(number: int, subgraph: str, path: Path, fields: str, *needs: str) -> Fetch:
    operation = (
        "query($representations: [_Any!]!) "
        f"{{ _entities(representations: $representations) {{ ... on User {{ {fields} }} }} }}"
    )
    key = Representation(frozenset({"User"}), "User", tuple(KeyField(name, name) for name in ("id", *needs)))
    return fetch_of(number, subgraph, operation, entities=(Entities((path,), (key,)),))


async def in_all_orders(
    plan: Plan, query: str, answers: dict[str, Answer], **more: Any
) -> tuple[bytes, dict[str, list[Any]]]:
    """The response, and what each subgraph was asked: the same in every order."""
    operation = operation_of(SCHEMA, query)
    compiled = Compiled(plan, operation)
    seen = []
    for order in permutations(range(0, 12 * len(answers), 12)):
        for executor in ExecutorKind:
            clients = {
                name: Late([answer], turns=turns) for (name, answer), turns in zip(answers.items(), order, strict=True)
            }
            result = await compiled.execute({}, runtime_of(clients, executor=executor, **more))
            asked = {name: [dict(r.variables) for r in client.requests] for name, client in clients.items()}
            seen.append((result.to_bytes(), asked))
    assert [one for one in seen if one != seen[0]] == []
    return seen[0]


def user(number: int, **more: Any) -> dict[str, Any]:
    return {"__typename": "User", "id": str(number), **more}


def knows(name: str) -> Answer:
    """Every user but 2, who is lost, and 3, whose field is null by an error."""

    def answer(request: SubgraphRequest) -> dict[str, Any]:
        found, reported = [], []
        for index, one in enumerate(request.variables["representations"]):
            found.append({"2": None, "3": {name: None}}.get(one["id"], {name: int(one["id"]) * 10}))
            if one["id"] in "23":
                path = ["_entities", index] if one["id"] == "2" else ["_entities", index, name]
                reported.append({"message": f"of {one['id']}", "path": path})
        return {"data": {"_entities": found}, "errors": reported}

    return answer


LISTS: dict[str, Any] = {
    "null": None,
    "none": [],
    "one": [user(1)],
    "two": [user(1), user(2)],
    "three": [user(2), user(1), user(3)],
    "a null": [None, user(2)],
    "a text": "odd",
    "nested": [[user(1)]],
    "mixed": [user(1), 5],
    "failed": SubgraphError("x", "down"),
}


@pytest.mark.parametrize("first", LISTS)
async def test_a_list_that_two_subgraphs_give(first: str) -> None:
    """Entities of one's are asked for while the other's may come, be of another length, or anything else."""

    def answer(name: str) -> Answer:
        found = LISTS[name]
        return found if isinstance(found, Exception) else {"data": {"users": found}}

    for numbers in ((0, 1), (1, 0)):
        one = fetch_of(numbers[0], "a", "{ users { __typename id } }")
        other = fetch_of(numbers[1], "b", "{ users { __typename id age } }")
        plan = Plan("query", Parallel((other, Sequence((one, entities(2, "c", ("users", EACH), "size"))))))
        for second in LISTS:
            answers = {"a": answer(first), "b": answer(second), "c": knows("size")}
            await in_all_orders(plan, "{ users { id size age } }", answers)


async def test_what_comes_beside_a_fetch_is_not_read() -> None:
    """`name` needs `size`, which b was to give; that c has it as well, for a field beside, must not matter."""
    path: Path = ("me",)
    steps = Sequence((entities(1, "b", path, "size"), entities(2, "d", path, "name", "size")))
    beside = entities(3, "c", path, "age size")
    plan = Plan("query", Sequence((fetch_of(0, "a", "{ me { __typename id } }"), Parallel((beside, steps)))))
    answers: dict[str, Answer] = {
        "a": {"data": {"me": user(1)}},
        "b": SubgraphError("b", "down"),
        "c": {"data": {"_entities": [{"age": 7, "size": 3}]}},
        "d": {"data": {"_entities": [{"name": "never"}]}},
    }
    reported, asked = await in_all_orders(plan, "{ me { name age size } }", answers)
    assert asked["d"] == []
    assert reported == (
        b'{"data":{"me":{"name":null,"age":7,"size":3}},"errors":[{"message":"down","path":["me","name"],'
        b'"extensions":{"code":"SUBGRAPH_UNREACHABLE","service":"b"}}]}'
    )


async def test_errors_of_fetches_side_by_side_come_in_the_plans_order() -> None:
    """Of equal errors the first in the plan is kept, and beyond the limit the last are left out."""
    path: Path = ("me",)
    parts = tuple(
        entities(n, name, path, field) for n, name, field in ((1, "b", "size"), (2, "c", "age"), (3, "d", "name"))
    )
    plan = Plan("query", Sequence((fetch_of(0, "a", "{ me { __typename id } }"), Parallel(parts[::-1]))))
    answers: dict[str, Answer] = {
        "a": {"data": {"me": user(1)}},
        **{
            name: {"data": {"_entities": [{field: None}]}, "errors": [{"message": f"of {name}"}, {"message": "both"}]}
            for name, field in (("b", "size"), ("c", "age"), ("d", "name"))
        },
    }
    query = "{ me { size age name } }"
    reported, _ = await in_all_orders(plan, query, answers)
    assert [reported.index(text) for text in (b"of b", b"both", b"of c", b"of d")] == sorted(
        reported.index(text) for text in (b"of b", b"both", b"of c", b"of d")
    )
    assert reported.count(b"both") == 1
    reported, _ = await in_all_orders(plan, query, answers, max_errors=2)
    assert (b"of b" in reported, b"both" in reported, b"of c" in reported) == (True, True, False)
    assert b'"errorsOmitted":2' in reported
