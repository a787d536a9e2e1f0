"""Subscriptions at an event source, through the gateway: feeds with cursors, sharing, a supergraph that is replaced."""

import asyncio
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.engine import Gateway, GraphQLRequest
from botberi_gateway.errors import EventSourceError
from botberi_gateway.executor import ExecutionResult
from gateway.tests.executor.scripted import errors_of
from gateway.tests.support.event_graph import JOBS, Graph, Jobs


async def take(results: Any, count: int = 1) -> list[ExecutionResult]:
    return [await asyncio.wait_for(anext(results), 2) for _ in range(count)]


LINES = (
    "subscription($id: ID!, $after: String) { l: lines(id: $id, after: $after) { ...Fields } } "
    "fragment Fields on Line { text n: number machine { name } }"
)


# -- feeds


async def test_every_row_once_in_order_then_the_end() -> None:
    graph = Graph()
    graph.jobs.lines += ["a", "b", "c"]
    results = await graph.results(LINES, {"id": "7"})
    first = await take(results, 3)
    graph.line("d")
    graph.line("e")
    rest = await take(results, 2)
    graph.jobs.done = True
    graph.line("f")
    rest += [result async for result in results]
    found = [*first, *rest]
    assert [result.data for result in found] == [
        {"l": {"text": text, "n": n, "machine": {"name": "big"}}} for n, text in enumerate("abcdef", 1)
    ]
    assert [result.event_id for result in found] == list("123456")
    assert not graph.bus.followers


@pytest.mark.parametrize("by", ["argument", "transport", "both"])
async def test_a_feed_resumes_from_the_cursor(by: str) -> None:
    graph = Graph()
    graph.jobs.lines += list("abcde")
    graph.jobs.done = True
    variables = (
        {"id": "7", "after": "3"} if by == "argument" else {"id": "7", "after": "1"} if by == "both" else {"id": "7"}
    )
    results = await graph.results(LINES, variables, last_event_id=None if by == "argument" else "3")
    assert [result.event_id async for result in results] == ["4", "5"]


async def test_rows_over_reconnects_at_any_moment() -> None:
    """Property: whatever the moment of a disconnect, the cursor of the last row that came gives exactly the rest."""
    graph = Graph()
    seen: list[str] = []
    cursor: str | None = None
    for number in range(1, 41):
        graph.line(str(number))
        results = await graph.results(LINES, {"id": "7", "after": cursor})
        for result in await take(results, min(number % 4, number - len(seen))):
            seen.append(result.data["l"]["text"])
            cursor = result.event_id
        await results.aclose()
    graph.jobs.done = True
    results = await graph.results(LINES, {"id": "7", "after": cursor})
    seen += [result.data["l"]["text"] async for result in results]
    assert seen == [str(number) for number in range(1, 41)]


async def test_a_reader_who_is_slow_gets_every_row_and_nothing_waits_in_memory() -> None:
    graph = Graph()
    results = await graph.results(LINES, {"id": "7"})
    pulling = asyncio.ensure_future(take(results))
    await asyncio.sleep(0.05)
    for number in range(1, 51):
        graph.line(str(number))
    await asyncio.sleep(0.05)
    assert len(graph.jobs.requests) <= 4
    rows = await pulling + await take(results, 49)
    assert [row.event_id for row in rows] == [str(number) for number in range(1, 51)]
    await results.aclose()


async def test_a_feed_that_is_not_there_is_an_error_and_the_end() -> None:
    graph = Graph()
    graph.jobs.missing = True
    found = [result async for result in await graph.results(LINES, {"id": "7"})]
    assert [(result.data, errors_of(result)) for result in found] == [({"l": None}, [(["l"], "NOT_FOUND")])]


async def test_a_feed_whose_subgraph_fails_goes_on_without_a_hole() -> None:
    graph = Graph()
    graph.line("a")
    results = await graph.results(LINES, {"id": "7"})
    await take(results)
    graph.jobs.down = True
    graph.line("b")
    (failed,) = await take(results)
    assert errors_of(failed) == [(["l"], errors.SUBGRAPH_UNREACHABLE)]
    graph.line("c")
    await asyncio.sleep(0.05)
    graph.jobs.down = False
    assert [row.event_id for row in await take(results, 2)] == ["2", "3"]
    await results.aclose()


async def test_what_was_missed_while_the_bus_was_lost_is_read() -> None:
    graph = Graph()
    results = await graph.results(LINES, {"id": "7"})
    pulling = asyncio.ensure_future(take(results, 2))
    await asyncio.sleep(0.05)
    graph.jobs.lines += ["a", "b"]  # without an event
    graph.bus.send(EventSourceError("gone"))
    assert [row.event_id for row in await pulling] == ["1", "2"]
    await results.aclose()


# -- filters


async def next_ids(results: Any) -> list[str]:
    found = []
    try:
        while True:
            found.append((await asyncio.wait_for(anext(results), 0.1)).data["jobsOf"]["id"])
    except TimeoutError:
        return found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["red", "blue", "none"]),
        ({"teams": None}, ["red", "blue", "none"]),
        ({"teams": ["red"]}, ["red"]),
        ({"teams": ["red", "blue"]}, ["red", "blue"]),
        ({"teams": ["green"]}, []),
    ],
)
async def test_filters_by_optional_arguments_and_lists(variables: Any, expected: list[str]) -> None:
    graph = Graph()
    results = await graph.results("subscription($teams: [String!]) { jobsOf(teams: $teams) { id version } }", variables)
    waiting = asyncio.ensure_future(next_ids(results))
    await asyncio.sleep(0.03)
    for id, attributes in {
        "red": {"team": "red"},
        "blue": {"team": "blue"},
        "none": {},
        "task": {"kind": "task"},
    }.items():
        graph.tell(id, **attributes)
    assert await waiting == expected


@pytest.mark.parametrize(("state", "topic"), [(None, "task.any"), ("late", "task.late")])
async def test_arguments_in_routing_keys(state: str | None, topic: str) -> None:
    graph = Graph()
    query = "subscription($s: String) { jobsOf(state: $s) { id } }"
    results = await graph.results(query, {} if state is None else {"s": state})
    waiting = asyncio.ensure_future(next_ids(results))
    await asyncio.sleep(0.03)
    assert [sorted(topics) for topics in graph.bus.followers.values()] == [["job.*", topic]]
    assert await waiting == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('subscription { jobsOf(state: "#") { id } }', errors.BAD_USER_INPUT),
        ('subscription { jobsOf(state: "a.b") { id } }', errors.BAD_USER_INPUT),
        ('subscription { jobsOf(state: "") { id } }', errors.BAD_USER_INPUT),
        ("subscription { jobsOf(teams: []) { id } }", errors.BAD_USER_INPUT),
    ],
)
async def test_arguments_that_would_follow_too_much_or_nothing(query: str, code: str) -> None:
    graph = Graph()
    found = [result async for result in await graph.results(query)]
    assert [e.code for e in found[0].errors] == [code]
    assert not graph.bus.followers


# -- sharing


@pytest.mark.parametrize(("share", "most"), [(lambda n: "ada", 2), (lambda n: n, 20), (lambda n: None, 20)])
async def test_equal_subscriptions_of_equal_identity_are_resolved_once(share: Any, most: int) -> None:
    graph = Graph()
    query = "subscription { jobUpdated(id: 7) { version extra } }"
    streams = [await graph.results(query, share=share(n)) for n in range(20)]
    await asyncio.gather(*map(take, streams))
    graph.jobs.version = 2
    before = len(graph.jobs.requests)
    waiting = asyncio.gather(*map(take, streams))
    graph.tell()
    assert [result.data for (result,) in await waiting] == [{"jobUpdated": {"version": 2, "extra": "x"}}] * 20
    assert len(graph.jobs.requests) - before <= most
    assert len(graph.jobs.requests) - before == (1 if most == 2 else 20)
    for stream in streams:
        await stream.aclose()


async def test_other_variables_share_nothing() -> None:
    graph = Graph()
    query = "subscription($id: ID!) { jobUpdated(id: $id) { id } }"
    streams = [await graph.results(query, {"id": id}, share="ada") for id in ("1", "2")]
    found = await asyncio.gather(*map(take, streams))
    assert [result.data["jobUpdated"]["id"] for (result,) in found] == ["1", "2"]
    for stream in streams:
        await stream.aclose()


# -- a new supergraph


async def test_it_goes_on_with_the_new_supergraph_and_its_clients() -> None:
    graph = Graph()
    results = await graph.results("subscription { jobUpdated(id: 7) { version extra } }")
    await take(results)
    old, new = graph.jobs, Jobs()
    new.version = 2
    sources = graph.sources(JOBS.replace("EXTRA", "extra: String more: Int"), new)
    replacement = Gateway.from_subgraphs(sources)
    asked = len(old.requests)
    waiting = asyncio.ensure_future(take(results))
    await asyncio.sleep(0.01)
    await graph.gateway.replace(replacement.supergraph, {n: s.connect(n) for n, s in sources.items()})
    await asyncio.sleep(0.05)
    graph.tell()
    assert [r.data for r in await waiting] == [{"jobUpdated": {"version": 2, "extra": "x"}}]
    assert (len(old.requests), len(new.requests)) == (asked, 1)
    await results.aclose()


async def test_new_conditions_and_topics_are_followed_from_the_swap_on() -> None:
    graph = Graph()
    results = await graph.results("subscription { jobUpdated(id: 7) { version } }")
    await take(results)
    sources = graph.sources(
        JOBS.replace("EXTRA", "extra: String").replace(
            'topics: ["job.*"], where: ["id=$id"]', 'topics: ["work.#"], where: ["id=$id"]'
        )
    )
    graph.jobs.version = 2  # changed while nothing followed the right topics
    waiting = asyncio.ensure_future(take(results))
    await asyncio.sleep(0.01)
    await graph.gateway.replace(Gateway.from_subgraphs(sources).supergraph)
    assert [r.data for r in await waiting] == [{"jobUpdated": {"version": 2}}]
    assert [list(topics) for topics in graph.bus.followers.values()] == [["work.#"]]
    await results.aclose()


async def test_a_selection_that_is_gone_ends_with_a_clear_error() -> None:
    graph = Graph()
    results = await graph.results("subscription { jobUpdated(id: 7) { version extra } }")
    valid = await graph.results("subscription { jobUpdated(id: 7) { version } }")
    await take(results)
    await take(valid)
    await graph.gateway.replace(Gateway.from_subgraphs(graph.sources(JOBS.replace("EXTRA", ""))).supergraph)
    (last,) = [result async for result in results]
    assert [e.code for e in last.errors] == [errors.SUBSCRIPTION_SCHEMA_RELOAD]
    assert "extra" in last.errors[0].message
    graph.jobs.version = 2
    graph.tell()
    assert [r.data for r in await take(valid)] == [{"jobUpdated": {"version": 2}}]
    await valid.aclose()


async def test_a_feed_goes_on_where_it_was() -> None:
    graph = Graph()
    graph.line("a")
    results = await graph.results(LINES, {"id": "7"})
    assert [r.event_id for r in await take(results)] == ["1"]
    sources = graph.sources(JOBS.replace("EXTRA", "").replace("first: 2, after", "first: 1, after"))
    waiting = asyncio.ensure_future(take(results))
    await asyncio.sleep(0.01)
    await graph.gateway.replace(Gateway.from_subgraphs(sources).supergraph)
    graph.line("b")
    assert [r.event_id for r in await waiting] == ["2"]
    await results.aclose()


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        ("nothing(after: $after)", "doesn't exist"),
        ("job(id: $id) { log }", "needs \\$after"),
        ("job(id: $id) { log(after: $after) ", "can't be read"),
        ("job(id: $id) { id log(after: $after) }", "a path of fields"),
        ("job(id: $after)", "can't be ID!"),
    ],
)
async def test_a_feed_that_does_not_fit_says_what_is_wrong(feed: str, says: str) -> None:
    graph = Graph()
    sources = graph.sources(JOBS.replace("EXTRA", "").replace("job(id: $id) { log(first: 2, after: $after) }", feed))
    with pytest.raises(Exception, match=says):
        await Gateway.from_subgraphs(sources, event_source=graph.bus).subscribe(
            GraphQLRequest(LINES, variables={"id": "7"})
        )
