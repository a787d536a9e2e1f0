"""One scenario each -> its row: idle sockets, busy sockets, equal subscriptions."""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

from lab.bench.subscriptions import server
from lab.bench.subscriptions.client import Subscriber, close_all, open_many

QUERY: Final = "subscription($id: ID!) { changed(id: $id) { version at } }"
Row = dict[str, Any]


@dataclass
class Gauge:
    """The server process, and what came from it."""

    port: int
    pipe: "Connection[Any, Any]"
    late: list[float] = field(default_factory=list)

    def result(self, at: int, now: int) -> None:
        """One result; milliseconds from the change to its arrival."""
        self.late.append((now - at) / 1e6)

    async def order(self, *order: Any) -> Any:
        """Carry it out in the server; its answer."""
        self.pipe.send(order)
        return await asyncio.to_thread(self.pipe.recv)

    async def open(self, count: int, *, equal: bool = False, each: int = 1) -> list[Subscriber]:
        """Sockets: each with a caller and jobs of its own (one, or so many), or all alike."""
        name = (lambda _: "0") if equal else str

        def jobs(number: int) -> list[str]:
            return [name(number * each + place) for place in range(each)]

        return await open_many(self.port, count, QUERY, self.result, caller=name, jobs=jobs)

    def percentiles(self) -> Row:
        """p50 and p99 of what was late, in milliseconds; forgets it."""
        late, self.late = sorted(self.late), []
        if len(late) < 2:
            return {"p50_ms": None, "p99_ms": None}
        return {"p50_ms": round(statistics.median(late), 1), "p99_ms": round(late[int(len(late) * 0.99)], 1)}


@asynccontextmanager
async def gauged() -> AsyncIterator[Gauge]:
    """A server process of its own for each scenario, so that memory is that scenario's."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=server.run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Gauge(await asyncio.to_thread(ours.recv), ours)
    finally:
        process.kill()
        process.join()


async def idle(sockets: int, seconds: float, *, each: int = 1) -> Row:
    """Open sockets with so many subscriptions each and wait: memory, and CPU while only credentials are checked."""
    async with gauged() as gauge:
        close_all(await gauge.open(20))
        before = await gauge.order("cost")
        opened = await gauge.open(sockets, each=each)
        after = await gauge.order("cost")
        await asyncio.sleep(seconds)
        later = await gauge.order("cost")
        lost = sum(bool(one.failure) for one in opened)
        return {
            "sockets": sockets,
            "subscriptions": sockets * each,
            "lost": lost,
            "opened_per_cpu_second": round(sockets / (after["cpu"] - before["cpu"])),
            "resident_mb": round(later["resident"] / 1e6),
            "kb_per_subscription": round((later["resident"] - before["resident"]) / (sockets * each) / 1e3, 1),
            "core_percent": round(100 * (later["cpu"] - after["cpu"]) / (later["at"] - after["at"]), 1),
        }


async def busy(sockets: int, seconds: float, *, equal: bool = False, per_second: float | None = None) -> Row:
    """Updates: one a second for each socket, or (where all are equal) so many a second for all of them together."""
    async with gauged() as gauge:
        opened = await gauge.open(sockets, equal=equal)
        gauge.late.clear()
        before = await gauge.order("cost")
        rate = per_second or float(sockets)
        sent = await gauge.order("events", 1 if equal else sockets, rate, seconds)
        await _settle(gauge)
        after = await gauge.order("cost")
        cpu, delivered = after["cpu"] - before["cpu"], len(gauge.late)
        return {
            "sockets": sockets,
            "lost": sum(bool(one.failure) for one in opened),
            "events": sent,
            "delivered": delivered,
            # Each event goes to one subscription, or to all where they are equal; what is missing was conflated.
            "missing": sent * (sockets if equal else 1) - delivered,
            "subgraph_requests": after["requests"] - before["requests"],
            "core_percent": round(100 * cpu / seconds, 1),
            "cpu_ms_per_event": round(1e3 * cpu / sent, 3),
            "cpu_us_per_delivery": round(1e6 * cpu / max(delivered, 1), 1),
            **gauge.percentiles(),
        }


async def _settle(gauge: Gauge) -> None:
    """Until nothing has come for a moment."""
    seen, quiet_since = len(gauge.late), time.monotonic()
    while time.monotonic() - quiet_since < 0.5:
        await asyncio.sleep(0.05)
        if len(gauge.late) != seen:
            seen, quiet_since = len(gauge.late), time.monotonic()
