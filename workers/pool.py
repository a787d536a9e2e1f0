"""Celery's prefork pool -> the same pool, whose workers a killed one can't leave waiting.

Over a transport without an event loop (pgmq) the pool's processes share one pipe of tasks, and the one that reads it
next holds its lock while it waits. billiard's lock is a semaphore: when that process is killed (by the kernel for its
memory, say) the lock stays taken, and no task is ever begun again. A record lock is given back by the kernel, however
its holder ends.
"""

from __future__ import annotations

import fcntl
import tempfile

from billiard.pool import Pool  # type: ignore[import-untyped]
from celery.concurrency import prefork


class RecordLock:
    """A lock between processes that were forked after it was made; one holder in each process at a time."""

    def __init__(self) -> None:
        # Open as long as the pool is: closing it would give the lock back.
        self._file = tempfile.TemporaryFile(prefix="botberi-pool-")  # noqa: SIM115

    def acquire(self) -> None:
        """Wait until no living process holds it."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let the next one have it."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class SharedPipePool(Pool):  # type: ignore[misc]
    """billiard's pool, both of its pipes under locks that end with their holders."""

    def _setup_queues(self) -> None:
        super()._setup_queues()
        for queue in (self._inqueue, self._outqueue):
            queue._rlock, queue._wlock = RecordLock(), RecordLock()


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """The pool of our workers; over RabbitMQ every process has pipes of its own, and nothing is shared."""

    BlockingPool = SharedPipePool
