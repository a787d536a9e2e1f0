"""A layout that is used often -> a program over typed answers, and its result.

What doesn't fit goes to the compiled code.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from weakref import WeakSet

import orjson

from botberi_gateway.codec import encode
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.compiled.flight import Flight
from botberi_gateway.executor.compiled.layout import Layout
from botberi_gateway.executor.compiled.lowering import lower
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.step import Step
from botberi_gateway.executor.compiled.support import EMPTY, ONCE
from botberi_gateway.executor.compiled.typed.answers import Answers, projected
from botberi_gateway.executor.compiled.typed.flow import TypedFlow
from botberi_gateway.executor.compiled.typed.project import Project
from botberi_gateway.executor.result import ExecutionResult, response_too_large
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.statistics import ExecutorKind
from botberi_gateway.operation import Operation
from botberi_gateway.upstream.bounded import TooLong, encode_all, encode_bounded
from botberi_gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)

#: Typed programs of this process: each keeps some dozens of kilobytes of types and code.
MOST: Final = 500
_alive: "WeakSet[TypedProgram]" = WeakSet()
_Response: Final = projected(("data",))


#: What no answer can make a typed program raise: its compiler's mistakes.
_FAULTS: Final = (AttributeError, NameError, TypeError, IndexError)


class ShapeMismatch(Exception):
    """Something in the answers that a typed program leaves to the compiled code."""


class TypedResult(ExecutionResult):
    """A result without errors whose data is typed objects.

    They are written as they are, and read as dictionaries by those who look into it.
    """

    __slots__ = ("_program", "_read", "_whole")

    def __init__(self, data: Any, max_bytes: int | None, program: "TypedProgram", *, is_short: bool = False) -> None:
        self._whole = _Response(data)
        self._program = program
        self._read: Any = None
        self.max_bytes = max_bytes
        self.is_short = is_short
        self.errors: Sequence[ErrorEntry] = ()
        self.extensions = EMPTY
        self.event_id = None
        self.response_headers: Sequence[tuple[str, str, str]] = ()

    @property
    def data(self) -> Any:  # type: ignore[override] # it is never assigned
        """Read when first asked for."""
        if self._read is None:
            self._read = orjson.loads(self._written())["data"]
        return self._read

    def to_bytes(self) -> bytes:
        """See `ExecutionResult.to_bytes`."""
        return encode(self.to_json()) if self.errors else self._written()

    def _written(self) -> bytes:
        if self.max_bytes is None:
            return encode_all(self._whole)
        program = self._program
        try:
            if self.is_short:
                written = encode_all(self._whole)
                if len(written) > self.max_bytes:
                    raise TooLong
            else:
                written = encode_bounded(self._whole, self.max_bytes, program.expected_bytes)
                program.expected_bytes = len(written)
            return written
        except TooLong:
            self._whole, self.errors = _Response(None), (response_too_large(self.max_bytes).entry(),)
            return encode({"data": None, "errors": [entry.to_json() for entry in self.errors]})


class TypedProgram:
    """One layout's. While some of its answers don't fit it goes on; when too many don't, it is `useless`."""

    def __init__(self, steps: Sequence[Step], run: Callable[[Flight], Awaitable[Any]]) -> None:
        self._steps = steps
        self._run = run
        self._runs = self._mismatches = 0
        #: Of the next response: what the last one had.
        self.expected_bytes = 0

    @property
    def useless(self) -> bool:
        """Whether reading answers twice costs more than is saved."""
        return self._mismatches >= 8 and self._mismatches * 8 > self._runs

    async def execute(self, flight: Flight) -> TypedResult | None:
        """None where the flight's answers are left to the compiled code."""
        self._runs += 1
        try:
            data = await self._run(flight)
        except ResponseTooLarge:
            flight.give_up()
            raise
        except Exception as error:
            self._mismatches += 1
            flight.leave()
            if isinstance(error, _FAULTS):
                if flight.runtime.environment.executor is ExecutorKind.BOTH:
                    raise
                # The compiled program answers all the same; an operator finds this line.
                logger.exception("a typed program failed")
            return None
        except BaseException:
            flight.give_up()
            raise
        kept = flight.runtime.response_headers
        # Where executors are compared the others go over the same answers, and keep them.
        if kept is not None and flight.runtime.environment.executor is not ExecutorKind.BOTH:
            for step in self._steps:
                answer = flight.answers.get(step.id)
                if answer is not None and (headers := answer.result().headers):
                    kept.extend((step.subgraph, name, value) for name, value in headers)
        spending = flight.spending
        if not spending.has_entities:
            return TypedResult(data, None, self)
        # Each field that was counted has a part of one answer as its value, or further ones that were counted.
        max_bytes = flight.runtime.environment.config.budget.max_response_bytes
        return TypedResult(data, max_bytes, self, is_short=spending.is_short)


def compile_typed(layout: Layout, operation: Operation) -> TypedProgram:
    """Raises `Unsupported`."""
    if len(_alive) >= MOST:
        raise Unsupported("as many typed programs as a process may have")
    source, steps = write_typed(layout, operation)
    title = operation.name or operation.kind
    run = source.function("run", title, {"EMPTY": EMPTY, "ONCE": ONCE, "ShapeMismatch": ShapeMismatch, "typed": typed})
    program = TypedProgram(steps, run)
    _alive.add(program)
    return program


def write_typed(layout: Layout, operation: Operation) -> tuple[Source, Sequence[Step]]:
    """The source, and the fetches whose answers it takes. Raises `Unsupported`."""
    if layout.given is not None or layout.parts:
        raise Unsupported("events and parts")
    source = Source()
    answers = Answers(layout, Selections(operation, layout.conditions))
    flow = TypedFlow(source, layout, answers)
    flow.write()
    source.line("")
    project = Project(source, layout, answers)
    project.write(lower(layout, operation))
    source.constants.update(project.constants())
    steps = []
    for fetch in flow.heard:
        step: Step = source.constants[f"FETCH_{fetch.id}"]
        source.constants[f"DATA_{fetch.id}"], step.read = answers.reader(fetch)
        steps.append(step)
    return source, steps


def typed(flight: Flight, step: Step, answer: SubgraphResponse) -> Any:
    """The data of an answer that was not read as typed.

    Where executors are compared it is read now, so that clients of every kind test it.

    Raises `ShapeMismatch`.
    """
    if (
        flight.runtime.environment.executor is ExecutorKind.BOTH
        and not answer.errors
        and type(answer.data) is dict
        and step.read is not None
    ):
        try:
            return step.read(encode({"data": answer.data}))[0]
        except ValueError:
            pass
    raise ShapeMismatch
