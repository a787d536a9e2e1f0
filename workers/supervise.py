"""A claim -> its workflow in a child process, watched: lease, progress, cancel, deadline -> one ending in the row."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared_schema import killpoints
from shared_schema.artifacts import Storage, StorageError
from shared_schema.json_text import json_bytes, unstorable, with_short_numbers
from workers.logs import brief
from workers.process import ChildProcess, ResultTooLarge
from workers.runs import Claim, Fenced, RunStore, Watch
from workers.runs.files import FileRefused, RunFolder
from workers.runs.lines import Line, LogBook, clean
from workers.runs.store import MAX_MESSAGE
from workers.settings import WorkerSettings, backoff

logger = logging.getLogger(__name__)

# How soon the loop looks at its clocks when the child says nothing.
TICK_SECONDS = 0.1
UNREACHABLE = (OperationalError, PoolTimeout)


class LeaseLost(Exception):
    """The database didn't answer for as long as the lease lasts: another may hold the run by now."""


@dataclass(frozen=True, slots=True)
class Ending:
    """End of an attempt: what is written, and how the log calls it. `status` None: the run is given back."""

    status: Any
    result: dict[str, Any] | None = None
    code: str | None = None
    message: str | None = None


class Supervisor:
    """Carries out one claimed run."""

    def __init__(
        self,
        claim: Claim,
        runs: RunStore,
        settings: WorkerSettings,
        child: ChildProcess,
        storage: Storage | None = None,
    ) -> None:
        self._claim = claim
        self._runs = runs
        self._settings = settings
        self._child = child
        self._storage = storage
        self._files = RunFolder(settings.run_artifact_max_bytes, settings.run_artifacts)
        now = time.monotonic()
        self._timeout = claim.run.timeout_seconds or settings.run_timeout_seconds
        self._max_attempts = claim.run.max_attempts or runs.max_attempts
        self._deadline = now + self._timeout
        # Counted from before the claim was asked for, so that ours ends before the database's.
        self._lease_until = now + runs.lease_seconds * 0.9
        self._renew_at = now + settings.run_heartbeat_seconds
        self._watch_at = now + settings.run_watch_seconds
        self._progress_at = self._log_at = now
        self._progress: tuple[float, str] | None = None
        self._book = LogBook(batch_lines=settings.run_log_batch_lines, attempt_lines=settings.run_log_lines)
        self._lines: Sequence[Line] = ()
        self._cancel_at: float | None = None

    def carry_out(self) -> str:
        """Run to the end, write it, and return in one word how it ended."""
        run = self._claim.run
        ids = {"instance": str(run.instance_id), "attempt": run.attempt, "workflow": run.workflow}
        began = time.monotonic()
        try:
            ending = self._compute()
            killpoints.reach("worker.result")
            outcome = self._write(ending)
            code = ending.code
        except (Fenced, LeaseLost) as lost:
            outcome, code = "FENCED", type(lost).__name__
        logger.info("run ended", extra=ids | {"outcome": outcome, "code": code, "seconds": _since(began)})
        return outcome

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _compute(self) -> Ending:
        limit = self._settings.run_result_max_bytes
        run = self._claim.run
        with self._files, self._child as child:
            child.begin(run.workflow, run.parameters, self._files.order())
            killpoints.reach("worker.begun")
            while True:
                try:
                    message = child.receive(TICK_SECONDS)
                except EOFError:
                    return self._died(child)
                except ResultTooLarge:
                    return Ending("FAILED", None, "RESULT_TOO_LARGE", f"The result is larger than {limit} bytes.")
                except (OSError, ValueError) as error:
                    return self._internal(f"the child's pipe: {error}", child)
                if message is not None and message.get("kind") == "progress":
                    self._progress = float(message["fraction"]), clean(str(message["message"]), MAX_MESSAGE)
                    self._book.report(*self._progress)
                elif message is not None and message.get("kind") == "log":
                    self._book.say(str(message["level"]), str(message["message"]))
                elif message is not None and message.get("kind") == "artifact":
                    try:
                        self._files.note(message)
                    except FileRefused as refused:
                        return Ending("FAILED", None, "ARTIFACT_REFUSED", str(refused))
                elif message is not None:
                    said = self._said(message, child)
                    return self._keep(said, child) if said.status == "SUCCEEDED" and self._files else said
                if (ending := self._tend(child)) is not None:
                    return ending

    def _tend(self, child: ChildProcess) -> Ending | None:
        """Return the ending that is due by the clock, if any."""
        now = time.monotonic()
        if self._cancel_at is not None and now >= self._cancel_at:
            return Ending("CANCELLED", None, "CANCELLED", "Cancelled; the workflow had to be stopped.")
        if now >= self._deadline:
            return Ending("TIMED_OUT", None, "TIMED_OUT", f"The run took longer than {self._timeout:g} seconds.")
        self._book.lose(child.take_lost())
        if (self._progress is not None and now >= self._progress_at) or (self._has_lines and now >= self._log_at):
            if now >= self._log_at:
                self._lines = self._lines or self._book.take()
            if self._talk(self._tell, child, renews=True):
                self._progress = None
                killpoints.reach("worker.progressed")
            self._progress_at = time.monotonic() + self._settings.run_progress_seconds
        elif now >= self._renew_at:
            self._talk(lambda: self._runs.renew(self._claim), child, renews=True)
        elif now >= self._watch_at:
            self._talk(lambda: self._runs.watch(self._claim), child, renews=False)
        return None

    @property
    def _has_lines(self) -> bool:
        return bool(self._lines or self._book)

    def _tell(self) -> Watch:
        """Write what was said; lines that couldn't be written wait for the next time."""
        if self._progress is None:
            watch = self._runs.say(self._claim, self._lines)
        else:
            watch = self._runs.progress(self._claim, *self._progress, self._lines)
        if self._lines:
            self._lines, self._log_at = (), time.monotonic() + self._settings.run_log_seconds
        return watch

    def _talk(self, ask: Callable[[], Watch], child: ChildProcess, *, renews: bool) -> bool:
        """Ask the database; without an answer go on as long as the lease is surely ours."""
        asked = time.monotonic()
        try:
            watch = ask()
        except UNREACHABLE as error:
            logger.warning("database unreachable during run %s: %s", self._claim.run.instance_id, brief(error))
            if time.monotonic() >= self._lease_until:
                raise LeaseLost from error
            self._renew_at = self._watch_at = time.monotonic() + min(1.0, self._settings.run_watch_seconds)
            return False
        if renews:
            self._lease_until = asked + self._runs.lease_seconds * 0.9
            self._renew_at = asked + self._settings.run_heartbeat_seconds
        self._watch_at = asked + self._settings.run_watch_seconds
        if watch.cancelled and self._cancel_at is None:
            child.cancel()
            self._cancel_at = time.monotonic() + self._settings.run_cancel_grace_seconds
        return True

    # --- endings ------------------------------------------------------------------------------------------------------

    def _said(self, message: dict[str, Any], child: ChildProcess) -> Ending:
        kind = message.get("kind")
        if kind == "result":
            result = with_short_numbers(message["result"])
            if (problem := unstorable(result)) is not None:
                steps, reason = problem
                where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
                text = f"The result can't be stored: {reason} (at {clean(where, 200) or 'its root'})."
                return Ending("FAILED", None, "RESULT_NOT_STORABLE", text)
            size = json_bytes(result)
            limit = self._settings.run_result_max_bytes
            if size > limit:
                text = f"The result has {size} bytes; {limit} at most."
                return Ending("FAILED", None, "RESULT_TOO_LARGE", text)
            return Ending("SUCCEEDED", result)
        if kind == "cancelled":
            return Ending("CANCELLED", None, "CANCELLED", "Cancelled.")
        if kind == "error" and message.get("code") != "INTERNAL":
            return Ending("FAILED", None, str(message["code"])[:64], str(message["message"]))
        # The child writes its traceback before it ends; give that a moment to arrive.
        child.exit_status(2.0)
        return self._internal("the workflow raised", child)

    def _keep(self, ending: Ending, child: ChildProcess) -> Ending:
        """Store the run's files, and hold the run meanwhile; then the ending, or why it is another."""
        assert self._storage is not None, "a worker has a storage"
        with ThreadPoolExecutor(1, thread_name_prefix="files") as thread:
            stored = thread.submit(self._files.store, self._claim, self._runs, self._storage)
            while not stored.done():
                # A storage that hangs gives up by itself; the run's own limits hold meanwhile.
                wait([stored], timeout=TICK_SECONDS)
                if (other := self._tend(child)) is not None:
                    return other
        try:
            stored.result()
        except FileRefused as refused:
            return Ending("FAILED", None, "ARTIFACT_REFUSED", str(refused))
        except (StorageError, *UNREACHABLE) as error:
            logger.error("files of run %s not stored: %s", self._claim.run.instance_id, brief(error))
            return self._another_attempt("ARTIFACTS_NOT_STORED", "Its files couldn't be stored")
        return ending

    def _another_attempt(self, code: str, what: str) -> Ending:
        """An ending after which the run may be tried again; after the last attempt, a failure."""
        attempt, max_attempts = self._claim.run.attempt, self._max_attempts
        if attempt < max_attempts:
            return Ending(None, message=f"{what}; attempt {attempt} of {max_attempts}.")
        return Ending("FAILED", None, code, f"{what} in attempt {attempt} of {max_attempts}.")

    def _internal(self, what: str, child: ChildProcess) -> Ending:
        """A fault of ours: the owner gets an id to ask with, the log gets the rest."""
        reference = uuid4().hex[:12]
        child.kill()
        logger.error(
            "run %s failed: %s (reference %s)\n%s",
            self._claim.run.instance_id,
            what,
            reference,
            child.last_words(),
        )
        return Ending("FAILED", None, "INTERNAL", f"The computation failed inside; reference {reference}.")

    def _died(self, child: ChildProcess) -> Ending:
        """The child ended without a word: killed for its memory, or crashed. Worth another try, not endlessly."""
        status = child.exit_status(5.0)
        how = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        logger.error("run %s: the child ended with %s\n%s", self._claim.run.instance_id, how, child.last_words())
        if self._cancel_at is not None:
            return Ending("CANCELLED", None, "CANCELLED", "Cancelled.")
        return self._another_attempt("CRASHED", f"The computation ended unexpectedly ({how})")

    def _write(self, ending: Ending) -> str:
        """Write the ending, again while the database is away and the lease is ours; what it is called in the end."""
        lines = (*self._lines, *self._book.take())
        while True:
            try:
                if ending.status is None:
                    wait = backoff(self._settings, self._claim.run.attempt)
                    return self._runs.release(self._claim, ending.message or "", lines, wait=wait)
                return self._runs.finish(
                    self._claim,
                    ending.status,
                    result=ending.result,
                    code=ending.code,
                    message=ending.message,
                    lines=lines,
                )
            except UNREACHABLE as error:
                logger.warning("can't write the end of run %s: %s", self._claim.run.instance_id, brief(error))
                if time.monotonic() >= self._lease_until:
                    raise LeaseLost from error
                time.sleep(0.5)
            except DBAPIError:
                if ending.result is None:
                    raise
                logger.exception("the result of run %s can't be stored", self._claim.run.instance_id)
                ending = Ending("FAILED", None, "RESULT_NOT_STORABLE", "The result holds what the database can't keep.")


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
