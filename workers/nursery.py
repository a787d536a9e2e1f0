"""Settings -> child processes for runs, one of them kept ready with its libraries loaded."""

from __future__ import annotations

import logging
import sys
import threading

from workers.process import ChildProcess
from workers.settings import WorkerSettings

logger = logging.getLogger(__name__)

# Loading scikit-learn takes two seconds of a core; a worker that has just started has other things to do first.
FIRST_AFTER_SECONDS = 3.0


class Nursery:
    """A pool process' children: `take()` one for a run, `prepare()` the next when the run is over."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._spare: ChildProcess | None = None

    def take(self) -> ChildProcess:
        """A process that hasn't begun, warm if there is one."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None and spare.alive:
            return spare
        if spare is not None:
            logger.warning("the waiting child ended by itself: %s", spare.last_words()[-500:])
            spare.kill()
        return self._spawn(warm=False)

    def prepare(self) -> None:
        """Have a warm process ready."""
        if not self._settings.run_warm_children:
            return
        with self._lock:
            if self._spare is None:
                self._spare = self._spawn(warm=True)

    def prepare_later(self) -> None:
        """The first warm process, once the worker has started."""
        timer = threading.Timer(FIRST_AFTER_SECONDS, self.prepare)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill()

    def _spawn(self, *, warm: bool) -> ChildProcess:
        command = [sys.executable, "-m", "workers.child", *(["--warm"] if warm else [])]
        # The result and what the message says besides.
        return ChildProcess(self._settings.run_result_max_bytes + 1_000, command=command)
