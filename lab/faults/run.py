"""Options -> runs on an environment, faults against it, the evidence checked: an outcome."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.faults import gather
from lab.faults.checker import Violation, check, lost_events
from lab.faults.embedded import EmbeddedEnvironment
from lab.faults.environment import Environment
from lab.faults.evidence import Evidence
from lab.faults.faults import Faults
from lab.faults.points import KillPoints
from lab.faults.schedule import KILLS, Bus, schedule
from lab.faults.trace import Trace
from lab.faults.workload import Standstill, Workload


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a run: instances, random kills, and how often each kill point is tried."""

    runs: int
    kills: int
    seed: int
    points: int = 0
    #: After so many minutes nothing new begins: what has begun is ended, checked and reported.
    minutes: float = float("inf")
    #: On the in-process bus everything but Postgres and the worker is one process; kill points are not tried there.
    bus: Bus = "rabbitmq"


@dataclass(slots=True)
class Outcome:
    """Result of a run."""

    options: Options
    runs: int = 0
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)
    #: Faults by kind, and hits by kill point.
    struck: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    endings: list[dict[str, object]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def kills(self) -> int:
        """Processes and servers that were killed, at random moments and at kill points."""
        return sum(self.struck[kind] for kind in KILLS[self.options.bus]) + sum(self.points.values())


async def run_with_faults(options: Options, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Run it; logs and trace stay in the folder."""
    outcome = Outcome(options)
    say(f"seed {options.seed}; starting everything in {folder}")
    with contextlib.closing(Trace(folder / "trace.jsonl", say)) as trace:
        # A worker that is killed every other second loads its libraries for no run.
        warm = options.points <= 1
        environment: Environment | EmbeddedEnvironment
        if options.bus == "rabbitmq":
            environment = Environment(folder, trace, warm=warm)
        else:
            environment = EmbeddedEnvironment(folder, trace)
        async with Workload(environment, options.seed, trace) as workload:
            try:
                await _random_faults(options, workload, trace, outcome)
                if isinstance(environment, Environment):
                    await _kill_points(options, environment, workload, trace, outcome)
            except* Standstill:
                say("nothing moves any more")
            await workload.settle()
            url = environment.database_url("shared_psql")
            outcome.statuses, outcome.endings = await asyncio.to_thread(gather.facts, url)
        outcome.seconds = trace.seconds
    # Within one process no other consumer is on the bus.
    outcome.violations += check(workload.evidence, without=() if workload.audit else (lost_events,))
    outcome.runs = len(workload.evidence.rows)
    outcome.counts = _counts(workload.evidence) | {"reconnects of sockets": workload.reconnects}
    return outcome


async def _random_faults(options: Options, workload: Workload[Any], trace: Trace, outcome: Outcome) -> None:
    faults = Faults(workload.environment, workload.audit, trace)
    outcome.struck = faults.struck
    waiting = schedule(options.runs, options.kills, options.seed, options.bus)
    async with asyncio.TaskGroup() as group:
        for number in range(options.runs):
            if _late(options, trace):
                return
            while waiting and waiting[0].after <= number:
                group.create_task(faults.strike(waiting.pop(0)))
            await workload.make(group)
        for fault in waiting:
            group.create_task(faults.strike(fault))


async def _kill_points(
    options: Options, environment: Environment, workload: Workload[Any], trace: Trace, outcome: Outcome
) -> None:
    if not options.points:
        return
    trace.say(f"kill points, each {options.points} times")
    points = KillPoints(
        environment.kill_points,
        options.points,
        options.seed,
        trace,
        restart=lambda name: environment.services[name].kill(pause=0.5),
        late=lambda: _late(options, trace),
    )
    outcome.points = points.hits
    async with asyncio.TaskGroup() as group:
        tried = group.create_task(points.run())
        while not tried.done():
            await workload.make(group)
    outcome.violations += [
        Violation("unreached", name, "the kill point was not reached") for name in sorted(points.unreached)
    ]


def _late(options: Options, trace: Trace) -> bool:
    return trace.seconds > options.minutes * 60


def _counts(evidence: Evidence) -> dict[str, int]:
    watches = list(evidence.watches.values())
    heard = {
        "distinct events heard": len({one.id for one in evidence.heard}),
        "deliveries to the audit": len(evidence.heard),
    }
    return {
        "events written": len(evidence.changes),
        **(heard if evidence.heard else {}),
        "states seen by subscribers": sum(len(watch.seen) for watch in watches),
        "subscriptions resumed": sum(watch.resumed for watch in watches),
        "answers with errors": sum(watch.errors for watch in watches),
        "cancels answered": len(evidence.cancelled),
        "runs of more than one attempt": sum(row.attempt > 1 for row in evidence.rows),
    }
