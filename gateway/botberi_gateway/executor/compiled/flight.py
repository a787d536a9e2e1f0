"""One execution of a program: requests on their way, answers that came, and whether compiled code has to bail out."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import FieldNode

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode_rounded
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor.answers import Sorted, entities_of, no_data
from botberi_gateway.executor.budget import ResponseTooLarge, Spending
from botberi_gateway.executor.compiled.step import Asked, Step
from botberi_gateway.executor.compiled.support import EMPTY, UNKNOWN, BailOut, Lost, OtherKey
from botberi_gateway.executor.failure import FetchFailure, MissingData
from botberi_gateway.executor.first_run import FirstRun
from botberi_gateway.executor.introspection import Introspection
from botberi_gateway.executor.renames import renamed
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.request import failed_request
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Fetch
from botberi_gateway.upstream.port import Answer, CountedAnswer, SubgraphClient, SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)

#: What a request may fail by: `SubgraphError`, `TimeoutError`, or a fault of its client.
FAULT: Final = Exception
#: What walking answers of another shape than expected may raise in a program.
ODD: Final = (BailOut, TypeError, KeyError, IndexError, AttributeError, ValueError, RecursionError)

_OBJECTS: Final = frozenset((dict,))
_OBJECTS_AND_NULLS: Final = frozenset((dict, type(None)))


@dataclass(slots=True)
class Failed(SubgraphResponse):
    """In the place of the answer to a request that failed."""

    failure: FetchFailure | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a fetch gave nothing, and the first representation that it gave nothing for, with its `_entities` field.

    The representation is None for a fetch without.
    """

    step: Step
    failure: FetchFailure
    number: int | None = None
    row: int = 0


class Flight:
    """Belongs to one request. `answers` serve the interpreter where the flight bails out: nothing is asked twice."""

    __slots__ = (
        "_sorted",
        "answers",
        "bail_out",
        "before",
        "deadline",
        "ended",
        "ends",
        "given",
        "keeps",
        "loop",
        "losses",
        "names",
        "operation",
        "reported",
        "runtime",
        "sent",
        "spending",
        "state",
        "tasks",
        "unfit",
        "unknowing",
        "variables",
    )

    def __init__(
        self,
        operation: Operation,
        variables: Mapping[str, Any],
        runtime: Runtime,
        before: "Flight | FirstRun | None" = None,
    ) -> None:
        """`before` was an attempt at the same request, which gave up: what it has asked isn't asked again."""
        self.before = before
        self.operation = operation
        self.variables = variables
        self.runtime = runtime
        #: What is left of the operation's budget; what one that gave up has spent came from answers that are used
        #: again.
        self.spending = Spending(runtime.environment.config.budget)
        if before is not None:
            self.spending.go_on_from(before.spending)
        self.loop = asyncio.get_running_loop()
        self.deadline: float = (
            self.loop.time() + runtime.environment.config.operation_timeout_seconds
            if before is None
            else before.deadline
        )
        self.answers: dict[int, asyncio.Future[SubgraphResponse]] = {}
        #: Fetch -> what it was sent with: for each `_entities` field what the program has gathered.
        self.sent: dict[int, tuple[Step, Sequence[Any]]] = {}
        self.tasks: list[asyncio.Task[None]] = []
        #: Fetch -> what is set when it has ended, for those that a deferred part waits for.
        self.ends: Mapping[int, asyncio.Event] = {}
        #: Nothing more is sent.
        self.ended = False
        #: A subscription's event.
        self.given: dict[str, Any] = EMPTY
        #: Answers with errors.
        self.reported: dict[int, tuple[Step, SubgraphResponse]] = {}
        self.losses: list[Loss] = []
        #: Whether the program leaves behind what it knows: where there are errors or losses, or somebody asks for it.
        self.keeps = False
        #: What the fetches left behind, by its names in the program.
        self.state: dict[str, Any] = {}
        self._sorted: dict[int, Sorted] = {}
        #: Fetches whose subgraph doesn't know some entity.
        self.unknowing: set[int] = set()
        #: In a few fixed words, for a metric.
        self.bail_out: str | None = None
        self.names: TypeNames | None = None
        #: Tables that can't be indexed by a key's value.
        self.unfit: set[str] = set()

    def send(self, step: Step, batches: Sequence[Any] = ()) -> "asyncio.Future[SubgraphResponse]":
        """Begin the request.

        What goes wrong with it the future raises. Raises `ResponseTooLarge` for too many representations.
        """
        runtime = self.runtime
        future: asyncio.Future[SubgraphResponse]
        if self.ended:
            return self._failed(TimeoutError())  # and not an answer that the other flight could find
        if self.before is not None and (known := self.before.again(step, batches)) is not None:
            self.answers[step.id], self.sent[step.id] = known, (step, batches)
            return known
        if batches:
            self.spending.take_entities(len(batches[0]) if len(batches) == 1 else sum(map(len, batches)))
        try:
            timeout = min(runtime.environment.timeout_for(step.subgraph), self.deadline - self.loop.time())
            if timeout <= 0:
                raise TimeoutError
            client = runtime.environment.clients.get(step.subgraph)
            start = getattr(client, "start", None)
            headers = runtime.headers(step.subgraph)
            if start is not None:
                future = start(step.body(self.variables, batches), step.kind, headers, timeout)
                if isinstance(future, Answer):
                    future.spending = self.spending
                    if step.read is not None:
                        future.read = step.read
                elif isinstance(future, CountedAnswer):
                    future.spending = self.spending
            elif client is not None:
                request = step.request(self.variables, batches, headers, timeout, self.spending)
                future = self.loop.create_task(_bounded(client, request, timeout))
            else:
                message = f"Subgraph {step.subgraph!r} is not configured."
                raise SubgraphError(step.subgraph, message, code=errors.SUBGRAPH_UNREACHABLE)
        except CodecError:
            message = f"The variables for subgraph {step.subgraph!r} can't be written as JSON."
            future = self._failed(SubgraphError(step.subgraph, message, code=errors.BAD_USER_INPUT))
        except Exception as error:
            future = self._failed(error)
        self.answers[step.id] = future
        self.sent[step.id] = step, batches
        return future

    def asked(self, fetch: int) -> list[Asked]:
        """The `_entities` fields of a request as it was sent."""
        step, batches = self.sent[fetch]
        return step.asked(batches)

    def representations(self, fetch: int) -> list[Sequence[dict[str, Any]]]:
        return [one.representations for one in self.asked(fetch)]

    def sorted_errors(self, step: Step, answer: SubgraphResponse) -> Sorted:
        """The errors that came with the entities of this fetch, sorted once."""
        found = self._sorted.get(step.id)
        if found is None:
            sizes = {one.key: len(one.representations) for one in self.asked(step.id)}
            found = self._sorted[step.id] = Sorted(step.fetch, sizes, answer.errors)
        return found

    def answer_to(
        self, fetch: Fetch, representations: Sequence[Sequence[Mapping[str, Any]]]
    ) -> "asyncio.Future[SubgraphResponse] | None":
        """See `Answered`. What this flight didn't send, the one before it may have sent."""
        if fetch.id in self.answers:
            if fetch.kind == "query" and representations != self.representations(fetch.id):
                logger.error("fetch %s: compiled code made other representations than the interpreter", fetch.id)
                return None
            return self.answers[fetch.id]
        before = self.before
        if isinstance(before, FirstRun):
            return before.answer_to(fetch, representations)
        if before is None or fetch.id not in before.answers or representations != before.representations(fetch.id):
            return None
        return before.again(*before.sent[fetch.id])

    def again(self, step: Step, batches: Sequence[list[dict[str, Any]]]) -> "asyncio.Future[SubgraphResponse] | None":
        """What this flight was answered, or will be, as any other reads it; None if it didn't ask the same."""
        future = self.answers.get(step.id)
        if future is None or self.sent[step.id][1] != batches:
            return None
        if not future.done():
            if isinstance(future, Answer):
                future.read = None
            return future
        if future.cancelled() or future.exception() is not None:
            return future
        answer = future.result()
        if answer.raw is None or answer.data is None or answer.data.__class__ is dict:
            return future
        plain: asyncio.Future[SubgraphResponse] = self.loop.create_future()
        data = decode_rounded(answer.raw)["data"]
        plain.set_result(SubgraphResponse(data, (), answer.extensions, answer.headers, answer.raw))
        return plain

    def introspect(self, key: str, nodes: list[FieldNode]) -> Any:
        """The value of `__schema` or `__type`."""
        made = self.runtime.introspection or Introspection(self.operation, self.variables)
        value, found = made.value(key, nodes)
        if found or (value is None and nodes[0].name.value == "__schema"):
            raise BailOut("an introspection error")
        return value

    def _failed(self, error: Exception) -> "asyncio.Future[SubgraphResponse]":
        future: asyncio.Future[SubgraphResponse] = self.loop.create_future()
        future.set_exception(error)
        return future

    def end(self, fetch: int) -> None:
        """This fetch has ended, or won't be made."""
        event = self.ends.get(fetch)
        if event is not None:
            event.set()

    def spawn(self, branch: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A branch of the plan that goes on beside this one."""
        task = self.loop.create_task(branch)
        self.tasks.append(task)
        return task

    def leave(self) -> None:
        """Another flight goes on with what was sent.

        Branches end when their requests have, as cancelling them would cancel those.
        """
        self.ended = True
        for task in self.tasks:
            task.add_done_callback(_seen)

    def give_up(self) -> None:
        """Cancel what is under way."""
        for task in self.tasks:
            task.cancel()
        for future in self.answers.values():
            future.cancel()
        if self.before is not None:
            self.before.give_up()

    # -- answers

    def root(self, step: Step, answer: SubgraphResponse) -> dict[str, Any]:
        """The object that an answer is; `Lost` where there is none."""
        self._note(step, answer)
        data = answer.data
        if data is None:
            return self._no_root(step, answer)
        if step.fetch.renames:
            data = renamed(data, step.fetch.renames, self.type_names())
        return data if data.__class__ is dict else EMPTY

    def _no_root(self, step: Step, answer: SubgraphResponse) -> Lost:
        failure = answer.failure if isinstance(answer, Failed) else None
        if failure is None:
            failure = no_data(step.fetch, answer.errors)
            logger.warning("fetch %s: %s: %s", step.id, failure.code, failure.message)
        self._lose(Loss(step, failure))
        return Lost(MissingData(step.fetch, None, failure))

    def entities(
        self,
        step: Step,
        number: int,
        answer: SubgraphResponse,
        asked: Sequence[dict[str, Any]],
        copy: Asked | None = None,
    ) -> Sequence[dict[str, Any]]:
        """The entities of one `_entities` field, as many as were asked for; `copy` says which of its copies it is."""
        if number == 0 and copy is None:
            self._note(step, answer)
        if not asked:
            return ()
        data = answer.data
        found = None if data is None else data.get(step.keys[number] if copy is None else copy.key)
        if found.__class__ is not list or len(found) != len(asked):
            return self._looked_at(step, number, answer, asked, copy)
        entities: list[dict[str, Any]] = found
        if not _OBJECTS.issuperset(map(type, entities)):
            if answer.errors or not _OBJECTS_AND_NULLS.issuperset(map(type, entities)):
                return self._looked_at(step, number, answer, asked, copy)
            entities = [UNKNOWN if entity is None else entity for entity in entities]
            self.unknowing.add(step.id)
        if step.fetch.renames:
            names = self.type_names()
            entities = [
                entity if entity is UNKNOWN else renamed(entity, step.fetch.renames, names) for entity in entities
            ]
        check, expected = step.checks[number]
        # What wasn't asked for may contradict as well.
        if (expected is None or max(map(len, entities)) > expected) and not check(asked, entities):
            return self._looked_at(step, number, answer, asked, copy)
        return entities

    def copies(
        self, step: Step, number: int, answer: SubgraphResponse, asked: Sequence[Any]
    ) -> Sequence[dict[str, Any]]:
        """`entities` for a field with contextual arguments, which is in the request as often as they differ."""
        if number == 0:
            self._note(step, answer)
        entities = [EMPTY] * len(asked)
        for copy in self.asked(step.id):
            if copy.number == number:
                found = self.entities(step, number, answer, copy.representations, copy)
                for row, entity in zip(copy.rows, found, strict=True):
                    entities[row] = entity
        return entities

    def _looked_at(
        self,
        step: Step,
        number: int,
        answer: SubgraphResponse,
        asked: Sequence[dict[str, Any]],
        copy: Asked | None,
    ) -> Sequence[dict[str, Any]]:
        """`entities` one by one, with the errors that name them, where something is wrong with the answer."""
        key = step.keys[number]
        if isinstance(answer, Failed):
            assert answer.failure is not None
            if not any(loss.failure is answer.failure for loss in self.losses):
                self._lose(Loss(step, answer.failure, number))
            return [Lost(MissingData(step.fetch, key, answer.failure))] * len(asked)
        reported = self.sorted_errors(step, answer)
        sent_as = key if copy is None else copy.key
        outcomes, failures = entities_of(step.fetch, sent_as, asked, answer, reported, self.type_names())
        for failure, index in failures:
            self._lose(Loss(step, failure, number, index if copy is None else copy.rows[index]))
        lost = {id(failure): Lost(MissingData(step.fetch, key, failure)) for failure, _ in failures}
        rows: list[dict[str, Any]] = []
        for outcome in outcomes:
            if isinstance(outcome, FetchFailure):
                rows.append(lost[id(outcome)])
            else:
                rows.append(UNKNOWN if outcome is None else outcome)  # type: ignore[arg-type]
        if None in outcomes:
            self.unknowing.add(step.id)
        return rows

    def _lose(self, loss: Loss) -> None:
        self.keeps = True
        self.losses.append(loss)

    def _note(self, step: Step, answer: SubgraphResponse) -> None:
        """What is kept of an answer beside its data."""
        if answer.errors:
            self.keeps = True
            self.reported[step.id] = step, answer
        kept = self.runtime.response_headers
        if kept is not None and answer.headers:
            kept.extend((step.subgraph, name, value) for name, value in answer.headers)

    def type_names(self) -> TypeNames:
        """Made when first asked for."""
        if self.names is None:
            self.names = TypeNames(self.operation.schema)
        return self.names

    def fault(self, step: Step, error: Exception) -> Failed:
        """The request failed. Raises `ResponseTooLarge` where its answer was more than the operation may have."""
        if isinstance(error, ResponseTooLarge):
            raise error
        return Failed(None, failure=failed_request(step.fetch, error))

    def odd(self, step: Step, error: BaseException) -> None:
        """Representations couldn't be made of what came."""
        self.bail_out = str(error.args[0]) if isinstance(error, BailOut) else "an answer of another shape"
        if isinstance(error, OtherKey):
            self.unfit.add(error.index)
        logger.debug("fetch %s: %s", step.id, error)


def _seen(task: asyncio.Task[None]) -> None:
    """No caller waits for the result any more."""
    if not task.cancelled():
        task.exception()


async def _bounded(client: SubgraphClient, request: SubgraphRequest, seconds: float) -> SubgraphResponse:
    async with asyncio.timeout(seconds):
        return await client.execute(request)
