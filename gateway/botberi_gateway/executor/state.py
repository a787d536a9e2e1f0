"""The state of an execution: the joined view, the errors, the time that is left."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from botberi_gateway.executor.budget import Spending
from botberi_gateway.executor.errorlog import ErrorLog
from botberi_gateway.executor.field_errors import UnreportedFailure
from botberi_gateway.executor.first_run import FirstRun
from botberi_gateway.executor.joined import Joined, is_shown
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.view import ObjectView, release
from botberi_gateway.executor.withheld import withholding
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch, Withheld
from botberi_gateway.upstream.port import SubgraphResponse


class Answered(Protocol):
    """Requests that compiled code sent before it bailed out to the interpreter."""

    @property
    def deadline(self) -> float:
        """The operation's deadline, by the event loop's clock."""
        ...

    def answer_to(
        self, fetch: Fetch, representations: Sequence[Sequence[Mapping[str, Any]]]
    ) -> "asyncio.Future[SubgraphResponse] | None":
        """The answer to the fetch's request, or its failure; None if no request with these representations was sent.

        `representations` are those of each `_entities` field. A mutation is never sent twice.
        """
        ...


class Execution:
    """An operation that is being executed, or an event of a subscription; belongs to a single request."""

    __slots__ = (
        "_ended",
        "_whole",
        "after",
        "answered",
        "deadline",
        "ends",
        "errors",
        "failures",
        "fetches",
        "first_run",
        "joined",
        "names",
        "operation",
        "reports",
        "runtime",
        "spending",
        "variables",
        "withheld",
    )

    def __init__(
        self,
        operation: Operation,
        variables: Mapping[str, Any],
        runtime: Runtime,
        withheld: tuple[Withheld, ...] = (),
    ) -> None:
        self.operation = operation
        self.variables = variables
        self.runtime = runtime
        self.spending = Spending(runtime.environment.config.budget)
        self.names = TypeNames(operation.schema)
        #: Fields that the plan withholds, which are null without an error; None where there are none.
        self.withheld = withholding(withheld)
        self.joined = Joined()
        self.errors = ErrorLog(runtime.environment.config.max_errors, runtime.environment.error_extensions)
        self.failures: list[UnreportedFailure] = []
        #: Fetch -> what adds the errors that came with its answer to the log (see `log_reports`).
        self.reports: dict[int, Callable[[ErrorLog], None]] = {}
        self._ended: frozenset[int] | None = None
        self._whole: ObjectView | None = None
        #: The entity fetches that were begun.
        self.fetches: list[Fetch] = []
        self.deadline = asyncio.get_running_loop().time() + runtime.environment.config.operation_timeout_seconds
        #: Requests that compiled code has sent already, which aren't sent again.
        self.answered: Answered | None = None
        #: What an operation's first run keeps for compiled code, which goes on where an answer is large.
        self.first_run: FirstRun | None = None
        #: Fetch -> the fetches that have ended when it has: itself, and all before it in the plan.
        self.after: dict[int, frozenset[int]] = {}
        #: Fetch -> set when it has ended; only for fetches that deferred parts wait for.
        self.ends: dict[int, asyncio.Event] = {}

    def branch(self) -> "Execution":
        """An execution over the same data, variables and deadline with errors of its own, for a deferred part."""
        other = Execution(self.operation, self.variables, self.runtime)
        other.names, other.joined, other.after = self.names, self.joined, self.after
        other.withheld = self.withheld
        other.deadline, other.ends, other.spending = self.deadline, self.ends, self.spending
        return other

    def log_reports(self, ended: frozenset[int] | None = None) -> None:
        """Write the errors that came with answers to the log, in the plan's order; `ended` have ended (None: all)."""
        self._ended = ended
        for fetch in sorted(self.reports):
            self.reports[fetch](self.errors)
        self.reports.clear()

    def shown(self, views: Iterable[ObjectView]) -> Iterator[ObjectView]:
        """The objects that still have their place when all answers are joined.

        Two answers may differ in the items of a list.
        """
        if self._whole is None:
            self._whole = Joined(self.joined).view(self._ended)
        return (view for view in views if is_shown(view, self._whole))

    def release(self) -> None:
        """Let go of all views, so that they are freed at once. Nothing may read them any more."""
        self.joined.release()
        if self._whole is not None:
            release(self._whole)
            self._whole = None

    def note_end(self, fetch: int) -> None:
        """Note that a fetch has ended, or won't be sent."""
        event = self.ends.get(fetch)
        if event is not None:
            event.set()

    def time_left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()
