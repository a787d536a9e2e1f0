"""A plan and its operation -> Python code for each set of conditions, compiled once; and a request's way through it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from graphql import FieldNode, InlineFragmentNode, SelectionSetNode, VariableNode

from botberi_gateway.errors import GatewayError
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.compiled.careful import Careful
from botberi_gateway.executor.compiled.copies import Copies, one_row
from botberi_gateway.executor.compiled.flight import FAULT, ODD, Flight
from botberi_gateway.executor.compiled.flow import Flow
from botberi_gateway.executor.compiled.laying import lay_out
from botberi_gateway.executor.compiled.layout import Layout, UnfitKey
from botberi_gateway.executor.compiled.lowering import lower
from botberi_gateway.executor.compiled.project import Project
from botberi_gateway.executor.compiled.reporting import Report
from botberi_gateway.executor.compiled.source import Source, Unsupported
from botberi_gateway.executor.compiled.step import Step
from botberi_gateway.executor.compiled.support import HELPERS, BailOut
from botberi_gateway.executor.compiled.variants import Compiler, Submit, Variants
from botberi_gateway.executor.execute import execute
from botberi_gateway.executor.first_run import FirstRun, Outgrown
from botberi_gateway.executor.result import ExecutionResult, refused
from botberi_gateway.executor.runtime import Runtime
from botberi_gateway.executor.shape import Conditions
from botberi_gateway.executor.statistics import ExecutorKind, ExecutorMismatch
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.operation import Operation
from botberi_gateway.plan import Condition, Defer, Fetch, Parallel, Plan, PlanNode, Sequence, Subscription
from botberi_gateway.upstream.port import SubgraphResponse

if TYPE_CHECKING:
    from botberi_gateway.executor.compiled.typed.program import TypedProgram

logger = logging.getLogger(__name__)

#: Runs after which a program over typed answers is made, where no `Compiler` says another number.
OFTEN: Final = 20
#: Lines of a program that take some 20 ms to compile.
LONG: Final = 500
#: What every program has.
GLOBALS: Final[dict[str, Any]] = {**HELPERS, "Copies": Copies, "FAULT": FAULT, "ODD": ODD, "one_row": one_row}


@dataclass(slots=True)
class Program:
    """One variant, ready to run."""

    operation: Operation
    #: Of its source, which is written again where somebody wants to read it.
    lines: int
    #: Of a subscription: the fetch whose answers are its events.
    given: Step | None
    layout: Layout
    run: Callable[[Flight], Awaitable[dict[str, Any] | None]]
    _propagation: Callable[..., dict[str, Any] | None] | None = None
    _typed: "TypedProgram | None" = None
    _runs: int = 0
    #: Whether a program over typed answers was asked for.
    _was_typed: bool = False
    _compiling: "asyncio.Future[None] | None" = None

    def typed(self, executor: ExecutorKind, compiler: Compiler | None) -> "TypedProgram | None":
        """The program over typed answers, once this one has run often (where executors are compared, at once)."""
        typed = self._typed
        if typed is not None:
            if not typed.useless:
                return typed
            self._typed = None
        elif not self._was_typed:
            self._runs += 1
            if executor is ExecutorKind.BOTH:
                self._was_typed = True
                self._compile_typed()
                return self._typed
            # It takes some milliseconds; meanwhile this program goes on.
            if compiler is None:
                if self._runs >= OFTEN:
                    self._was_typed = True
                    asyncio.get_running_loop().run_in_executor(None, self._compile_typed)
            elif self._runs >= compiler.max_untyped_runs - compiler.max_interpreted_runs:
                self._was_typed = compiler.later(self._compile_typed, _ignore)
        return None

    def _compile_typed(self) -> None:
        # Only a gateway that is in use needs it.
        from botberi_gateway.executor.compiled.typed.program import compile_typed

        try:
            self._typed = compile_typed(self.layout, self.operation)
        except Unsupported as reason:
            logger.debug("no typed program for %s: %s", self.operation.name or self.operation.kind, reason)
        except Exception:
            # The compiled program answers as well; an operator finds this line.
            logger.exception("compiling a typed program failed")

    @property
    def is_long(self) -> bool:
        """Whether compiling as much again would hold up the loop."""
        return self.lines > LONG

    @property
    def source(self) -> str:
        """For people: the source that was compiled."""
        return _write(self.layout, self.operation).text()

    async def compile_propagation_elsewhere(self) -> None:
        """What `propagate_nulls` needs, compiled in a thread, once for all who wait."""
        if self._propagation is None:
            if self._compiling is None or self._compiling.cancelled():
                loop = asyncio.get_running_loop()
                self._compiling = loop.run_in_executor(None, self._compile_propagation)
            await asyncio.wait({self._compiling})

    def _compile_propagation(self) -> None:
        source = Source()
        Careful(source, self.layout).write(lower(self.layout, self.operation, for_errors=True))
        self._propagation = source.function("project", self.operation.name or self.operation.kind, GLOBALS)

    def propagate_nulls(self, flight: Flight, report: Report) -> dict[str, Any] | None:
        """`project` for a flight with nulls or losses that need an error; compiled when first needed."""
        names = self.layout.state()
        if self._propagation is None:
            self._compile_propagation()
            assert self._propagation is not None
        return self._propagation(flight, report, report.field_errors, *(flight.state[name] for name in names))


def _ignore(_: object) -> None:
    """Nothing is to be done with the result."""


class Compiled:
    """A plan's programs, by the values of the variables in `@skip` and `@include`.

    With a `Compiler`, the first runs are interpreted and what comes again is compiled; without, the first run is
    compiled.
    """

    def __init__(self, plan: Plan, operation: Operation, compiler: Compiler | None = None) -> None:
        self._plan = plan
        self._compiler = compiler
        self._operation = operation
        #: The variables in `@skip` and `@include`.
        self.conditions = condition_variables(plan, operation)
        #: Tables (by the names of their indices) whose objects a key's value does not distinguish.
        self._by_identity: set[str] = set()
        self._variants = Variants(partial(compile_plan, plan, operation, by_identity=self._by_identity))
        if not self.conditions and (compiler is None or not compiler.max_interpreted_runs):
            self._variants.get({})

    @property
    def lines(self) -> int:
        """Of the programs that there are now."""
        return self._variants.lines

    def program(self, variables: Mapping[str, Any]) -> Program | str:
        """For these values; compiled now if it is not there yet. A text says why there is none."""
        return self._variants.get(self._conditions_by(variables))

    def ahead(self, variables: Mapping[str, Any], submit: Submit) -> "asyncio.Future[Any] | None":
        """Has the program for these values compiled in a thread: wait for it before `execute`.

        None where it is there already.
        """
        return self._variants.ahead(self._conditions_by(variables), submit)

    async def execute(self, variables: Mapping[str, Any], runtime: Runtime) -> ExecutionResult:
        """As `botberi_gateway.executor.execute`.

        Where the runtime asks for both executors, raises `ExecutorMismatch`.
        """
        try:
            if runtime.environment.executor is ExecutorKind.INTERPRETED:
                return await execute(self._plan, self._operation, variables, runtime)
            if self._compiler is None:
                return await self._run(self.program(variables), variables, runtime)
            conditions = self._conditions_by(variables) if self.conditions else {}
            program = self._variants.made(conditions)
            if program is None:
                if self._compiler.max_interpreted_runs:
                    program = self._variants.after_first_runs(conditions, self._compiler)
                else:
                    program = await self._compiled_now(variables, self._compiler)
            if program is not None:
                return await self._run(program, variables, runtime)
            first_run = FirstRun(runtime)
            try:
                result = await execute(self._plan, self._operation, variables, runtime, first_run=first_run)
            except Outgrown:
                if runtime.response_headers is not None:
                    runtime.response_headers.clear()  # they come again, with the same answers
                program = await self._compiled_now(variables, self._compiler)
                return await self._run(program, variables, runtime, first_run)
            runtime.environment.statistics.interpreted["first runs"] += 1
            return result
        except ResponseTooLarge as error:
            return refused(error)

    async def _run(
        self,
        program: Program | str,
        variables: Mapping[str, Any],
        runtime: Runtime,
        before: FirstRun | None = None,
    ) -> ExecutionResult:
        """By the program, or by the interpreter where there is none; `before` has answers to go on with."""
        statistics, verify = runtime.environment.statistics, runtime.environment.executor is ExecutorKind.BOTH
        if isinstance(program, str):
            statistics.interpreted[program] += 1
            return await execute(self._plan, self._operation, variables, runtime, before)
        flight = Flight(self._operation, variables, runtime, before)
        first: ExecutionResult | None = None
        typed = program.typed(runtime.environment.executor, self._compiler)
        if typed is not None:
            first = await typed.execute(flight)
            if first is not None and not verify:
                statistics.typed += 1
                return first
            flight = Flight(self._operation, variables, runtime, flight)
        result = await self._fly(program, flight)
        if result is None:
            try:
                result = await execute(self._plan, self._operation, variables, runtime, flight)
            except asyncio.CancelledError:
                flight.give_up()
                raise
        else:
            if typed is not None and first is None:
                statistics.typed_bail_outs += 1
            if verify:
                await self._verify(result, variables, runtime, flight)
        if first is not None:
            statistics.typed += 1
            compare(first, result)
        return result

    def _conditions_by(self, variables: Mapping[str, Any]) -> dict[str, bool]:
        return {name: variables.get(name) is True for name in self.conditions}

    async def _compiled_now(self, variables: Mapping[str, Any], compiler: Compiler) -> Program | str:
        """The program for these values, compiled in a thread. A text says why there is none."""
        try:
            future = self.ahead(variables, compiler.now)
        except GatewayError:
            return "too many programs to compile"
        if future is not None:
            await asyncio.wait({future})
        return self.program(variables)

    async def event(
        self, answer: SubgraphResponse, variables: Mapping[str, Any], runtime: Runtime
    ) -> tuple[ExecutionResult | None, Flight | None]:
        """One event of a subgraph's subscription: its result, or None and what the interpreter needn't ask again."""
        program = self.program(variables)
        if isinstance(program, str) or program.given is None:
            runtime.environment.statistics.interpreted[program if isinstance(program, str) else "no subscription"] += 1
            return None, None
        flight = Flight(self._operation, variables, runtime)
        if answer.data is None and len(program.layout.roots) > 1:
            # Nothing else may be asked for.
            runtime.environment.statistics.bail_outs["no data"] += 1
            return None, flight
        flight.given = flight.root(program.given, answer)
        return await self._fly(program, flight), flight

    async def state(
        self, key: str, given: dict[str, Any], variables: Mapping[str, Any], runtime: Runtime
    ) -> tuple[Flight, ExecutionResult | None, ObjectView | None] | None:
        """What follows an event of an event source, which gives the entity at `key`.

        That is the flight, the result, and what is known of the entity. Without a result the interpreter answers, and
        needn't ask what the flight has asked. None: it is for the interpreter altogether.
        """
        program = self.program(variables)
        if isinstance(program, str):
            runtime.environment.statistics.interpreted[program] += 1
            return None
        flight = Flight(self._operation, variables, runtime)
        flight.given, flight.keeps = {key: given}, True
        result = await self._fly(program, flight)
        entity = None if result is None else Report(program.layout, flight).views.at((key,))
        return flight, result, entity

    async def _fly(self, program: Program, flight: Flight) -> ExecutionResult | None:
        """None where the answers are left to the interpreter."""
        runtime = flight.runtime
        result = None
        try:
            result = await self._land(program, flight)
        except ODD as error:
            flight.bail_out = str(error.args[0]) if isinstance(error, BailOut) else "an answer of another shape"
        except ResponseTooLarge:
            flight.give_up()
            raise
        except Exception:
            if runtime.environment.executor is ExecutorKind.BOTH:
                raise
            # The interpreter answers all the same; an operator finds the count and this line.
            logger.exception("compiled code failed")
            flight.bail_out = "a fault of the compiler"
        except BaseException:
            flight.give_up()
            raise
        if flight.bail_out is None:
            runtime.environment.statistics.compiled += 1
            if result is not None and flight.spending.has_entities:
                result.max_bytes = runtime.environment.config.budget.max_response_bytes
                # What an event brought isn't among the answers that were counted.
                result.is_short = not flight.given and flight.spending.is_short
            return result
        runtime.environment.statistics.bail_outs[flight.bail_out] += 1
        if not flight.unfit <= self._by_identity:
            # The interpreter answers this one; the next has a program to which such keys are ordinary.
            self._by_identity |= flight.unfit
            self._variants.forget()
        return None

    async def _land(self, program: Program, flight: Flight) -> ExecutionResult | None:
        data = None
        propagates = False
        try:
            data = await program.run(flight)
        except ODD:
            if flight.bail_out is not None or not flight.state:
                raise
            propagates = True
        if flight.bail_out is not None:
            return None
        if propagates or flight.losses:
            report = Report(program.layout, flight)
            if program.is_long:
                await program.compile_propagation_elsewhere()
            result = report.result(program.propagate_nulls(flight, report))
        elif flight.reported:
            report = Report(program.layout, flight)
            result = report.result(data)
        else:
            return ExecutionResult(data)
        report.release()
        return result

    async def _verify(
        self, result: ExecutionResult, variables: Mapping[str, Any], runtime: Runtime, flight: Flight
    ) -> None:
        asked = dict(flight.answers)
        without_clients = replace(runtime, environment=replace(runtime.environment, clients={}))
        reference = await execute(self._plan, self._operation, variables, without_clients, flight)
        compare(result, reference)
        if asked.keys() != flight.answers.keys():
            raise ExecutorMismatch(result.to_bytes(), reference.to_bytes())


def compare(result: ExecutionResult, reference: ExecutionResult) -> None:
    """Raises `ExecutorMismatch`."""
    if reference.to_bytes() != result.to_bytes():
        raise ExecutorMismatch(result.to_bytes(), reference.to_bytes())


def compile_plan(plan: Plan, operation: Operation, conditions: Conditions, by_identity: set[str]) -> Program:
    """Tables in `by_identity` are indexed so; those that turn out to be unfit for another index are added.

    Raises `Unsupported`.
    """
    by_identity = set(by_identity)
    while True:
        try:
            layout = lay_out(plan, operation.schema, conditions, by_identity)
            source = _write(layout, operation)
        except UnfitKey as unfit:
            by_identity.add(unfit.table.index)
            continue
        title = operation.name or operation.kind
        given = plan.node.primary if isinstance(plan.node, Subscription) else None
        step = Step(given, (), operation.schema) if isinstance(given, Fetch) else None
        return Program(operation, len(source.lines), step, layout, source.function("run", title, GLOBALS))


def _write(layout: Layout, operation: Operation) -> Source:
    source = Source()
    Flow(source, layout).write()
    source.line("")
    Project(source, layout).write(lower(layout, operation))
    return source


def condition_variables(plan: Plan, operation: Operation) -> tuple[str, ...]:
    """The Boolean variables that decide what is selected and fetched."""
    names: dict[str, None] = {}
    if operation.variable_definitions:
        for definition in (operation.definition, *operation.fragments.values()):
            names.update(dict.fromkeys(_in_selections(definition.selection_set)))
    node = plan.node.rest if isinstance(plan.node, Subscription) else plan.node
    names.update(dict.fromkeys(_in_plan(node)))
    return tuple(names)


def _in_selections(root: SelectionSetNode) -> Iterator[str]:
    left = [root]
    while left:
        for node in left.pop().selections:
            for directive in node.directives or ():
                if directive.name.value in ("skip", "include"):
                    for argument in directive.arguments or ():
                        if isinstance(argument.value, VariableNode):
                            yield argument.value.name.value
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                left.append(node.selection_set)


def _in_plan(node: PlanNode | None) -> list[str]:
    match node:
        case Condition(variable, if_true, if_false):
            return [variable, *_in_plan(if_true), *_in_plan(if_false)]
        case Fetch():
            return [variable for alternative in node.only_if for variable, _ in alternative]
        case Sequence(nodes) | Parallel(nodes):
            return [name for child in nodes for name in _in_plan(child)]
        case Defer(primary, parts):
            return _in_plan(primary) + [name for part in parts for name in _in_plan(part.node)]
    return []
