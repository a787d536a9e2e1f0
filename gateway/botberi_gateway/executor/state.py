"""What one execution knows so far: the joined view, the errors, the time that is left."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from botberi_gateway.executor.budget import Spending
from botberi_gateway.executor.errorlog import ErrorLog
from botberi_gateway.executor.findings import Untold
from botberi_gateway.executor.joined import Joined, is_shown
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.executor.withheld import withholding
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch, Withheld
from botberi_gateway.upstream.port import SubgraphResponse


class Answered(Protocol):
    """Requests that were made before the interpreter took over."""

    @property
    def deadline(self) -> float:
        """Of the operation, by the loop's clock."""
        ...

    @property
    def answers(self) -> "Mapping[int, asyncio.Future[SubgraphResponse]]":
        """Fetch -> its answer, or its failure."""
        ...

    def representations(self, fetch: int) -> Sequence[Sequence[Mapping[str, Any]]]:
        """Those of each `_entities` field that the fetch's request had."""
        ...


class Execution:
    """One operation being executed, or one event of a subscription. Belongs to one request."""

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
        #: What is null on purpose, None where nothing is.
        self.withheld = withholding(withheld)
        self.joined = Joined()
        self.errors = ErrorLog(runtime.environment.config.max_errors, runtime.environment.error_extensions)
        self.failures: list[Untold] = []
        #: Fetch -> what adds the errors that came with its answer to the log (see `tell`).
        self.reports: dict[int, Callable[[ErrorLog], None]] = {}
        self._ended: frozenset[int] | None = None
        self._whole: ObjectView | None = None
        #: Those of entities that were begun.
        self.fetches: list[Fetch] = []
        self.deadline = asyncio.get_running_loop().time() + runtime.environment.config.operation_timeout_seconds
        #: What compiled code has asked already, and isn't asked again.
        self.answered: Answered | None = None
        #: Fetch -> what the plan has ended when it has: itself, and all that was before it.
        self.after: dict[int, frozenset[int]] = {}
        #: Fetch -> set when it has ended, for those that somebody waits for.
        self.ends: dict[int, asyncio.Event] = {}

    def branch(self) -> "Execution":
        """Goes on with the same data, variables and time, but keeps its own errors: for what is delivered apart."""
        other = Execution(self.operation, self.variables, self.runtime)
        other.names, other.joined, other.after = self.names, self.joined, self.after
        other.withheld = self.withheld
        other.deadline, other.ends, other.spending = self.deadline, self.ends, self.spending
        return other

    def tell(self, ended: frozenset[int] | None = None) -> None:
        """These fetches have ended (None: all): what they reported goes to the log, in the plan's order."""
        self._ended = ended
        for fetch in sorted(self.reports):
            self.reports[fetch](self.errors)
        self.reports.clear()

    def shown(self, views: Iterable[ObjectView]) -> Iterator[ObjectView]:
        """Those objects of a fetch that are where they were, now that all answers are there.

        Two answers may differ in what is in a list.
        """
        if self._whole is None:
            self._whole = Joined(self.joined).view(self._ended)
        return (view for view in views if is_shown(view, self._whole))

    def note_end(self, fetch: int) -> None:
        """This fetch has ended, or won't be made."""
        event = self.ends.get(fetch)
        if event is not None:
            event.set()

    def time_left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()
