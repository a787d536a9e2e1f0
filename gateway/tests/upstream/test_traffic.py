"""Traffic to a subgraph by rules: retries, circuit breaker, several addresses, deadlines, compression, Unix sockets."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.config import (
    Balancing,
    BalancingConfig,
    BreakerConfig,
    EngineConfig,
    RetryConfig,
    SubgraphConfig,
)
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.errors import SubgraphError
from botberi_gateway.server.metrics import Metrics
from botberi_gateway.supergraph import Supergraph
from botberi_gateway.upstream import HttpClient
from botberi_gateway.upstream.balance import Balancer
from botberi_gateway.upstream.breaker import Breaker, CircuitState
from botberi_gateway.upstream.port import SubgraphRequest
from botberi_gateway.upstream.retry import seconds_of
from gateway.tests.support.toy_graph import SUPERGRAPH
from gateway.tests.upstream.hostile import Connection, Hostile, Script, answers, hangs, hostile, listens, response
from gateway.tests.upstream.wires import over_mutual_tls, over_tls

FINE = response({"data": {"a": 1}})
BUSY = response("later", status="503 Service Unavailable", content_type="text/plain")
RETRY = RetryConfig(max_attempts=3, first_backoff_seconds=0.01, max_backoff_seconds=0.02)
QUERY = SubgraphRequest("{ a }")
MUTATION = SubgraphRequest("mutation { a }", kind="mutation")


@asynccontextmanager
async def calling(script: Script, config: SubgraphConfig) -> AsyncIterator[tuple[HttpClient, Hostile]]:
    async with hostile(script) as server:
        client = HttpClient("a", server.url, config)
        try:
            yield client, server
        finally:
            await client.aclose()


def turns(*replies: bytes) -> Script:
    """The replies one after the other; the last one for ever."""
    left = list(replies)

    async def script(connection: Connection) -> None:
        await connection.send(left.pop(0) if len(left) > 1 else left[0])

    return script


async def outcome(client: HttpClient, request: SubgraphRequest = QUERY) -> str:
    """`ok`, or the error's code."""
    try:
        answer = await client.execute(request)
    except SubgraphError as error:
        return error.code
    return "refused" if answer.errors else "ok"


REFUSED = response({"errors": [{"message": "busy"}]}, status="503 Service Unavailable")
#: Replies, request, attempts that are made, outcome.
RETRIED: list[tuple[list[bytes], SubgraphRequest, int, str]] = [
    ([BUSY, FINE], QUERY, 2, "ok"),
    ([BUSY, BUSY, FINE], QUERY, 3, "ok"),
    ([BUSY, BUSY, BUSY, FINE], QUERY, 3, errors.SUBGRAPH_HTTP_ERROR),
    ([REFUSED, FINE], QUERY, 2, "ok"),
    ([REFUSED, REFUSED, REFUSED], QUERY, 3, "refused"),
    ([BUSY, FINE], MUTATION, 1, errors.SUBGRAPH_HTTP_ERROR),
    ([BUSY.replace(b"503", b"400"), FINE], QUERY, 1, errors.SUBGRAPH_HTTP_ERROR),
    ([response({"errors": [{"message": "no"}]}), FINE], QUERY, 1, "refused"),
]


@pytest.mark.parametrize(("replies", "request_", "attempts", "expected"), RETRIED)
async def test_what_is_sent_again(
    replies: list[bytes], request_: SubgraphRequest, attempts: int, expected: str
) -> None:
    async with calling(turns(*replies), SubgraphConfig(retry=RETRY)) as (client, server):
        assert await outcome(client, request_) == expected
        assert len(server.requests) == attempts


async def test_by_default_nothing_is_sent_again_and_nothing_stands_in_between() -> None:
    async with calling(turns(BUSY, FINE), SubgraphConfig()) as (client, server):
        assert client.traffic is None
        assert await outcome(client) == errors.SUBGRAPH_HTTP_ERROR
        assert len(server.requests) == 1


async def test_retry_after_is_waited_for_if_it_is_short() -> None:
    def busy(seconds: str) -> bytes:
        return BUSY.replace(b"content-type", b"retry-after: " + seconds.encode() + b"\r\ncontent-type")

    async with calling(turns(busy("1"), FINE), SubgraphConfig(retry=RETRY)) as (client, _):
        began = time.monotonic()
        assert await outcome(client) == "ok"
        assert time.monotonic() - began >= 0.95
    async with calling(turns(busy("60"), FINE), SubgraphConfig(retry=RETRY)) as (client, server):
        assert await outcome(client) == errors.SUBGRAPH_HTTP_ERROR
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("Tue, 01 Dec 2026 12:00:10 GMT", 10.0),
        ("Tue, 01 Dec 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("9" * 400, 9999999999.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert seconds_of(text, lambda: datetime(2026, 12, 1, 12, tzinfo=UTC)) == seconds


async def test_retries_have_a_budget() -> None:
    config = SubgraphConfig(retry=replace(RETRY, max_attempts=2, max_retry_burst=5, max_retry_share=0.1))
    async with calling(answers(BUSY), config) as (client, server):
        for _ in range(60):
            await outcome(client)
        # Five at once, then one for every ten requests.
        assert 60 + 5 <= len(server.requests) <= 60 + 5 + 6


async def test_a_mutation_that_was_never_sent_goes_to_another_address() -> None:
    async with hostile(answers(FINE)) as server:
        balancing = BalancingConfig(urls=("http://127.0.0.1:1/graphql", server.url), policy=Balancing.ROUND_ROBIN)
        client = HttpClient("a", "http://unused.test", SubgraphConfig(retry=RETRY, balancing=balancing))
        assert [await outcome(client, MUTATION) for _ in range(4)] == ["ok"] * 4
        assert len(server.requests) == 4
        await client.aclose()


async def test_a_retry_ends_with_the_whole_time() -> None:
    config = SubgraphConfig(
        timeout_seconds=0.5, response_timeout_seconds=0.1, retry=replace(RETRY, first_backoff_seconds=5.0)
    )
    async with calling(answers(BUSY), config) as (client, _):
        began = time.monotonic()
        assert await outcome(client) == errors.SUBGRAPH_HTTP_ERROR
        assert time.monotonic() - began < 0.4


async def test_one_attempt_has_a_time_of_its_own() -> None:
    async with calling(hangs, SubgraphConfig(response_timeout_seconds=0.1)) as (client, _):
        began = time.monotonic()
        assert await outcome(client) == errors.SUBGRAPH_TIMEOUT
        assert time.monotonic() - began < 2


async def test_cancelling_ends_the_attempt_under_way() -> None:
    async with calling(listens, SubgraphConfig(retry=RETRY)) as (client, server):
        task = asyncio.create_task(client.execute(QUERY))
        while not server.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while server.open:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert len(server.requests) == 1


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


BREAKER = BreakerConfig(enabled=True, window_seconds=10, min_requests=4, open_seconds=5, max_trial_requests=2)


def breaker_of(config: BreakerConfig = BREAKER) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker("a", config, clock), clock


def report(breaker: Breaker, *failures: bool, seconds: float = 0.1) -> None:
    for failed in failures:
        breaker.record(failed=failed, seconds=seconds, trial=breaker.admit())


def test_a_breaker_opens_by_the_share_of_failures_and_not_before_the_minimum() -> None:
    breaker, _ = breaker_of()
    report(breaker, True, True, True)
    assert breaker.state is CircuitState.CLOSED
    report(breaker, False, False, False, False)
    assert breaker.state is CircuitState.CLOSED  # 3 of 7
    report(breaker, True)
    assert breaker.state is CircuitState.OPEN  # 4 of 8
    with pytest.raises(SubgraphError) as caught:
        breaker.admit()
    assert caught.value.code == errors.SUBGRAPH_CIRCUIT_OPEN


def test_a_breaker_forgets_what_is_older_than_its_window() -> None:
    breaker, clock = breaker_of()
    report(breaker, True, True, True)
    clock.now += 10.5
    report(breaker, True, True, True)
    assert breaker.state is CircuitState.CLOSED


def test_a_breaker_opens_by_slow_answers_where_their_share_is_set() -> None:
    breaker, _ = breaker_of(replace(BREAKER, slow_seconds=1.0, max_slow_share=0.5))
    report(breaker, False, False, seconds=0.1)
    report(breaker, False, False, seconds=1.5)
    assert breaker.state is CircuitState.OPEN


def test_a_breaker_closes_after_good_trials_and_opens_again_after_a_bad_one() -> None:
    breaker, clock = breaker_of()
    report(breaker, True, True, True, True)
    clock.now += 5
    assert breaker.state is CircuitState.HALF_OPEN
    assert [breaker.admit(), breaker.admit()] == [True, True]
    with pytest.raises(SubgraphError):
        breaker.admit()  # two are under way already
    breaker.abandon(trial=True)  # a cancelled one makes room
    assert breaker.admit()
    breaker.record(failed=True, seconds=0.1, trial=True)
    assert breaker.state is CircuitState.OPEN
    breaker.record(failed=False, seconds=0.1, trial=True)
    clock.now += 5
    report(breaker, False, False)
    assert breaker.state is CircuitState.CLOSED
    report(breaker, True, True, True)
    assert breaker.state is CircuitState.CLOSED  # its counts began again
    assert breaker.openings == 2


async def test_an_open_breaker_answers_at_once_and_recovers() -> None:
    good = False

    async def script(connection: Connection) -> None:
        await connection.send(FINE if good else BUSY)

    config = SubgraphConfig(breaker=replace(BREAKER, open_seconds=1))
    async with calling(script, config) as (client, server):
        assert [await outcome(client) for _ in range(6)] == [
            *([errors.SUBGRAPH_HTTP_ERROR] * 4),
            *([errors.SUBGRAPH_CIRCUIT_OPEN] * 2),
        ]
        assert len(server.requests) == 4
        gateway = Gateway(Supergraph.from_sdl(SUPERGRAPH), {"accounts": client, "reviews": client})
        assert b'gateway_subgraph_circuit_open{subgraph="accounts"} 1.0' in Metrics(gateway).text()
        good = True
        await asyncio.sleep(1.02)
        assert [await outcome(client) for _ in range(4)] == ["ok"] * 4


def balancer_of(count: int, config: BalancingConfig) -> tuple[Balancer[int], Clock]:
    clock = Clock()
    return Balancer("a", list(range(count)), config, clock), clock


def test_round_robin_goes_through_all_addresses() -> None:
    balancer, _ = balancer_of(3, BalancingConfig(policy=Balancing.ROUND_ROBIN))
    picked = [balancer.pick().target for _ in range(6)]
    assert picked[:3] == picked[3:]
    assert sorted(picked[:3]) == [0, 1, 2]


def test_least_pending_avoids_the_busy_address() -> None:
    balancer, _ = balancer_of(3, BalancingConfig())
    balancer.addresses[0].pending = balancer.addresses[2].pending = 2
    assert {balancer.pick().target for _ in range(5)} == {1}
    balancer.addresses[1].pending = 2
    assert {balancer.pick().target for _ in range(5)} == {0, 1, 2}


def test_a_failing_address_is_ejected_for_a_while() -> None:
    balancer, clock = balancer_of(2, BalancingConfig(max_failures=2, eject_seconds=10))
    bad, good = balancer.addresses
    balancer.ended(bad, failed=True)
    balancer.ended(bad, failed=False)
    balancer.ended(bad, failed=True)
    assert {balancer.pick().target for _ in range(4)} == {0, 1}  # never two in a row
    balancer.ended(bad, failed=True)
    assert {balancer.pick().target for _ in range(4)} == {1}
    clock.now += 10
    assert {balancer.pick().target for _ in range(4)} == {0, 1}
    balancer.ended(bad, failed=True)  # one is enough now
    assert {balancer.pick().target for _ in range(4)} == {1}
    for _ in range(2):
        balancer.ended(good, failed=True)
    assert {balancer.pick().target for _ in range(4)} == {0, 1}  # all ejected: all are used


def test_a_retry_goes_to_another_address() -> None:
    balancer, _ = balancer_of(3, BalancingConfig())
    tried = [balancer.pick()]
    while len(tried) < 3:
        tried.append(balancer.pick(tried))
    assert sorted(address.target for address in tried) == [0, 1, 2]


async def test_requests_are_spread_and_a_dead_address_is_left_out() -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(hostile(answers(FINE))) for _ in range(2)]
        urls = (*(server.url for server in servers), "http://127.0.0.1:1/graphql")
        config = SubgraphConfig(
            balancing=BalancingConfig(urls=urls, policy=Balancing.ROUND_ROBIN, max_failures=2), retry=RETRY
        )
        client = HttpClient("a", "http://unused.test", config)
        assert [await outcome(client) for _ in range(30)] == ["ok"] * 30
        assert client.traffic is not None
        assert client.traffic.retries.count == 2  # then the dead one is out
        assert [len(server.requests) >= 13 for server in servers] == [True, True]
        await client.aclose()


async def test_a_subgraph_learns_how_much_time_is_left() -> None:
    async with calling(answers(FINE), SubgraphConfig(timeout_header="X-Timeout-Ms")) as (client, server):
        await client.execute(replace(QUERY, timeout=2.5))
        (_, head, _) = server.requests[0]
        line = next(line for line in head.split(b"\r\n") if line.startswith(b"x-timeout-ms: "))
        assert 2300 < int(line.split(b": ")[1]) <= 2500


@pytest.mark.parametrize("tls", [False, True])
async def test_large_bodies_are_compressed_where_the_subgraph_takes_that(tls: bool) -> None:
    wire = over_tls()
    config = SubgraphConfig(compress_requests=True, compress_from_bytes=200, tls=wire.client)
    async with hostile(answers(FINE), wire.server if tls else None) as server:
        client = HttpClient("a", server.url, config)
        await client.execute(SubgraphRequest("{ a }"))
        await client.execute(SubgraphRequest("{ a }", {"v": "x" * 1000}))
        await client.aclose()
    (_, small_head, small), (_, large_head, large) = server.requests
    assert b"content-encoding" not in small_head.lower()
    assert json.loads(small) == {"query": "{ a }"}
    assert b"content-encoding: gzip" in large_head.lower()
    assert len(large) < 200
    assert json.loads(gzip.decompress(large))["variables"] == {"v": "x" * 1000}


async def test_a_client_certificate_and_the_name_that_is_asked_for() -> None:
    names: list[str | None] = []
    wire = over_mutual_tls(names)
    known = replace(wire.client, certificate_file=wire.identity, server_name="subgraph.internal")
    async with hostile(answers(FINE), wire.server) as server:
        for tls, expected in (
            (known, "ok"),
            (wire.client, errors.SUBGRAPH_UNREACHABLE),
            (replace(known, server_name="other.internal"), errors.SUBGRAPH_UNREACHABLE),
        ):
            client = HttpClient("a", server.url, SubgraphConfig(tls=tls))
            assert await outcome(client) == expected, tls
            await client.aclose()
    assert names[0] == "subgraph.internal"


async def test_a_subgraph_behind_a_unix_socket(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(FINE)
        await writer.drain()
        await reader.read()
        writer.close()

    path = str(tmp_path / "subgraph.socket")
    server = await asyncio.start_unix_server(serve, path)
    client = HttpClient("a", "http://subgraph.local/api", SubgraphConfig(socket_path=path))
    assert await outcome(client) == "ok"
    assert seen[0].startswith(b"POST /api HTTP/1.1\r\nhost: subgraph.local\r\n")
    await client.aclose()
    server.close()


async def gateway_answer(config: EngineConfig, script: Script, ask: Callable[[Gateway], Any]) -> Any:
    """What `ask` gives of a gateway over one subgraph that runs the script."""
    sdl = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"]) type Query { a: Int }'
    async with hostile(script) as server:
        gateway = Gateway.from_subgraphs({"slow": SubgraphSource(sdl, url=server.url)}, config=config)
        try:
            return await ask(gateway)
        finally:
            await gateway.aclose()


async def test_a_subgraph_has_limits_of_its_own() -> None:
    async def ask(gateway: Gateway) -> Any:
        began = time.monotonic()
        result = await gateway.execute(GraphQLRequest("{ a }"))
        assert time.monotonic() - began < 3
        return result.to_json()["errors"][0]["extensions"]["code"]

    config = EngineConfig(subgraphs={"slow": SubgraphConfig(timeout_seconds=0.2)})
    assert await gateway_answer(config, hangs, ask) == errors.SUBGRAPH_TIMEOUT


async def test_every_executor_reads_an_answer_that_came_by_the_rules() -> None:
    async def ask(gateway: Gateway) -> Any:
        return (await gateway.execute(GraphQLRequest("{ a }"))).to_json()

    config = EngineConfig(subgraph=SubgraphConfig(retry=RETRY))
    assert await gateway_answer(config, turns(BUSY, FINE), ask) == {"data": {"a": 1}}
