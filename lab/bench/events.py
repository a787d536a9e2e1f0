"""Changes of rows in a private Postgres -> how many a second reach a consumer over RabbitMQ, and how soon.

Everything is real and this machine's: a Postgres that syncs its log, a RabbitMQ node (or `BOTBERI_AMQP_URL`), and each
event broker a process of its own, as `botberi broker` runs. The consumer is in the measuring process.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Annotated, Final
from uuid import UUID, uuid4

import asyncpg
import typer

from botberi.postgres import free_port
from botberi.services import is_healthy
from event_broker.amqp import AmqpBus
from event_broker.shares import PARTITIONS, relays_of
from lab.bench.servers import databases, rabbitmq
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id

_TRANSACTION: Final = 100
_WRITERS: Final = 8
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ADD: Final = """
    INSERT INTO agents (id, slug, name, workflow, publisher_id)
    SELECT id, 'agent-' || id, 'Agent', 'w', id FROM unnest($1::uuid[]) AS id
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one run with so many brokers."""

    brokers: int
    events: int
    events_per_second: float
    #: CPU seconds of all brokers, and of the measuring process with its consumer, for a thousand events.
    broker_cpu_per_thousand: float
    consumer_cpu_per_thousand: float
    rate: int
    changes: int
    #: From a transaction's end, as its client sees it, to the handler's call.
    latency_p50_ms: float
    latency_p99_ms: float
    latency_max_ms: float


class Arrivals:
    """The consumer: when each version of each row came first."""

    def __init__(self) -> None:
        self.at: dict[tuple[UUID, int], float] = {}

    async def __call__(self, event: Event) -> None:
        """Note it."""
        self.at.setdefault((event.subject, event.data.version), time.perf_counter())


def events(
    count: Annotated[int, typer.Option("--events", min=100, help="Events for the throughput.")] = 10_000,
    brokers: Annotated[str, typer.Option(help="Numbers of event brokers to try, such as 1,2.")] = "1,2",
    rate: Annotated[int, typer.Option(min=1, help="Changes a second for the latency.")] = 100,
    seconds: Annotated[int, typer.Option(min=1, help="How long the latency is measured.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Events a second through outbox, RabbitMQ and consumer; and the time from commit to consumer."""
    numbers = [int(one) for one in brokers.split(",")]
    with databases() as urls, rabbitmq() as amqp_url:
        figures = []
        for number in numbers:
            with ExitStack() as stack:
                pids = [stack.enter_context(broker(urls, amqp_url)) for _ in range(number)]
                figures.append(asyncio.run(_measure(urls[1], amqp_url, pids, count, rate, seconds)))
    if as_json:
        print(json.dumps([asdict(one) for one in figures], indent=2))
    else:
        print(table(figures))


def table(figures: Sequence[Figures]) -> str:
    """Return the figures in Markdown."""
    lines = [
        "| brokers | events | events/s | CPU s per 1,000: brokers | consumer | changes/s | p50 | p99 | max |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.brokers} | {one.events:,} | {one.events_per_second:,.0f} | {one.broker_cpu_per_thousand:.2f} "
        f"| {one.consumer_cpu_per_thousand:.2f} | {one.rate} | {one.latency_p50_ms:.0f} ms "
        f"| {one.latency_p99_ms:.0f} ms "
        f"| {one.latency_max_ms:.0f} ms |"
        for one in figures
    ]
    return "\n".join(lines)


@contextmanager
def broker(urls: tuple[str, str], amqp_url: str) -> Iterator[int]:
    """`botberi broker` as a process, once it works; its pid."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "BOTBERI_USER_DATABASE_URL": urls[0],
        "BOTBERI_SHARED_DATABASE_URL": urls[1],
        "BOTBERI_AMQP_URL": amqp_url,
        "BOTBERI_METRICS_PORT": str(port),
        "BOTBERI_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "botberi.cli", "broker"], env=environment)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit("the event broker ended at its start")
            if is_healthy(f"http://127.0.0.1:{port}/ready"):
                break
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def _measure(url: str, amqp_url: str, pids: Sequence[int], count: int, rate: int, seconds: int) -> Figures:
    arrivals = Arrivals()
    bus = AmqpBus(amqp_url, name="bench", prefetch=200)
    await bus.start()
    pool = await asyncpg.create_pool(url, min_size=_WRITERS, max_size=_WRITERS)
    try:
        consumer = await bus.consume(f"bench-{uuid4().hex}", ["agent.*"], arrivals)
        await _shared(pool, len(pids))
        cpu, own = _cpu(pids), time.process_time()
        elapsed = await _throughput(pool, arrivals, count)
        cpu, own = _cpu(pids) - cpu, time.process_time() - own
        arrivals.at.clear()
        latencies = sorted(await _latencies(pool, arrivals, rate, seconds))
        await consumer.aclose()
    finally:
        await pool.close()
        await bus.aclose()
    cuts = quantiles(latencies, n=100)
    return Figures(
        brokers=len(pids),
        events=count,
        events_per_second=count / elapsed,
        broker_cpu_per_thousand=cpu / count * 1000,
        consumer_cpu_per_thousand=own / count * 1000,
        rate=rate,
        changes=len(latencies),
        latency_p50_ms=cuts[49] * 1000,
        latency_p99_ms=cuts[98] * 1000,
        latency_max_ms=latencies[-1] * 1000,
    )


async def _shared(pool: asyncpg.Pool, brokers: int) -> None:
    """Until every broker has its share."""
    for _ in range(300):
        async with pool.acquire() as connection:
            if await relays_of(connection) == (brokers, PARTITIONS):
                return
        await asyncio.sleep(0.1)
    raise SystemExit(f"{brokers} brokers did not share the partitions within 30 s")


async def _throughput(pool: asyncpg.Pool, arrivals: Arrivals, count: int) -> float:
    """Rows as fast as they are written, 100 in a transaction; seconds from the first to the last one's arrival."""
    began = time.perf_counter()
    for done in range(0, count, _TRANSACTION):
        await pool.execute(_ADD, [new_id() for _ in range(min(_TRANSACTION, count - done))])
    await _all_there(arrivals, count)
    return max(arrivals.at.values()) - began


async def _latencies(pool: asyncpg.Pool, arrivals: Arrivals, rate: int, seconds: int) -> list[float]:
    """One change in a transaction of its own at each tick, whether or not the one before has ended."""
    agents = [new_id() for _ in range(rate)]
    await pool.execute(_ADD, agents)
    await _all_there(arrivals, rate)
    committed: dict[tuple[UUID, int], float] = {}

    async def change(agent: UUID, version: int) -> None:
        await pool.execute("UPDATE agents SET name = $2 WHERE id = $1", agent, f"Agent {version}")
        committed[agent, version] = time.perf_counter()

    began = time.perf_counter()
    changes = []
    for number in range(rate * seconds):
        await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
        changes.append(asyncio.create_task(change(agents[number % rate], 2 + number // rate)))
    await asyncio.gather(*changes)
    await _all_there(arrivals, rate * (seconds + 1))
    return [arrivals.at[key] - at for key, at in committed.items()]


async def _all_there(arrivals: Arrivals, count: int) -> None:
    deadline = time.monotonic() + 300
    while len(arrivals.at) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(arrivals.at)} of {count} events came within 300 s")
        await asyncio.sleep(0.02)


def _cpu(pids: Sequence[int]) -> float:
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total
