"""An outbox and a bus -> every committed row published, in order, marked only when confirmed.

Several relays share the work by partitions of aggregates (`event_broker.shares`). A crash between the bus's confirm
and the mark publishes a row again; nothing loses one.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from botberi_gateway.backoff import Backoff, pause_after
from event_broker.broken_off import cancelled_only_if_asked
from event_broker.bus import Bus, BusError, PublishError
from event_broker.connection import close, connect, log_lost, wait_for_any
from event_broker.metrics import FAILING, LAG, OLDEST, POSTGRES, PUBLISH_FAILURES, PUBLISHED, RELAY_PARTITIONS, WAITING
from event_broker.outbox import PLANNING, Outbox, Row
from event_broker.shares import PARTITIONS, Shares
from shared_schema import killpoints

log = logging.getLogger(__name__)

_PRUNE_LIMIT: Final = 5000
_FIRST_ROW_PAUSE: Final = 0.5
_MAX_ROW_PAUSE: Final = 60.0
#: A row that met a bus which takes nothing is not to blame, and shall not wait long once it takes something.
_MAX_BUS_PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """The relay's pace."""

    poll_interval: float = 1.0
    batch_size: int = 200
    # Aggregates that are published at a time.
    concurrency: int = 200
    retention: timedelta = timedelta(days=7)
    inbox_retention: timedelta = timedelta(days=14)
    housekeeping_interval: float = 10.0


class Relay:
    """Relays one database's outbox."""

    def __init__(
        self, database: str, url: str, bus: Bus, wake_up: asyncio.Event, options: RelayOptions | None = None
    ) -> None:
        self._database = database
        self._url = url
        self._bus = bus
        self._wake_up = wake_up
        self._options = options or RelayOptions()
        self._bus_backoff = Backoff(0.2, 5.0)
        self._housekeeping_due = 0.0
        #: Connected to the database, whether or not there is a share for it.
        self.connected = False
        #: What is its to publish at this moment, of `shares.PARTITIONS`.
        self.partitions: frozenset[int] = frozenset()

    @property
    def active(self) -> bool:
        """True if some of the work is its own."""
        return bool(self.partitions)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; a batch that is under way is finished."""
        backoff = Backoff(0.2, 5.0)
        while not stop.is_set():
            try:
                with cancelled_only_if_asked():
                    await self._session(stop, backoff)
            except Exception as error:
                log_lost(log, f"{self._database}: the relay", error)
                await wait_for_any(backoff.next(), stop)
            finally:
                self.connected = False
                self._hold(frozenset())

    async def _session(self, stop: asyncio.Event, backoff: Backoff) -> None:
        connection = await connect(self._url, "botberi-relay", PLANNING)
        try:
            outbox, shares = Outbox(connection), Shares(connection)
            await shares.join()
            self.connected = True
            backoff.reset()
            await self._work(outbox, shares, stop)
        finally:
            await close(connection)

    async def _work(self, outbox: Outbox, shares: Shares, stop: asyncio.Event) -> None:
        held_pause = Backoff(0.01, self._options.poll_interval)
        balance = _Due(self._options.poll_interval)
        while not stop.is_set():
            # Between batches, when nothing is on its way: a partition goes to another relay with all its rows marked.
            if balance.now():
                balance.again(settled=await shares.balance())
                self._hold(shares.held)
                killpoints.reach("relay.locked")
            # Cleared before the look: what rings after it is heard at the next wait.
            self._wake_up.clear()
            rows = await outbox.ready(self._options.batch_size, shares.held) if shares.held else []
            bus_works = await self._publish(outbox, rows)
            await self._keep_house(outbox, shares)
            if not bus_works:
                await wait_for_any(self._bus_backoff.next(), stop)
            elif not rows and await outbox.held(shares.held):
                # Some older transaction still runs. Its end sends no wake-up when it wrote no event.
                await wait_for_any(min(held_pause.next(), balance.remaining()), stop, self._wake_up)
            elif not rows:
                held_pause.reset()
                await wait_for_any(balance.remaining(), stop, self._wake_up)

    def _hold(self, partitions: frozenset[int]) -> None:
        if partitions != self.partitions:
            log.info("%s: relaying %d of %d partitions", self._database, len(partitions), PARTITIONS)
        self.partitions = partitions
        RELAY_PARTITIONS.labels(self._database).set(len(partitions))

    async def _publish(self, outbox: Outbox, rows: Sequence[Row]) -> bool:
        """Publish rows, one after another within an aggregate; return False when the bus failed."""
        if not rows:
            return True
        chains: dict[tuple[str, object], list[Row]] = {}
        for row in rows:
            chains.setdefault(row.aggregate, []).append(row)
        killpoints.reach("relay.read")
        attempt = _Attempt(self._database, self._bus, outbox, self._options.concurrency)
        await asyncio.gather(*(attempt.publish(chain) for chain in chains.values()))
        if attempt.published:
            killpoints.reach("relay.unmarked")
            for seconds in await outbox.mark_published(attempt.published):
                LAG.labels(self._database).observe(seconds)
            killpoints.reach("relay.marked")
            PUBLISHED.labels(self._database).inc(len(attempt.published))
            self._bus_backoff.reset()
        for row, error, max_pause in attempt.failed:
            PUBLISH_FAILURES.labels(self._database).inc()
            pause = pause_after(row.attempts + 1, _FIRST_ROW_PAUSE, max_pause)
            log.warning(
                "%s: outbox row %d (%s) is not published, again in %.1f s: %s",
                self._database,
                row.seq,
                row.event_type,
                pause,
                error,
            )
            await outbox.mark_failed(row.seq, error, pause)
        return not attempt.bus_failed

    async def _keep_house(self, outbox: Outbox, shares: Shares) -> None:
        if time.monotonic() < self._housekeeping_due:
            return
        self._housekeeping_due = time.monotonic() + self._options.housekeeping_interval
        waiting, oldest, failing = await outbox.backlog()
        WAITING.labels(self._database).set(waiting)
        OLDEST.labels(self._database).set(oldest)
        FAILING.labels(self._database).set(failing)
        for name, value in (await outbox.statistics()).items():
            POSTGRES[name].labels(self._database).set(value)
        # One relay sweeps, and goes on after the next batch while there is much.
        if 0 in shares.held:
            gone = await outbox.prune(self._options.retention, _PRUNE_LIMIT)
            gone = max(gone, await outbox.forget(self._options.inbox_retention, _PRUNE_LIMIT))
            if gone == _PRUNE_LIMIT:
                self._housekeeping_due = 0.0


class _Due:
    """Time of the next look at the shares: every interval, and sooner after something changed."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._unsettled = Backoff(min(0.05, interval), interval)
        self._at = 0.0

    def now(self) -> bool:
        """True once it is time."""
        return time.monotonic() >= self._at

    def again(self, *, settled: bool) -> None:
        """Set the next time."""
        if settled:
            self._unsettled.reset()
        self._at = time.monotonic() + (self._interval if settled else self._unsettled.next())

    def remaining(self) -> float:
        """Return the seconds until then."""
        return max(self._at - time.monotonic(), 0.0)


class _Attempt:
    """One batch on its way to the bus."""

    def __init__(self, database: str, bus: Bus, outbox: Outbox, concurrency: int) -> None:
        self._database = database
        self._bus = bus
        self._outbox = outbox
        self._slots = asyncio.Semaphore(concurrency)
        self.published: list[int] = []
        #: Each with what was said, and the longest pause before it is tried again.
        self.failed: list[tuple[Row, str, float]] = []
        self.bus_failed = False

    async def publish(self, chain: Sequence[Row]) -> None:
        """Publish an aggregate's rows up to the first that fails."""
        async with self._slots:
            for row in chain:
                # A bus that failed one refuses the others as well; they keep their turn. Without the session the
                # partition is another relay's by now.
                if self.bus_failed or self._outbox.lost:
                    return
                try:
                    event = row.event(self._database)
                except ValueError as error:
                    self.failed.append((row, f"the row is no event: {error}", _MAX_ROW_PAUSE))
                    return
                try:
                    await self._bus.publish(event)
                except BusError as error:
                    self.bus_failed = True
                    of_the_event = isinstance(error, PublishError) and error.of_the_event
                    max_pause = _MAX_ROW_PAUSE if of_the_event else _MAX_BUS_PAUSE
                    self.failed.append((row, f"{error.code}: {error}", max_pause))
                    return
                except Exception as error:
                    # A mistake of ours about this one event; the others must not stand still for it.
                    log.exception("%s: publishing outbox row %d failed", self._database, row.seq)
                    self.failed.append((row, f"{type(error).__name__}: {error}", _MAX_ROW_PAUSE))
                    return
                killpoints.reach("relay.published")
                self.published.append(row.seq)
