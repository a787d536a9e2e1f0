"""The protocol of all clients of subgraphs: `SubgraphRequest` -> `SubgraphResponse`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

from botberi_gateway.codec import decode, may_round
from botberi_gateway.plan import OperationKind

#: Bytes of JSON from which on its numbers may take longer than a turn of the loop should.
LONG_BODY: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class SubgraphRequest:
    """A GraphQL request to a subgraph, as the GraphQL-over-HTTP specification has it."""

    operation: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    kind: OperationKind = "query"
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds that the answer may take; the timeout in the client's configuration holds as well.
    timeout: float | None = None
    #: The operation's budget, which a large answer's bytes are taken from before it is parsed.
    spending: "Spending | None" = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class SubgraphResponse:
    """A well-formed GraphQL response: `data` is an object or None, `errors` a list of objects.

    Nothing in it is ever changed afterwards, so that several operations may share it. (The class isn't frozen, as that
    would triple the time of making an object.)
    """

    data: Mapping[str, Any] | None
    errors: Sequence[Mapping[str, Any]] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    #: Response headers as (lower-case name, value), repeated names kept (`set-cookie`).
    headers: Sequence[tuple[str, str]] = ()
    #: The JSON that this was read from where big numbers in `data` may be rounded; else None.
    raw: bytes | bytearray | None = field(default=None, repr=False, compare=False)

    def exact(self) -> "SubgraphResponse":
        """The same with every number as the subgraph wrote it (see `codec.decode`)."""
        if self.raw is None or not may_round(self.raw):
            return self
        value = decode(self.raw)
        return SubgraphResponse(value["data"], self.errors, self.extensions, self.headers)

    async def exactly(self) -> "SubgraphResponse":
        """`exact`; in a thread where that takes long."""
        if self.raw is None:
            return self
        return await asyncio.to_thread(self.exact) if takes_long(self.raw) else self.exact()


class RefusedResponse(SubgraphResponse):
    """A GraphQL response that came with an HTTP status of failure."""

    __slots__ = ("status",)

    def __init__(
        self,
        status: int,
        data: Mapping[str, Any] | None,
        errors: Sequence[Mapping[str, Any]],
        extensions: Mapping[str, Any],
        headers: Sequence[tuple[str, str]],
    ) -> None:
        super().__init__(data, errors, extensions, headers)
        self.status = status


def takes_long(body: bytes | bytearray) -> bool:
    """Whether `codec.decode` would keep other requests waiting: each long number takes it 0.8 µs in Python."""
    return len(body) >= LONG_BODY and may_round(body)


class Spending(Protocol):
    """The rest of an operation's budget, which large answers are taken from."""

    def take_bytes(self, count: int) -> None:
        """Take the bytes of an answer that isn't parsed yet. Raises `GatewayError` where the budget hasn't so many."""
        ...


#: The bytes of an answer -> its `data` in the caller's form, and its `extensions`. Raises ValueError for an answer of
#: another form, which is then parsed as any other.
Read: TypeAlias = Callable[[bytes | bytearray], tuple[Any, Any]]


class CountedAnswer(asyncio.Future[SubgraphResponse]):
    """The future of an answer whose bytes count against an operation's budget."""

    __slots__ = ("spending",)

    #: Set before anything has come; raises before a large answer is parsed if it has too many bytes.
    spending: "Spending | None"


class Answer(CountedAnswer):
    """The future of an answer that calls `over` as soon as it is done.

    A done-callback would cost a turn of the event loop's queue.
    """

    __slots__ = ("began", "over", "read")

    #: The time of `time.perf_counter` at which the observer began to wait.
    began: float
    over: "Callable[[Answer], None] | None"
    #: Set before anything has come by a caller that parses `data` into another form.
    read: "Read | None"

    def set_result(self, result: SubgraphResponse) -> None:
        """See asyncio."""
        super().set_result(result)
        if self.over is not None:
            self.over(self)

    def set_exception(self, exception: type | BaseException) -> None:
        """See asyncio."""
        super().set_exception(exception)
        if self.over is not None:
            self.over(self)

    def cancel(self, msg: Any | None = None) -> bool:
        """See asyncio."""
        cancelled = super().cancel(msg)
        if cancelled and self.over is not None:
            self.over(self)
        return cancelled


class TaskAnswer(Answer):
    """The answer of a coroutine that runs as a task. Cancelling it cancels the task."""

    __slots__ = ("task",)

    task: "asyncio.Task[SubgraphResponse]"

    @classmethod
    def of(cls, work: "Callable[[TaskAnswer], Coroutine[Any, Any, SubgraphResponse]]") -> "TaskAnswer":
        """Begin `work`, which gets the answer, whose `read` and `spending` are set before it runs."""
        loop = asyncio.get_running_loop()
        call = cls(loop=loop)
        call.over = call.read = call.spending = None
        call.task = loop.create_task(work(call))
        call.task.add_done_callback(call.end)
        return call

    def cancel(self, msg: Any | None = None) -> bool:
        """See asyncio."""
        self.task.cancel(msg)
        return super().cancel(msg)

    def end(self, task: "asyncio.Task[SubgraphResponse]") -> None:
        """Set the task's result or error as the answer, unless the call was cancelled."""
        if task.cancelled():
            super().cancel()
        elif (error := task.exception()) is not None:
            if not self.done():
                self.set_exception(error)
        elif not self.done():
            self.set_result(task.result())


class StreamedForm(Protocol):
    """A body with files, which is never in memory as a whole."""

    @property
    def content_type(self) -> str:
        """The body's media type, with its boundary."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        ...


class SubgraphClient(Protocol):
    """A subgraph, however it is reached. Implementations bound time, size and concurrency."""

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """The answer to a query or mutation.

        Raises `botberi_gateway.errors.SubgraphError` for a timeout, a lost connection, an HTTP status of failure, and
        anything that is no GraphQL response.
        """
        ...

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Answers until the subgraph completes. Raises `SubgraphError`.

        Closing the iterator ends the subscription at the subgraph.
        """
        ...

    async def aclose(self) -> None:
        """Close pools and tasks."""
        ...


@runtime_checkable
class EncodedClient(SubgraphClient, Protocol):
    """A client that takes a body as it goes over the wire. Wrappers have `start` only where what they wrap has it."""

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> "asyncio.Future[SubgraphResponse]":
        """Begin a request whose JSON body is already written.

        The future (no coroutine) resolves to the answer or raises `SubgraphError`; cancelling it cancels the request.

        Big numbers may be rounded in the answer: `exact` has them as they came.
        """
        ...
