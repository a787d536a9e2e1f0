"""A query's first runs are interpreted; what comes again is compiled aside, and no run waits for that."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.errors import GatewayError, SubgraphError
from botberi_gateway.executor import Compiled
from botberi_gateway.plan import ListItems, Parallel, Plan, Sequence
from gateway.tests.executor.scripted import Scripted
from gateway.tests.executor.test_typed import SDL, entities, of_each, users
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of


class Aside:
    """A compiler that compiles when the test says so."""

    max_interpreted_runs = 2
    max_untyped_runs = 5

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self.is_overloaded = False
        self.at_once = 0

    def later(self, work: Callable[[], Any], then: Callable[[Any], None]) -> bool:
        if not self.is_overloaded:
            self.waiting.append((work, then))
        return not self.is_overloaded

    def now(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        if self.is_overloaded:
            raise GatewayError("too much", code="OVERLOADED")
        self.at_once += 1
        return asyncio.get_running_loop().run_in_executor(None, work)

    def compile(self) -> None:
        while self.waiting:
            work, then = self.waiting.pop(0)
            then(work())


class Site:
    """One plan over clients that give the same answers again and again."""

    def __init__(self, query: str, plan: Plan, variables: dict[str, Any] | None = None, **answers: Any) -> None:
        self.clients = {name: Scripted([answer]) for name, answer in answers.items()}
        self.aside = Aside()
        self.plan, self.operation = plan, operation_of(build_schema(SDL + "type Mutation { rename: User }"), query)
        self.compiled = Compiled(plan, self.operation, self.aside)
        self.variables = variables or {}
        self.runtime = runtime_of(self.clients)

    async def run(self, **variables: Any) -> bytes:
        return (await self.compiled.execute(variables or self.variables, self.runtime)).to_bytes()

    async def reference(self) -> bytes:
        return (await Compiled(self.plan, self.operation).execute(self.variables, self.runtime)).to_bytes()

    @property
    def requests(self) -> list[str]:
        return [request.operation for client in self.clients.values() for request in client.requests]

    def counts(self) -> tuple[int, int]:
        """Runs by the interpreter, and by compiled code."""
        statistics = self.runtime.environment.statistics
        return statistics.interpreted["first runs"], statistics.compiled


NAMES = Plan(
    "query",
    Sequence((fetch_of(0, "a", "{ users { __typename id } }"), entities(1, "b", "name", ("users", ListItems())))),
)
QUERY = "{ users { id name } }"


def few() -> Site:
    return Site(QUERY, NAMES, a=users({"id": "1"}, {"id": "2"}), b=of_each(lambda id: {"name": f"n{id}"}))


async def test_first_runs_are_interpreted_and_the_third_is_compiled_aside() -> None:
    site = few()
    first = await site.run()
    await site.run()
    assert not site.aside.waiting, "what came twice may never come again"
    await site.run()
    assert len(site.aside.waiting) == 1
    assert site.counts() == (3, 0), "the run that asks for the program doesn't wait for it"
    await site.run()
    assert len(site.aside.waiting) == 1, "it is asked for once"
    site.aside.compile()
    assert await site.run() == first
    assert site.counts() == (4, 1)
    await site.run()
    assert not site.aside.waiting
    await site.run()
    assert len(site.aside.waiting) == 1, "the program over typed answers, after five runs"
    site.aside.compile()
    assert await site.run() == first == await site.reference()


async def test_each_set_of_conditions_has_its_own_first_runs() -> None:
    fetch = fetch_of(0, "a", "query($n: Boolean!) { me { id name @include(if: $n) } }", variables=("n",))
    site = Site(
        "query($n: Boolean!) { me { id name @include(if: $n) } }",
        Plan("query", fetch),
        a={"data": {"me": {"id": "1", "name": "x"}}},
    )
    for _ in range(3):
        await site.run(n=True)
    site.aside.compile()
    await site.run(n=True)
    await site.run(n=False)
    assert site.counts() == (4, 1)


async def test_while_too_much_waits_to_be_compiled_the_interpreter_goes_on() -> None:
    site = few()
    site.aside.is_overloaded = True
    answers = {await site.run() for _ in range(6)}
    assert answers == {await site.reference()}
    assert site.counts()[0] == 6
    site.aside.is_overloaded = False
    await site.run()
    assert len(site.aside.waiting) == 1


def many(answer: Callable[[str], Any]) -> Site:
    ids = [{"id": str(number), "seen": "x" * 100} for number in range(300)]
    return Site("{ users { id seen name } }", NAMES, a=users(*ids), b=of_each(answer))


ANSWERS: list[tuple[str, Callable[[str], Any]]] = [
    ("names", lambda id: {"name": f"n{id}"}),
    ("nulls", lambda id: None if id == "7" else {"name": None}),
    ("wrong values", lambda id: {"name": [id]}),
    ("too few entities", lambda id: {}),
]


@pytest.mark.parametrize(("label", "answer"), ANSWERS, ids=[label for label, _ in ANSWERS])
async def test_a_large_first_run_is_compiled_at_once_and_goes_on_with_its_answers(
    label: str, answer: Callable[[str], Any]
) -> None:
    site = many(answer)
    made = await site.run()
    assert site.aside.at_once == 1
    assert len(site.requests) == 2, "nothing is asked twice"
    assert made == await site.reference()


async def test_a_large_first_run_without_a_free_thread_is_interpreted_over_its_answers() -> None:
    site = many(lambda id: {"name": f"n{id}"})
    site.aside.is_overloaded = True
    made = await site.run()
    assert len(site.requests) == 2
    assert made == await site.reference()


async def test_requests_under_way_end_before_a_large_first_run_is_compiled() -> None:
    slow = fetch_of(2, "slow", "{ top { title } }")
    node = Parallel((NAMES.node, slow))
    site = Site(
        "{ users { id name } top { title } }",
        Plan("query", node),
        a=users(*[{"id": str(number)} for number in range(1000)]),
        b=of_each(lambda id: {"name": id}),
        slow={"data": {"top": [{"title": "t"}]}},
    )
    site.clients["slow"].delay = 0.05
    made = await site.run()
    assert sorted(len(client.requests) for client in site.clients.values()) == [1, 1, 1]
    assert made == await site.reference()


async def test_a_mutation_with_a_large_answer_is_sent_once() -> None:
    ids = [{"__typename": "User", "id": str(number)} for number in range(1000)]
    plan = Plan(
        "mutation",
        Sequence(
            (
                fetch_of(0, "a", "mutation { rename { id items { owner { __typename id } } } }", kind="mutation"),
                entities(1, "b", "name", ("rename", "items", ListItems(), "owner")),
            )
        ),
    )
    site = Site(
        "mutation { rename { id items { owner { name } } } }",
        plan,
        a={"data": {"rename": {"id": "1", "items": [{"owner": one} for one in ids]}}},
        b=of_each(lambda id: {"name": id}),
    )
    made = await site.run()
    assert [request.startswith("mutation") for request in site.requests].count(True) == 1
    assert site.aside.at_once == 1
    assert made == await site.reference()


async def test_a_failed_request_of_a_large_first_run_is_not_sent_again() -> None:

    site = many(lambda id: {"name": id})
    site.clients["b"].answers = [SubgraphError("b", "gone", code="SUBGRAPH_UNREACHABLE")]
    made = await site.run()
    assert len(site.clients["b"].requests) == 1
    assert b"gone" in made
