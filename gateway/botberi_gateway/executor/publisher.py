"""Groups of deferred fields, and which are ready -> payloads: what is announced, delivered, completed, with errors."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.errorlog import ErrorLog, Fingerprint, ResponsePath, fingerprint_of
from botberi_gateway.executor.field_errors import FieldErrors, report_rest
from botberi_gateway.executor.latecomers import Fragment, Group
from botberi_gateway.executor.payload import Completed, Incremental, Payload, Pending
from botberi_gateway.executor.relevance import ErrorRelevance, Relevance
from botberi_gateway.executor.result import ExecutionResult
from botberi_gateway.executor.selection import Selections
from botberi_gateway.executor.state import Execution
from botberi_gateway.executor.view import ObjectView

_LOST: Final = "A field of the deferred fragment is null where it can't be."


class Look(Protocol):
    """A projection of some fetches' data: the first payload's, or a group's."""

    @property
    def field_errors(self) -> FieldErrors: ...

    @property
    def groups(self) -> list[Group]:
        """The groups of deferred fields that the projection came upon."""
        ...

    def joined(self) -> ObjectView:
        """The root of the joined view."""
        ...

    def initial(self) -> dict[str, Any] | None: ...

    def later(self, group: Group) -> dict[str, Any] | None: ...

    def again(self) -> "Look":
        """A projection for another group of the same parts."""
        ...

    def close(self) -> None:
        """Release what the projection keeps."""
        ...


class DeferredWork(Protocol):
    """The deferred parts of a plan, by their numbers, as the publisher uses them."""

    def look(self, parts: frozenset[int], execution: Execution) -> Look:
        """Project what isn't deferred, and these parts. Errors are read from the execution and added to it."""
        ...

    def needs(self, group: Group) -> frozenset[int]:
        """The parts that give the group's fields."""
        ...


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is known when exactly these parts have ended, so that the result doesn't depend on which part ends first."""

    parts: frozenset[int]
    execution: Execution
    look: Look


class Publisher:
    """The payloads of a response. All of them together have at most as many errors as a response in one piece."""

    def __init__(self, execution: Execution, selections: Selections, work: DeferredWork) -> None:
        self._execution = execution
        self._selections = selections
        self._work = work
        #: Deferred parts that have ended, each with its errors.
        self._ended: dict[int, Execution] = {}
        self._scopes: dict[frozenset[int], _Scope] = {}
        self._data: dict[str, Any] | None = None
        #: All groups; those that wait.
        self._all_groups: list[Group] = []
        self._groups: list[Group] = []
        self._unannounced: dict[Fragment, None] = {}
        self._open: dict[Fragment, None] = {}
        #: Errors that were reported, and further ones beyond the limit, which are only counted.
        self._reported: set[Fingerprint] = set()
        #: Where entries belong in the client's terms; the scopes keep the entries alive.
        self._paths: dict[int, ResponsePath] = {}
        self._count = 0
        self._max_bytes = execution.runtime.environment.config.budget.max_response_bytes

    def first(self) -> Payload:
        """The first payload, when everything that isn't deferred has ended."""
        scope = self._scope(frozenset())
        data = self._data = scope.look.initial()
        self._register(scope, scope.look)
        entries = self._take(scope, lambda path: path is None or _is_in(path, data))
        pending = self._announce()
        if not pending:
            # No other payload follows, so every error has to be in this one.
            entries += self._rest()
        result = ExecutionResult(data, entries, self._omitted())
        return Payload(result, pending, has_next=bool(pending), max_bytes=self._max_bytes)

    def close(self) -> None:
        """Break the circles of fragments, groups and programs, after the last payload."""
        for group in self._all_groups:
            for fragment in group.fragments:
                fragment.groups.clear()
            group.fragments = ()
        for scope in self._scopes.values():
            scope.look.close()

    def absorb(self, part: int, branch: Execution) -> None:
        """Take the errors of a part of the plan that has ended."""
        self._ended[part] = branch

    def next(self) -> Payload | None:
        """A payload with all that can be delivered now; None where nothing can."""
        pending: list[Pending] = []
        incremental: list[Incremental] = []
        completed: list[Completed] = []
        moved = True
        while moved:
            moved = self._answer()
            for fragment in list(self._open):
                if all(group.done for group in fragment.groups):
                    del self._open[fragment]
                    self._complete(fragment, incremental, completed)
                    moved = True
            pending += self._announce()
        if not completed:
            return None
        has_next = bool(self._open)
        if not has_next:
            rest = self._rest()
            if rest and incremental:
                incremental[-1] = replace(incremental[-1], errors=(*incremental[-1].errors, *rest))
            elif rest:
                completed[-1] = replace(completed[-1], errors=(*completed[-1].errors, *rest))
        omitted = {} if has_next else self._omitted()
        return Payload(None, pending, incremental, completed, has_next, omitted, self._max_bytes)

    def _answer(self) -> bool:
        """Project the groups that are ready, and announced."""
        waiting, self._groups = self._groups, []
        moved = False
        for group in waiting:
            live = [fragment for fragment in group.fragments if not fragment.is_lost()]
            if not live:
                group.done = True
            elif any(fragment in self._open for fragment in live) and group.parts <= self._ended.keys():
                self._project(group)
                moved = True
            else:
                self._groups.append(group)
        return moved

    def _project(self, group: Group) -> None:
        scope = self._scope(group.parts)
        look = scope.look.again()
        data = group.data = look.later(group)
        group.done = True
        if data is None:
            look.field_errors.lose(0, ())  # the whole group is null, so errors in it are pointless
        self._register(scope, look)
        start = len(group.path)

        def belongs(path: ResponsePath | None) -> bool:
            if path is None or path[:start] != group.path:
                return False
            return _is_in(path[start:], data) if data is not None else len(path) > start and path[start] in group.fields

        group.errors = self._take(scope, belongs)

    def _complete(self, fragment: Fragment, incremental: list[Incremental], completed: list[Completed]) -> None:
        assert fragment.id is not None
        failed = [group for group in fragment.groups if group.data is None]
        if failed:
            fragment.failed = True
            entries = [entry for group in failed for entry in group.errors]
            # Without an error it would look complete.
            completed.append(Completed(fragment.id, entries or [ErrorEntry(_LOST, errors.SUBGRAPH_INVALID_RESPONSE)]))
            return
        fragment.completed = True
        for group in fragment.groups:
            if group.delivered:
                continue
            group.delivered = True
            best = fragment
            for other in group.fragments:
                if other in self._open and len(other.path) > len(best.path):
                    best = other
            assert best.id is not None
            assert group.data is not None
            incremental.append(Incremental(best.id, group.data, group.path[len(best.path) :], group.errors))
        completed.append(Completed(fragment.id))

    def _announce(self) -> list[Pending]:
        """Announce fragments whose parents are complete, but none whose fields have all come with others."""
        pending = []
        moved = True
        while moved:
            moved = False
            for fragment in list(self._unannounced):
                around = fragment.around()
                if fragment.is_lost():
                    del self._unannounced[fragment]
                elif around is None or around.completed:
                    moved = True
                    del self._unannounced[fragment]
                    if all(group.delivered for group in fragment.groups):
                        fragment.completed = True
                    else:
                        fragment.id = str(self._count)
                        self._count += 1
                        self._open[fragment] = None
                        pending.append(Pending(fragment.id, fragment.path, fragment.label))
        return pending

    def _scope(self, parts: frozenset[int]) -> _Scope:
        scope = self._scopes.get(parts)
        if scope is None:
            execution = self._execution.branch()
            execution.errors = ErrorLog(sys.maxsize, execution.runtime.environment.error_extensions)
            for source in (self._execution, *(self._ended[part] for part in sorted(parts))):
                for order, entry in source.errors.in_order():
                    execution.errors.add(order, entry)
                execution.failures += source.failures
                execution.fetches += source.fetches
            scope = self._scopes[parts] = _Scope(parts, execution, self._work.look(parts, execution))
        return scope

    def _register(self, scope: _Scope, look: Look) -> None:
        look.field_errors.settle(())
        for group in look.groups:
            group.parts = scope.parts | self._work.needs(group)
            self._groups.append(group)
            self._all_groups.append(group)
            for fragment in group.fragments:
                fragment.groups.append(group)
                if fragment.id is None:
                    self._unannounced[fragment] = None

    # -- errors

    def _take(self, scope: _Scope, belongs: Callable[[ResponsePath | None], bool]) -> list[ErrorEntry]:
        """Unreported errors at places that are delivered now, their paths cut to the client's own selection."""
        taken: list[ErrorEntry] = []
        relevance = self._relevance(scope)
        for _, entry in scope.execution.errors.in_order():
            fingerprint = fingerprint_of(entry)
            if fingerprint in self._reported:
                continue
            path = self._path(entry)
            if not belongs(path):
                continue
            if path and path == entry.path and relevance.of_selection(path) is Relevance.IRRELEVANT:
                continue
            self._reported.add(fingerprint)
            if len(self._reported) > self._execution.runtime.environment.config.max_errors:
                continue
            taken.append(entry if path == entry.path else replace(entry, path=path or None))
        return taken

    def _path(self, entry: ErrorEntry) -> ResponsePath | None:
        if entry.path is None:
            return None
        path = self._paths.get(id(entry))
        if path is None:
            path = self._paths[id(entry)] = self._selections.known_part(entry.path)
        return path

    def _rest(self) -> list[ErrorEntry]:
        """Errors that no payload had a place for, and failures that no field of the response reports.

        An error below a null that another error explains isn't reported: in which payload it came would depend on time.
        """
        scope = self._scope(frozenset[int]().union(*self._scopes))
        for parts in sorted(self._scopes, key=sorted):
            for order, entry in self._scopes[parts].execution.errors.in_order():
                scope.execution.errors.add(order, entry)
        report_rest(scope.execution.errors, scope.execution.failures)
        relevance = self._relevance(scope)
        lost = self._lost()
        explained = {relevance.null_place(path) for path, *_ in self._reported if path}

        def belongs(path: ResponsePath | None) -> bool:
            if path is None:
                return True
            if any(path[:end] in lost for end in range(1, len(path) + 1)):
                return False
            null = relevance.null_place(path)
            return not (len(null) < len(path) and null in explained) and relevance.of(path) is not Relevance.IRRELEVANT

        return self._take(scope, belongs)

    def _lost(self) -> set[ResponsePath]:
        """Places of fields that aren't delivered, because a fragment around theirs failed."""
        return {
            (*group.path, key)
            for group in self._all_groups
            if not group.delivered and all(fragment.is_lost() for fragment in group.fragments)
            for key in group.fields
        }

    def _relevance(self, scope: _Scope) -> ErrorRelevance:
        execution = scope.execution
        return ErrorRelevance(
            self._data, execution.fetches, scope.look.joined, execution.names, self._selections, self._later()
        )

    def _later(self) -> dict[ResponsePath, list[Mapping[str, Any]]]:
        """Deferred fields by the place of their object."""
        later: dict[ResponsePath, list[Mapping[str, Any]]] = {}
        for group in self._all_groups:
            fields = dict.fromkeys(group.fields) if group.data is None else group.data
            later.setdefault(group.path, []).append(fields)
        return later

    def _omitted(self) -> dict[str, Any]:
        parts = frozenset[int]().union(*self._scopes)
        logs = (self._execution.errors, *(self._ended[part].errors for part in parts))
        beyond = max(0, len(self._reported) - self._execution.runtime.environment.config.max_errors)
        omitted = beyond + sum(log.omitted for log in logs)
        return {"errorsOmitted": omitted} if omitted else {}


def _is_in(path: Iterable[str | int], data: Any) -> bool:
    """Whether the place is in the data: all the way, or up to a null."""
    here: Any = data
    for key in path:
        if here is None:
            return True
        if isinstance(here, dict):
            if key not in here:
                return False
        elif not (isinstance(here, list) and isinstance(key, int) and key < len(here)):
            return False
        here = here[key]
    return True
