"""A fault of the schedule -> its effect on the environment."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg

from lab.faults.audit import Audit
from lab.faults.embedded import PLATFORM, EmbeddedEnvironment
from lab.faults.environment import DISPATCHERS, LEASE_SECONDS, RELAYS, WORKERS, Environment
from lab.faults.processes import children, pool_processes, run_processes
from lab.faults.rabbitmq import ALARMS
from lab.faults.schedule import Fault

#: A victim that is just being started again is waited for.
_VICTIM_SECONDS: Final = 300.0
_MAX_PAUSE: Final = 1.5
_DEAFEN: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'botberi-listener'"


class Faults:
    """Strikes; what is down is struck again only when it is back."""

    def __init__(
        self, environment: Environment | EmbeddedEnvironment, audit: Audit | None, tell: Callable[..., None]
    ) -> None:
        self._environment = environment
        self._audit = audit
        self._tell = tell
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.struck: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[random.Random], Awaitable[str]]] = {
            "relay": lambda draw: self._service(draw.choice(RELAYS), draw),
            "platform": lambda draw: self._service(PLATFORM, draw),
            "worker": self._worker,
            "dispatcher": lambda draw: self._service(draw.choice(DISPATCHERS), draw),
            "gateway": lambda draw: self._service("gateway", draw),
            "instance subgraph": lambda draw: self._service("instance", draw),
            "pool process": self._pool_process,
            "run's process": self._run_process,
            "rabbitmq": self._rabbitmq,
            "postgres": self._postgres,
            "cut": self._cut,
            "freeze": lambda draw: self._freeze(draw, "up", "down"),
            "freeze up": lambda draw: self._freeze(draw, "up"),
            "freeze down": lambda draw: self._freeze(draw, "down"),
            "delay": self._delay,
            "duplicate": self._duplicate,
            "deafen": self._deafen,
            "stop": self._stop,
            "alarm": self._alarm,
            "rolling restart": self._rolling_restart,
        }

    async def strike(self, fault: Fault) -> None:
        """Do it, and return once it is over (what was killed may still be starting)."""
        # Each draws for itself: what one does must not depend on how long another took.
        whom = await self._kinds[fault.kind](random.Random(fault.draw))
        self.struck[fault.kind] += 1
        self._tell("fault", kind=fault.kind, whom=whom, after=fault.after)

    # -- kills -----------------------------------------------------------------------------------

    async def _service(self, name: str, draw: random.Random) -> str:
        service, pause = self._environment.services[name], draw.uniform(0.0, _MAX_PAUSE)
        async with asyncio.timeout(_VICTIM_SECONDS):
            while not service.kill(pause):  # noqa: ASYNC110 - a process sends no signal when it has started
                await asyncio.sleep(0.05)
        return name

    async def _worker(self, draw: random.Random) -> str:
        if isinstance(self._environment, Environment):
            return await self._service(draw.choice(WORKERS), draw)
        return await self._one_of(draw, self._environment.workers)

    async def _pool_process(self, draw: random.Random) -> str:
        return await self._one_of(
            draw, lambda: [pid for worker in self._environment.workers() for pid in pool_processes(worker)]
        )

    async def _run_process(self, draw: random.Random) -> str:
        def found() -> list[int]:
            return [pid for worker in self._environment.workers() for pid in run_processes(worker)]

        def any_below() -> list[int]:
            return [
                pid
                for worker in self._environment.workers()
                for pool in pool_processes(worker)
                for pid in children(pool)
            ]

        with contextlib.suppress(TimeoutError):
            # They live for a moment only.
            return await self._one_of(draw, found, timeout_seconds=2.0, look=0.01)
        return await self._one_of(draw, any_below)

    async def _rabbitmq(self, draw: random.Random) -> str:
        assert isinstance(self._environment, Environment)
        async with self._turns["rabbitmq"]:
            await self._environment.restart_rabbitmq()
        return "the node"

    async def _postgres(self, draw: random.Random) -> str:
        number = draw.choice((signal.SIGQUIT, signal.SIGKILL))
        async with self._turns["postgres"]:
            await self._environment.restart_postgres(number)
        return number.name

    # -- disturbances ----------------------------------------------------------------------------

    def _wire(self, draw: random.Random) -> tuple[str, str]:
        return draw.choice(sorted(self._environment.wires))

    async def _cut(self, draw: random.Random) -> str:
        wire = self._wire(draw)
        self._environment.wires[wire].cut()
        return " to ".join(wire)

    async def _freeze(self, draw: random.Random, *directions: str) -> str:
        wire = self._wire(draw)
        seconds = draw.uniform(2.0, 12.0)
        async with self._turns[str(wire)]:
            proxy = self._environment.wires[wire]
            proxy.freeze(*("up" if one == "up" else "down" for one in directions))
            await asyncio.sleep(seconds)
            proxy.heal()
        return f"{' to '.join(wire)} for {seconds:.1f} s"

    async def _delay(self, draw: random.Random) -> str:
        wire, each, seconds = self._wire(draw), draw.uniform(0.1, 1.0), draw.uniform(3.0, 8.0)
        async with self._turns[str(wire)]:
            self._environment.wires[wire].delay(each)
            await asyncio.sleep(seconds)
            self._environment.wires[wire].heal()
        return f"{' to '.join(wire)} by {each:.1f} s for {seconds:.1f} s"

    async def _duplicate(self, draw: random.Random) -> str:
        assert self._audit is not None
        return f"{await self._audit.repeat(draw)} events"

    async def _deafen(self, draw: random.Random) -> str:
        def terminate() -> int:
            with psycopg.connect(self._environment.database_url("postgres"), connect_timeout=3) as connection:
                return len(connection.execute(_DEAFEN).fetchall())

        with contextlib.suppress(psycopg.Error):
            return f"{await asyncio.to_thread(terminate)} listeners"
        return "no session, Postgres is down"

    async def _stop(self, draw: random.Random) -> str:
        """SIGSTOP for longer than a lease: a zombie that comes back."""
        pids = [pid for worker in self._environment.workers() for pid in pool_processes(worker)]
        if not pids:
            return "no process, the workers are down"
        pid, seconds = draw.choice(pids), LEASE_SECONDS + draw.uniform(2.0, 5.0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)
        return f"pool process {pid} for {seconds:.1f} s"

    async def _alarm(self, draw: random.Random) -> str:
        """RabbitMQ says that it is short of memory or disk, and takes no messages."""
        assert isinstance(self._environment, Environment)
        kind, seconds = draw.choice(sorted(ALARMS)), draw.uniform(3.0, 15.0)
        # A node that is killed meanwhile would forget its alarm.
        async with self._turns["rabbitmq"]:
            alarm = self._environment.rabbitmq.alarm(kind)
            await asyncio.to_thread(alarm.__enter__)
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.to_thread(alarm.__exit__, None, None, None)
        return f"{kind} for {seconds:.1f} s"

    async def _rolling_restart(self, draw: random.Random) -> str:
        """Every service once, in order (SIGTERM), the next when the one before works again."""
        names = draw.sample(sorted(self._environment.services), len(self._environment.services))
        async with self._turns["rolling restart"]:
            for name in names:
                await self._environment.services[name].restart(_VICTIM_SECONDS)
        return ", ".join(names)

    # -- victims ---------------------------------------------------------------------------------

    async def _one_of(
        self,
        draw: random.Random,
        find: Callable[[], list[int]],
        timeout_seconds: float = _VICTIM_SECONDS,
        look: float = 0.05,
    ) -> str:
        async with asyncio.timeout(timeout_seconds):
            while True:
                if pids := find():
                    pid = draw.choice(pids)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        return str(pid)
                await asyncio.sleep(look)
