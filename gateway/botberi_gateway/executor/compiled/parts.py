"""A plan with deferred parts and its operation -> programs that run the parts, and look at what has come.

`botberi_gateway.executor.incremental` calls them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botberi_gateway.codec import encode
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge
from botberi_gateway.executor.compiled.careful import Careful
from botberi_gateway.executor.compiled.flight import ODD, Flight
from botberi_gateway.executor.compiled.flow import Flow
from botberi_gateway.executor.compiled.laying import lay_out_parts
from botberi_gateway.executor.compiled.layout import Layout, root_name
from botberi_gateway.executor.compiled.lowering import lower
from botberi_gateway.executor.compiled.program import GLOBALS, Compiled, condition_variables
from botberi_gateway.executor.compiled.reporting import Report, Seen
from botberi_gateway.executor.compiled.response import Later
from botberi_gateway.executor.compiled.source import Source
from botberi_gateway.executor.compiled.support import EMPTY, BailOut
from botberi_gateway.executor.compiled.variants import Submit, Variants
from botberi_gateway.executor.deferral import DeferredSelections, DeferUsage
from botberi_gateway.executor.errorlog import ResponsePath
from botberi_gateway.executor.latecomers import DeferringProjection, Fragment, Group
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.statistics import ExecutorKind, ExecutorMismatch
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.operation import Operation
from botberi_gateway.operation.defer import Defers
from botberi_gateway.plan import Defer, Plan, Withheld

logger = logging.getLogger(__name__)

_Data = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Program:
    """One set of conditions."""

    layout: Layout
    selections: Selections
    deferred: DeferredSelections
    lines: int
    start: Callable[[Flight], tuple[Callable[[], dict[str, Any]], Sequence[Callable[[], Awaitable[None]]]]]
    project: Callable[..., tuple[Callable[[], _Data], Sequence[Callable[..., _Data]]]]

    @property
    def source(self) -> str:
        """For people: the source that was compiled."""
        return _source(self.layout, self.selections.operation, self.deferred).text()


class CompiledParts:
    """A plan's programs, by the values of the variables in `@skip`, `@include` and `@defer`."""

    def __init__(self, plan: Plan, operation: Operation, whole: Compiled | None = None) -> None:
        """`whole` answers where no directive is on."""
        assert isinstance(plan.node, Defer)
        self.plan = plan
        self.whole = whole
        self._node = plan.node
        self._operation = operation
        self._defers = Defers(operation.document)
        self._conditions = condition_variables(plan, operation)
        # Not a method of this object, which would be a cycle of references.
        self._variants = Variants(partial(_write, plan.withheld, self._node, operation, self._defers))
        if not self._conditions and all(one.variable is None for one in self._defers):
            self.program({})

    @property
    def lines(self) -> int:
        """Of the programs that there are now."""
        return self._variants.lines

    def program(self, variables: Mapping[str, Any]) -> Program | str:
        """For these values; compiled now if it is not there yet. A text says why there is none."""
        return self._variants.get(self._conditions_by(variables))

    def ahead(self, variables: Mapping[str, Any], submit: Submit) -> "asyncio.Future[Any] | None":
        """See `Compiled.ahead`."""
        if self.whole is not None and not any(one.is_on(variables) for one in self._defers):
            return self.whole.ahead(variables, submit)
        return self._variants.ahead(self._conditions_by(variables), submit)

    def _conditions_by(self, variables: Mapping[str, Any]) -> dict[str, bool]:
        conditions = {name: variables.get(name) is True for name in self._conditions}
        return conditions | {one.variable: one.is_on(variables) for one in self._defers if one.variable is not None}


def _write(
    withheld: tuple[Withheld, ...],
    node: Defer,
    operation: Operation,
    defers: Defers,
    conditions: Mapping[str, bool],
) -> Program:
    on = frozenset(one.number for one in defers if one.is_on(conditions))
    layout = lay_out_parts(node, operation.schema, conditions, on, withheld)
    selections = Selections(operation, conditions)
    deferred = DeferredSelections(selections, defers, conditions)
    source = _source(layout, operation, deferred)
    title = operation.name or operation.kind
    start, project = source.functions(("start", "project"), title, GLOBALS)
    return Program(layout, selections, deferred, len(source.lines), start, project)


def _source(layout: Layout, operation: Operation, deferred: DeferredSelections) -> Source:
    source = Source()
    Flow(source, layout).write_parts()
    source.line("")
    Careful(source, layout, defers=True).write(lower(layout, operation, deferred, for_errors=True))
    return source


class Parts:
    """One delivery."""

    def __init__(self, program: Program, execution: Execution) -> None:
        self.program = program
        self.flight = Flight(execution.operation, execution.variables, execution.runtime)
        self.flight.ends, self.flight.keeps = execution.ends, True
        self._left, self._parts = program.start(self.flight)

    async def run(self, part: int | None, execution: Execution) -> None:
        """A deferred part's fetches, or those that aren't deferred.

        What is wrong with their answers goes to this execution.
        """
        flight, layout = self.flight, self.program.layout
        await self._parts[0 if part is None else part + 1]()
        if flight.bail_out is not None:
            raise BailOut(flight.bail_out)
        fetches = [number for number, owner in layout.part_of.items() if owner == part]
        seen = frozenset(fetches).union(*(layout.before[number] for number in fetches))
        report = Report(layout, flight, execution.errors, Seen(self.state(seen), seen))
        execution.reports |= {number: partial(report.tell, number) for number in fetches if number in flight.reported}
        execution.failures += report.unreported(fetches)
        execution.fetches += [layout.fetches[number] for number in fetches if layout.fetches[number].entities]

    def look(self, fetches: frozenset[int], execution: Execution) -> "Look":
        """At what these fetches gave; they have ended."""
        return Look(self, fetches, execution)

    def state(self, fetches: frozenset[int]) -> dict[str, Any]:
        """What these fetches left behind, as if the others hadn't begun."""
        state, layout = self._left(), self.program.layout
        tables = [table for tables in layout.tables.values() for table in tables]
        begun = {table.index for table in tables if table.fetch.id in fetches}
        state |= {root_name(number): EMPTY for number in layout.roots if number not in fetches}
        for table in tables:
            if table.fetch.id not in fetches:
                # Others may have the same objects, and with them the index.
                state[table.rows] = [EMPTY] * len(state[table.rows])
            if table.index not in begun:
                state[table.index] = {}
        return state


class Look(Report):
    """Stands in for `DeferringProjection`.

    `groups` are those that were found and not lost to a null that propagates.
    """

    def __init__(self, parts: Parts, fetches: frozenset[int], execution: Execution) -> None:
        program, flight = parts.program, parts.flight
        seen = Seen(parts.state(fetches), fetches)
        super().__init__(program.layout, flight, execution.errors, seen)
        self.groups: list[Group] = []
        self._program = program
        self._execution = execution
        state = (seen.state[name] for name in program.layout.state())
        self._own = self.field_errors
        self._initial, self._laters = program.project(flight, self, self._own, *state)

    def joined(self) -> ObjectView:
        """The root of the joined view."""
        return self.views.whole()

    def initial(self) -> _Data:
        """The data that isn't deferred."""
        return self._either(self._initial, lambda projection: projection.initial())

    def later(self, group: Group) -> _Data:
        """A group's fields; None where a null propagated out of them."""

        def interpreted(projection: DeferringProjection) -> _Data:
            return projection.later(group)

        if group.compiled is None:
            self._execution.runtime.environment.statistics.bail_outs[
                "deferred fields of an object that others join"
            ] += 1
            return self._interpreted(interpreted)
        number, layers = group.compiled
        return self._either(lambda: self._laters[number](*layers, group.path, group.known), interpreted)

    def again(self) -> "Look":
        """For another group of the same parts."""
        self._own.entries.clear()
        self.field_errors, self.groups = self._own, []
        return self

    def close(self) -> None:
        """The functions, which know this object, are let go."""
        self._initial, self._laters = _closed, ()

    def _either(self, compiled: Callable[[], _Data], interpreted: Callable[[DeferringProjection], _Data]) -> _Data:
        """Compiled code's data, or the interpreter's where compiled code bails out."""
        runtime, log = self._execution.runtime, self._log
        notes = log.notes()
        try:
            data = compiled()
        except ResponseTooLarge:
            raise
        except Exception as error:
            reason = str(error.args[0]) if isinstance(error, BailOut) else "an answer of another shape"
            if not isinstance(error, ODD):
                if runtime.environment.executor is ExecutorKind.BOTH:
                    raise
                # The interpreter answers all the same; an operator finds the count and this line.
                logger.exception("compiled code failed")
                reason = "a fault of the compiler"
            runtime.environment.statistics.bail_outs[reason] += 1
            log.restore(notes)
            return self._interpreted(interpreted)
        if runtime.environment.executor is ExecutorKind.BOTH:
            mine = data, self.field_errors.entries, self.groups
            log.restore(notes)
            theirs = self._interpreted(interpreted), self.field_errors.entries, self.groups
            if _reported(*mine) != _reported(*theirs):
                raise ExecutorMismatch(_reported(*mine), _reported(*theirs))
            data, self.field_errors.entries, self.groups = mine
        return data

    def _interpreted(self, interpreted: Callable[[DeferringProjection], _Data]) -> _Data:
        """By the interpreter's projection, over the view that it would have."""
        execution = self._execution.branch()
        execution.errors = self._log
        projection = DeferringProjection(
            execution, self.views.whole(), self._program.selections, self._program.deferred
        )
        data = interpreted(projection)
        self.field_errors, self.groups = projection.field_errors, projection.groups
        return data

    # -- what programs call

    def begin(
        self, known: dict[DeferUsage, Fragment], place: ResponsePath, usages: Sequence[DeferUsage]
    ) -> dict[DeferUsage, Fragment]:
        """Fragments begin at an object: those around it, and these."""
        known = dict(known)
        for usage in usages:
            known[usage] = Fragment(place, usage, None if usage.parent is None else known.get(usage.parent))
        return known

    def defer(
        self, place: ResponsePath, known: dict[DeferUsage, Fragment], later: Later, layers: Sequence[dict[str, Any]]
    ) -> None:
        """Fields of an object come later."""
        fragments = tuple([known[usage] for usage in later.order])
        compiled = None if later.number is None else (later.number, layers)
        self.groups.append(Group(place, later.kind, later.usages, later.fields, fragments, known, compiled=compiled))


def _closed() -> _Data:
    raise RuntimeError("The delivery has ended.")


def _reported(data: _Data, found: Sequence[tuple[ErrorEntry, ResponsePath | None]], groups: Sequence[Group]) -> bytes:
    """For comparing."""
    return encode(
        [
            data,
            [[entry.to_json(), None if lost_at is None else list(lost_at)] for entry, lost_at in found],
            [[list(g.path), list(g.fields), sorted(u.directive.number for u in g.usages)] for g in groups],
        ]
    )
