"""Errors that subgraphs reported, and what was lost -> the client's errors, in the interpreter's words and order."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLNamedType

from botberi_gateway.executor.answers import entry_of, report_at, report_root
from botberi_gateway.executor.compiled.blame import Giver
from botberi_gateway.executor.compiled.flight import Flight, Loss
from botberi_gateway.executor.compiled.layout import Layout, Table, root_name
from botberi_gateway.executor.compiled.step import Step
from botberi_gateway.executor.compiled.support import EMPTY, IMPOSSIBLE, UNKNOWN, BailOut, Lost
from botberi_gateway.executor.compiled.views import Views
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.execute import in_clients_terms
from botberi_gateway.executor.field_errors import FieldErrors, UnreportedFailure
from botberi_gateway.executor.leaves import WrongLeaf, leaf
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.result import ExecutionResult
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.view import ObjectView


class _FieldErrors(FieldErrors):
    """Knows what came but not the report, which knows it: nothing in a circle is left to the garbage collector."""

    def __init__(self, log: ErrorLog, layout: Layout, state: Mapping[str, Any], names: TypeNames) -> None:
        super().__init__(log, names, layout.withheld)
        self._layout = layout
        self._state = state
        self._more: bool | None = None

    def note_missing(self, key: str) -> None:
        # A subgraph that answers otherwise than asked may also have answered more, which only the interpreter looks
        # for.
        if self._has_more():
            raise BailOut("a missing field, and others that were not asked for")

    def _has_more(self) -> bool:
        """Whether some answer has a field that was not asked for."""
        if self._more is None:
            layout, state = self._layout, self._state
            answers = [(state[root_name(number)], keys) for number, keys in layout.roots.items()]
            answers += [(state[t.rows], t.keys) for tables in layout.tables.values() for t in tables]
            self._more = any(keys.lack_some(answer) for answer, keys in answers)
        return self._more


@dataclass(frozen=True, slots=True)
class Seen:
    """What these fetches left behind."""

    state: Mapping[str, Any]
    fetches: frozenset[int]


class Report:
    """Of one flight that has ended, or of what some of its fetches left behind."""

    def __init__(self, layout: Layout, flight: Flight, log: ErrorLog | None = None, seen: Seen | None = None) -> None:
        """Without a `log` it has one of its own, with all that was reported."""
        self._layout = layout
        self._flight = flight
        self._state = flight.state if seen is None else seen.state
        runtime = flight.runtime
        self._log = (
            ErrorLog(runtime.environment.config.max_errors, runtime.environment.error_extensions)
            if log is None
            else log
        )
        self.field_errors: FieldErrors = _FieldErrors(self._log, layout, self._state, flight.type_names())
        losing = flight.unknowing.union(loss.step.id for loss in flight.losses)
        ended = None if seen is None else seen.fetches
        self.views = Views(layout, self._state, flight.type_names(), losing, ended)
        if log is None:
            for number in sorted(flight.reported):
                self.tell(number, self._log)

    def tell(self, number: int, log: ErrorLog) -> None:
        """What was reported with the answer of this fetch."""
        step, answer = self._flight.reported[number]
        fetch, tables = step.fetch, self._layout.tables.get(step.id, [])
        if not fetch.entities:
            report_root(fetch, self._targets(step), answer, log)
            return
        asked = self._flight.asked(step.id)
        reported = self._flight.sorted_errors(step, answer)
        if answer.data is not None:
            for error in reported.elsewhere:
                log.add(step.id, entry_of(error, fetch, self._place(tables)))
        for one in asked:
            for index in sorted(index for name, index in reported.by_entity if name == one.key):
                for error, below in reported.by_entity[one.key, index]:
                    if below:
                        places = self.views.places(tables[one.number])[one.rows[index]]
                        report_at(error, fetch, places, below, log)

    def _targets(self, step: Step) -> list[ObjectView]:
        """The objects that a fetch without representations was for."""
        tables = self._layout.tables.get(step.id)
        return self.views.places(tables[0])[0] if tables else [self.views.root]

    def _place(self, tables: list[Table]) -> ResponsePath | None:
        """Where to report what no field of the answer names: the first object that the fetch was for."""
        return next(
            (views[0].path() for table in tables for views in self.views.places(table) if views),
            None,
        )

    # -- what the program that knows paths calls

    def lost(
        self,
        place: ResponsePath,
        key: str,
        layer: dict[str, Any] | None = None,
        base: dict[str, Any] | None = None,
        giver: Giver | None = None,
    ) -> None:
        """No answer has the field `key` of the object at this place.

        `layer` is what alone might have given it; `base` the object before entities are joined to it, and `giver` who
        would have joined that layer.
        """
        if layer is UNKNOWN:
            return
        if self._layout.withheld is not None:
            here = self.views.at(place)
            if not here.has(key) and self.field_errors.is_withheld(here, key):
                return
        failure = layer.gap.failure if isinstance(layer, Lost) else None
        if failure is None and layer is EMPTY and base is not None and giver is not None:
            failure = giver.failure(base, self._state)
        if failure is not None:
            self.field_errors.blame(failure, (*place, key))
            return
        view = self.views.at(place)
        if view.has(key):
            raise BailOut("a field that was not asked for")
        self.field_errors.explain(view, key)

    def untyped(self, place: ResponsePath, type_name: str) -> None:
        """No subgraph could say of which type the object is."""
        self.field_errors.explain_type(self.views.at(place), type_name)

    def impossible(self, name: Any) -> Any:
        """An object whose type, called so, its field can't have.

        The code that asked for the object says which field that is.
        """
        if not isinstance(name, str):
            raise BailOut("a type that has no name")
        return IMPOSSIBLE

    def leaf(self, kind: GraphQLNamedType, value: Any, place: ResponsePath, label: str) -> Any:
        """A leaf that the quick check doesn't pass: as the client gets it, or null with an error."""
        try:
            return leaf(kind, value)
        except WrongLeaf as error:
            return self.wrong(str(error), place, label)

    def wrong(self, what: str, place: ResponsePath, label: str) -> None:
        """A value that its field can't have is null."""
        self.field_errors.report(f"The value of {label} {what}.", place)

    # -- the end

    def result(self, data: Any) -> ExecutionResult:
        """The data with the errors."""
        self.field_errors.settle(self.unreported(self._layout.fetches))
        begun = [fetch for fetch in self._layout.fetches.values() if fetch.entities]
        selections = Selections(self._flight.operation, self._flight.variables)
        return in_clients_terms(data, self._log, selections, begun, self.views.whole, self._flight.type_names())

    def release(self) -> None:
        """Let go of the views, so that they are freed at once. Nothing may ask for one any more."""
        self.views.release()

    def unreported(self, fetches: Container[int]) -> list[UnreportedFailure]:
        """What these fetches lost."""
        losses = [loss for loss in self._flight.losses if loss.step.id in fetches or loss.step.id == self._layout.given]
        return [(loss.step.id, loss.failure, self._of(loss)) for loss in losses]

    def _of(self, loss: Loss) -> Any:
        def place() -> ResponsePath | None:
            if loss.number is None:
                targets = self._targets(loss.step)
                return (targets[0].path() if targets else ()) or None
            return next(self._paths(self._layout.tables[loss.step.id][loss.number], loss.row), None)

        return place

    def _paths(self, table: Table, row: int) -> Iterator[ResponsePath]:
        views: list[ObjectView] = self.views.places(table)[row]
        return (view.path() for view in views)
