"""Subscriptions at an event source (snapshot, filters, versions, slow consumers, loss), and at a subgraph."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway import errors
from botberi_gateway.config import EventSourceConfig
from botberi_gateway.errors import EventSourceError, SubgraphError
from botberi_gateway.executor import ExecutionResult, ExecutionStatistics, ExecutorKind
from botberi_gateway.plan import Entities, EventTrigger, Fetch, KeyField, Plan, Representation, Subscription
from botberi_gateway.subscriptions import Events, SourceEvent, Subscriber, subscribe
from botberi_gateway.subscriptions.fresh_flight import FreshSingleFlight
from botberi_gateway.subscriptions.router import EventRouter
from botberi_gateway.upstream import SubgraphRequest
from gateway.tests.executor.scripted import Scripted, errors_of
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of

SDL = """
  type Query { x: Int }
  type Subscription { jobUpdated(id: ID!): Job jobsUpdated: Job must(id: ID!): Job! ticks: Tick }
  type Job { id: ID! status: String version: Int done: Boolean }
  type Tick { number: Int job: Job }
"""
JOB = Representation(frozenset({"Job"}), None, (KeyField("id", "id"),))
OPERATION = (
    "query($representations: [_Any!]!) "
    "{ _entities(representations: $representations) { ... on Job { status v: version d: done } } }"
)


def rest(key: str = "jobUpdated") -> Fetch:
    return fetch_of(2, "jobs", OPERATION, entities=(Entities(((key,),), (JOB,)),))


def trigger(**changes: Any) -> EventTrigger:
    values: dict[str, Any] = {
        "response_key": "jobUpdated",
        "type_name": "Job",
        "key_fields": ("id",),
        "topics": ("job.*",),
        "where": ("id=$id",),
        "arguments": (("id", "$id"),),
        "snapshot": True,
        "version_key": "v",
        "until_key": "d",
        "key_sources": (("id", ("id",)),),
        **changes,
    }
    return EventTrigger(**values)


@dataclass
class Source:
    """An event source that a test feeds."""

    log: list[str] = field(default_factory=list)
    topics: list[Sequence[str]] = field(default_factory=list)
    open: int = 0
    refusal: Exception | None = None

    def __post_init__(self) -> None:
        self.queue: asyncio.Queue[SourceEvent | Exception | None] = asyncio.Queue()

    def event(self, id: str, **attributes: Any) -> None:
        self.queue.put_nowait(SourceEvent("job.updated", {"id": id}, {"id": id, **attributes}))

    @asynccontextmanager
    async def follow(self, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[SourceEvent]]:
        self.log.append("follow")
        self.topics.append(topics)
        if self.refusal is not None:
            raise self.refusal
        self.open += 1
        try:
            yield self._events()
        finally:
            self.open -= 1

    async def _events(self) -> AsyncIterator[SourceEvent]:
        while (item := await self.queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item


class Jobs:
    """The subgraph: jobs with a state that a test changes."""

    def __init__(self, **jobs: Mapping[str, Any] | None) -> None:
        self.jobs: dict[str, Mapping[str, Any] | None] = dict(jobs)
        self.log: list[str] = []

    def __call__(self, request: SubgraphRequest) -> dict[str, Any]:
        self.log.append("fetch")
        ids = [r["id"] for r in request.variables["representations"]]
        return {"data": {"_entities": [self.jobs.get(id) for id in ids]}}


def router_of(source: Source | None) -> EventRouter | None:
    """Gives up soon."""
    return (
        None
        if source is None
        else EventRouter(source, EventSourceConfig(loss_timeout_seconds=0.3, first_backoff_seconds=0.01))
    )


def job(version: int | str, *, done: bool = False) -> dict[str, Any]:
    return {"status": f"s{version}", "v": version, "d": done}


QUERY = "subscription($id: ID!) { jobUpdated(id: $id) { status } }"


def results(
    source: Source | None,
    jobs: Any,
    event: EventTrigger | None = None,
    query: str = QUERY,
    variables: Mapping[str, Any] | None = None,
    subject: str | None = None,
    last_event_id: str | None = None,
    **runtime: Any,
) -> AsyncIterator[ExecutionResult]:
    event = event or trigger()
    plan = Plan("subscription", Subscription(event, rest(event.response_key)))
    client = jobs if isinstance(jobs, Scripted) else Scripted([jobs])
    return subscribe(
        plan,
        operation_of(build_schema(SDL), query),
        {"id": "1"} if variables is None else variables,
        runtime_of({"jobs": client}, executor=ExecutorKind.BOTH, **runtime),
        subscriber=Subscriber(Events(router_of(source)), subject, last_event_id),
    )


async def take(stream: AsyncIterator[ExecutionResult]) -> Any:
    result = await asyncio.wait_for(anext(stream), 2)
    assert not result.errors, result.errors
    return result.data


async def nothing_comes(stream: AsyncIterator[ExecutionResult]) -> None:
    """Ends the stream, as a cancelled `anext` does."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.05)


async def test_follows_before_it_takes_the_snapshot() -> None:
    source, jobs = Source(), Jobs(**{"1": job(1)})
    jobs.log = source.log
    stream = results(source, jobs)
    assert await take(stream) == {"jobUpdated": {"status": "s1"}}
    assert source.log == ["follow", "fetch"]
    assert source.topics == [["job.*"]]
    await stream.aclose()  # type: ignore[attr-defined]
    assert source.open == 0


async def test_each_newer_state_then_completes() -> None:
    source, jobs = Source(), Jobs(**{"1": job(1)})
    stream = results(source, jobs)
    await take(stream)
    for version in (2, 3):
        jobs.jobs["1"] = job(version, done=version == 3)
        source.event("1")
        assert await take(stream) == {"jobUpdated": {"status": f"s{version}"}}
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert source.open == 0


async def test_a_snapshot_that_is_final_completes_at_once() -> None:
    stream = results(Source(), Jobs(**{"1": job(9, done=True)}))
    assert [r.data async for r in stream] == [{"jobUpdated": {"status": "s9"}}]


@pytest.mark.parametrize("versions", [(5, 5), (5, 4), ("10", "9"), ("5", "5")])
async def test_what_is_not_newer_is_not_delivered(versions: tuple[Any, Any]) -> None:
    source, jobs = Source(), Jobs(**{"1": job(versions[0])})
    stream = results(source, jobs)
    await take(stream)
    jobs.jobs["1"] = job(versions[1])
    source.event("1")
    await nothing_comes(stream)


async def test_versions_as_text_rise_as_numbers() -> None:
    source, jobs = Source(), Jobs(**{"1": job("9")})
    stream = results(source, jobs)
    await take(stream)
    jobs.jobs["1"] = job("10")
    source.event("1")
    assert await take(stream) == {"jobUpdated": {"status": "s10"}}


async def test_only_events_that_match() -> None:
    source, jobs = Source(), Jobs(**{"1": job(1), "2": job(1)})
    stream = results(source, jobs)
    await take(stream)
    source.event("2")
    await asyncio.sleep(0.02)
    jobs.jobs["1"] = job(2)
    source.event("1")
    assert await take(stream) == {"jobUpdated": {"status": "s2"}}


async def test_a_slow_consumer_gets_the_newest_state_once() -> None:
    source, jobs = Source(), Scripted([Jobs(**{"1": job(1)})])
    stream = results(source, jobs)
    await take(stream)
    state = jobs.answers[0]
    assert isinstance(state, Jobs)
    for version in range(2, 500):
        state.jobs["1"] = job(version)
        source.event("1")
    await asyncio.sleep(0.05)
    assert await take(stream) == {"jobUpdated": {"status": "s499"}}
    assert len(jobs.requests) == 2
    await nothing_comes(stream)


async def test_a_client_may_give_the_keys_name_to_another_field() -> None:
    """The planner then reads the key from a name of its own."""
    key = Representation(frozenset({"Job"}), None, (KeyField("id", "__id_0"),))
    operation = OPERATION.replace("status", "id: status")
    named = trigger(key_sources=(("id", ("__id_0",)),))
    node = Subscription(named, fetch_of(2, "jobs", operation, entities=(Entities((("jobUpdated",),), (key,)),)))
    query = operation_of(build_schema(SDL), "subscription($id: ID!) { jobUpdated(id: $id) { id: status } }")
    jobs = Scripted([{"data": {"_entities": [{"id": "fine", "v": 1, "d": True}]}}])
    stream = subscribe(
        Plan("subscription", node),
        query,
        {"id": "1"},
        runtime_of({"jobs": jobs}, executor=ExecutorKind.BOTH),
        subscriber=Subscriber(Events(router_of(Source()))),
    )
    assert [r.data async for r in stream] == [{"jobUpdated": {"id": "fine"}}]
    assert jobs.requests[0].variables["representations"] == [{"__typename": "Job", "id": "1"}]


ALL = trigger(response_key="jobsUpdated", where=("owner=@subject",), arguments=(), snapshot=False, until_key=None)
ALL_QUERY = "subscription { jobsUpdated { id status } }"


async def test_events_of_the_caller_alone() -> None:
    source, jobs = Source(), Jobs(**{"1": job(1), "2": job(1), "3": job(1)})
    stream = results(source, jobs, ALL, ALL_QUERY, subject="me")
    for id, owner in (("1", "you"), ("2", None), ("3", "me")):
        source.event(id, owner=owner)
    assert await take(stream) == {"jobsUpdated": {"id": "3", "status": "s1"}}


async def test_versions_are_by_entity() -> None:
    source, jobs = Source(), Jobs(**{"1": job(7), "2": job(3)})
    stream = results(source, jobs, ALL, ALL_QUERY, subject="me")
    for id in ("1", "2"):
        source.event(id, owner="me")
        assert (await take(stream))["jobsUpdated"]["id"] == id


async def test_unknown_entity_of_many_is_passed_over() -> None:
    source, jobs = Source(), Jobs(**{"1": None, "2": job(1)})
    stream = results(source, jobs, ALL, ALL_QUERY, subject="me")
    source.event("1", owner="me")
    source.event("2", owner="me")
    assert (await take(stream))["jobsUpdated"]["id"] == "2"


async def test_too_many_entities_for_a_slow_consumer_end_it() -> None:
    source, jobs = Source(), Jobs(**{str(i): job(1) for i in range(50)})
    stream = results(source, jobs, ALL, ALL_QUERY, subject="me", max_pending_events=10)
    source.event("0", owner="me")
    await take(stream)
    for number in range(1, 50):
        source.event(str(number), owner="me")
    await asyncio.sleep(0.02)
    last = [result async for result in stream]
    assert [e.code for e in last[-1].errors] == [errors.SLOW_CONSUMER]
    assert source.open == 0


async def test_an_anonymous_caller_has_no_subject() -> None:
    stream = results(Source(), Jobs(), ALL, ALL_QUERY)
    found = [result async for result in stream]
    assert [errors_of(result) for result in found] == [[(["jobsUpdated"], errors.UNAUTHENTICATED)]]


async def test_missing_argument_is_refused() -> None:
    source = Source()
    found = [result async for result in results(source, Jobs(), variables={})]
    assert [e.code for e in found[0].errors] == [errors.BAD_USER_INPUT]
    assert not source.topics


@pytest.mark.parametrize("first", [True, False])
async def test_an_unknown_entity_is_an_error_and_the_end(first: bool) -> None:
    source, jobs = Source(), Jobs(**{"1": None if first else job(1)})
    stream = results(source, jobs)
    if not first:
        await take(stream)
        jobs.jobs["1"] = None
        source.event("1")
    found = [result async for result in stream]
    assert [result.data for result in found] == [{"jobUpdated": None}]
    assert errors_of(found[0]) == [(["jobUpdated"], "NOT_FOUND")]
    assert source.open == 0


async def test_an_unknown_entity_of_a_non_null_field() -> None:
    event = trigger(response_key="must")
    stream = results(Source(), Jobs(), event, "subscription($id: ID!) { must(id: $id) { status } }")
    found = [result async for result in stream]
    assert [result.data for result in found] == [None]
    assert errors_of(found[0]) == [(["must"], "NOT_FOUND")]


async def test_a_failing_subgraph_is_an_error_and_the_stream_goes_on() -> None:
    source, state = Source(), Jobs(**{"1": job(1)})
    stream = results(source, Scripted([SubgraphError("jobs", "down"), state]))
    broken = await anext(stream)
    assert broken.data == {"jobUpdated": {"status": None}}
    assert errors_of(broken) == [(["jobUpdated", "status"], errors.SUBGRAPH_UNREACHABLE)]
    source.event("1")
    assert await take(stream) == {"jobUpdated": {"status": "s1"}}


async def test_what_a_failing_subgraph_did_not_say_is_asked_again() -> None:
    """Its error is reported once; the event that it cost may have been the last one."""
    down = SubgraphError("jobs", "down")
    source, state = Source(), Jobs(**{"1": job(1)})
    stream = results(source, Scripted([state, down, down, Jobs(**{"1": job(2, done=True)})]))
    await take(stream)
    source.event("1")
    assert [bool(result.errors) async for result in stream] == [True, False]


# -- resume


@pytest.mark.parametrize("version", [5, "5", 5.0])
async def test_resuming_skips_what_was_seen(version: Any) -> None:
    source, jobs = Source(), Jobs(**{"1": job(version)})
    stream = results(source, jobs, last_event_id="5")
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.05)
    assert not first.done()
    jobs.jobs["1"] = job(type(version)(6))
    source.event("1")
    result = await asyncio.wait_for(first, 2)
    assert (result.event_id, result.to_json()["extensions"]) == (str(type(version)(6)), {"eventId": result.event_id})


async def test_resuming_after_an_older_state_gets_the_present_one() -> None:
    stream = results(Source(), Jobs(**{"1": job(9)}), last_event_id="5")
    assert await take(stream) == {"jobUpdated": {"status": "s9"}}


async def test_resuming_after_the_end_is_the_end() -> None:
    stream = results(Source(), Jobs(**{"1": job(9, done=True)}), last_event_id="9")
    assert [r async for r in stream] == []


async def test_the_argument_after_resumes_and_the_transport_knows_better() -> None:
    event = trigger(arguments=(("id", "$id"), ("after", "$after")))
    variables = {"id": "1", "after": "5"}
    jobs = Jobs(**{"1": job(5, done=True)})
    assert [r async for r in results(Source(), jobs, event, variables=variables)] == []
    newer = Jobs(**{"1": job(7, done=True)})
    assert [r async for r in results(Source(), newer, event, variables=variables, last_event_id="7")] == []


@pytest.mark.parametrize("cursor", ["five", "5\n", "x" * 2000])
async def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    found = [r async for r in results(Source(), Jobs(**{"1": job(5)}), last_event_id=cursor)]
    assert [e.code for e in found[0].errors] == [errors.BAD_USER_INPUT]
    assert len(found) == 1


# -- what equal subscriptions share


async def test_equal_subscriptions_ask_once() -> None:
    source, jobs = Source(), Scripted([Jobs(**{"1": job(1)})], delay=0.01)
    single_flight: FreshSingleFlight[Any] = FreshSingleFlight()
    events = Events(router_of(source))
    plan = Plan("subscription", Subscription(trigger(), rest()))
    operation = operation_of(build_schema(SDL), QUERY)
    streams = [
        subscribe(
            plan,
            operation,
            {"id": "1"},
            runtime_of({"jobs": jobs}),
            subscriber=Subscriber(events, single_flight=single_flight),
        )
        for _ in range(50)
    ]
    assert await asyncio.gather(*map(take, streams)) == [{"jobUpdated": {"status": "s1"}}] * 50
    assert len(jobs.requests) <= 2
    assert len(source.topics) == 1
    before, state = len(jobs.requests), jobs.answers[0]
    assert isinstance(state, Jobs)
    state.jobs["1"] = job(2)
    source.event("1")
    found = await asyncio.gather(*(asyncio.wait_for(anext(stream), 2) for stream in streams))
    assert len(jobs.requests) == before + 1
    assert len({id(result.to_bytes()) for result in found}) == 1, "written once"
    assert single_flight.members == 50
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]
    assert (single_flight.members, source.open) == (0, 0)


async def test_an_answer_that_was_asked_for_before_the_news_serves_no_subscription() -> None:
    """Properties of sharing: a subscription that heard of a change gets an answer that was asked for afterwards."""
    single_flight: FreshSingleFlight[int] = FreshSingleFlight()
    single_flight.members = 2
    now = 0

    async def work() -> int:
        seen = now
        await asyncio.sleep(0.01)
        return seen

    async def asker(delay: float) -> bool:
        await asyncio.sleep(delay)
        nonlocal now
        now += 1
        mine, since = now, single_flight.stamp()
        return await single_flight.ask(b"", since, work) >= mine

    assert all(await asyncio.gather(*(asker(i * 0.0007) for i in range(100))))


LOSSES = [EventSourceError("The bus is gone."), ValueError("secret")]


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_lost_source_is_followed_again_and_the_present_state_read(loss: Exception) -> None:
    source, jobs = Source(), Jobs(**{"1": job(1)})
    stream = results(source, jobs)
    await take(stream)
    source.queue.put_nowait(loss)
    jobs.jobs["1"] = job(2)  # no subscription hears of it
    assert await take(stream) == {"jobUpdated": {"status": "s2"}}
    source.queue.put_nowait(loss)  # nothing happened meanwhile: nothing is delivered twice
    await nothing_comes(stream)


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_source_that_stays_lost_is_an_error_and_the_end(loss: Exception) -> None:
    source = Source()
    stream = results(source, Jobs(**{"1": job(1)}))
    await take(stream)
    source.refusal = loss
    source.queue.put_nowait(loss)
    found = [result async for result in stream]
    assert [e.code for e in found[0].errors] == [errors.EVENT_SOURCE_UNAVAILABLE]
    assert "secret" not in found[0].errors[0].message
    assert len(found) == 1
    assert source.open == 0


async def test_missed_events_that_nothing_can_make_up_for_are_an_error() -> None:
    source = Source()
    stream = results(source, Jobs(**{"1": job(1)}), ALL, ALL_QUERY, subject="me")
    source.event("1", owner="me")
    await take(stream)
    source.queue.put_nowait(EventSourceError("gone"))
    assert [e.code async for r in stream for e in r.errors] == [errors.EVENT_SOURCE_UNAVAILABLE]


async def test_a_source_that_ends_completes() -> None:
    source = Source()
    stream = results(source, Jobs(**{"1": job(1)}))
    await take(stream)
    source.queue.put_nowait(None)
    assert [result async for result in stream] == []


@pytest.mark.parametrize("refusal", [EventSourceError("Not now."), OSError("secret")])
async def test_a_source_that_refuses_is_an_error(refusal: Exception) -> None:
    found = [result async for result in results(Source(refusal=refusal), Jobs())]
    assert [e.code for e in found[0].errors] == [errors.EVENT_SOURCE_UNAVAILABLE]
    assert "secret" not in found[0].errors[0].message


async def test_no_event_source() -> None:
    found = [result async for result in results(None, Jobs())]
    assert [e.code for e in found[0].errors] == [errors.EVENT_SOURCE_UNAVAILABLE]


async def test_a_query_is_no_subscription() -> None:
    operation = operation_of(build_schema(SDL), "{ x }")
    found = [r async for r in subscribe(Plan("query", fetch_of(1, "a", "{ x }")), operation, {}, runtime_of({}))]
    assert [e.code for e in found[0].errors] == [errors.BAD_REQUEST]


# -- a subgraph's own subscription

TICKS = "subscription { ticks { number job { status } } }"


def tick_results(ticks: Scripted, jobs: Any) -> AsyncIterator[ExecutionResult]:
    entities = (Entities((("ticks", "job"),), (JOB,)),)
    node = Subscription(
        fetch_of(1, "ticks", "subscription { ticks { number job { __typename id } } }", kind="subscription"),
        fetch_of(2, "jobs", OPERATION, entities=entities),
    )
    clients = {"ticks": ticks, "jobs": Scripted([jobs])}
    return subscribe(Plan("subscription", node), operation_of(build_schema(SDL), TICKS), {}, runtime_of(clients))


def tick(number: int) -> dict[str, Any]:
    return {"data": {"ticks": {"number": number, "job": {"__typename": "Job", "id": "1"}}}}


async def test_a_subgraphs_events_are_completed_from_other_subgraphs() -> None:
    found = [r.data async for r in tick_results(Scripted([tick(1), tick(2)]), Jobs(**{"1": job(1)}))]
    assert found == [{"ticks": {"number": n, "job": {"status": "s1"}}} for n in (1, 2)]


async def test_a_subgraphs_lost_subscription_is_an_error_and_the_end() -> None:
    ticks = Scripted([tick(1), SubgraphError("ticks", "gone")])
    found = [r async for r in tick_results(ticks, Jobs(**{"1": job(1)}))]
    assert [bool(r.errors) for r in found] == [False, True]
    assert found[-1].errors[0].extensions == {"service": "ticks"}


async def test_a_subgraphs_event_with_errors() -> None:
    bad = {"data": None, "errors": [{"message": "no tick", "path": ["ticks"]}]}
    found = [r async for r in tick_results(Scripted([bad, tick(2)]), Jobs(**{"1": job(1)}))]
    assert [r.data for r in found] == [{"ticks": None}, {"ticks": {"number": 2, "job": {"status": "s1"}}}]
    assert errors_of(found[0]) == [(["ticks"], errors.DOWNSTREAM_SERVICE_ERROR)]


async def test_a_fault_of_our_own_is_an_error_and_the_end() -> None:
    def headers(subgraph: str) -> Mapping[str, str]:
        raise ZeroDivisionError("secret")

    node = Subscription(fetch_of(1, "ticks", "subscription { ticks { number } }", kind="subscription"))
    runtime = runtime_of({"ticks": Scripted([tick(1)])}, headers=headers)
    operation = operation_of(build_schema(SDL), TICKS)
    found = [result async for result in subscribe(Plan("subscription", node), operation, {}, runtime)]
    assert [e.code for e in found[0].errors] == [errors.INTERNAL_SERVER_ERROR]
    assert "secret" not in found[0].errors[0].message


@pytest.mark.parametrize(
    ("answer", "messages"),
    [
        ({"data": {"_entities": [job(1, done=True)]}}, []),
        (SubgraphError("jobs", "refused"), ["refused"]),
        ({"data": None, "errors": [{"message": "no"}]}, ["no"]),
        ({"data": {"_entities": [None]}}, ["There is no such Job."]),
    ],
    ids=["a state", "a failed request", "no data", "nothing"],
)
async def test_events_of_a_source_are_answered_by_compiled_code(answer: Any, messages: list[str]) -> None:
    counts = ExecutionStatistics()
    stream = results(Source(), Scripted([answer]), statistics=counts)
    result = await asyncio.wait_for(anext(stream), 2)
    assert [error.message for error in result.errors] == messages
    assert (counts.compiled, counts.bail_outs, counts.interpreted) == (1, {}, {})
    await stream.aclose()  # type: ignore[attr-defined]
