"""What is wrong with a response's fields -> errors in the log: each lost field has an error, and only one."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.failure import FetchFailure
from botberi_gateway.executor.missing_data import missing_data_of
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.executor.withheld import Withholding
from botberi_gateway.operation.wording import bounded

#: The order of the errors that projection adds.
AFTER_ALL_FETCHES: Final = 1 << 60
#: A fetch's order, why it gave nothing, and the place to report that if no lost field does.
UnreportedFailure: TypeAlias = tuple[int, FetchFailure, Callable[[], ResponsePath | None]]


class FieldErrors:
    """The errors of a projection. A null that propagates past the place of an error may remove the error."""

    def __init__(self, log: ErrorLog, names: TypeNames, withheld: Withholding | None) -> None:
        self.log = log
        self._names = names
        self._withheld = withheld
        #: Errors, each with the path from which on a null removes it (see `add`).
        self.entries: list[tuple[ErrorEntry, ResponsePath | None]] = []

    def report(self, message: str, path: ResponsePath, code: str = errors.SUBGRAPH_INVALID_RESPONSE) -> None:
        """Add an error of the gateway itself."""
        self.add(ErrorEntry(message, code, path))

    def add(self, entry: ErrorEntry, lost_at: ResponsePath | None = None) -> None:
        """Add an error; a null that propagates up to `lost_at`, or further, removes it again."""
        self.entries.append((entry, lost_at))
        self.log.note(tuple(entry.path or ()))

    def lose(self, mark: int, place: ResponsePath) -> None:
        """Remove errors that a null made pointless: it propagated to `place`, past all but the first `mark`."""
        if len(self.entries) > mark:
            kept = [(entry, to) for entry, to in self.entries[mark:] if to is None or len(to) < len(place)]
            self.entries[mark:] = kept

    def propagate(self, path: ResponsePath, label: str) -> None:
        """Add the error for a null that isn't allowed and propagates, unless there is an error already."""
        if not self.log.explains(path):
            self.report(f"Cannot return null for non-nullable field {label}.", path)

    def blame(self, failure: FetchFailure, path: ResponsePath) -> None:
        """Add the failure as the error of the field at this path, unless there is an error already."""
        if not self.log.explains(path):
            self.add(failure.at(path), path if failure.propagated else None)

    def explain(self, view: ObjectView, key: str) -> None:
        """Add the error for a field that no subgraph gave."""
        if self.is_withheld(view, key):
            return
        gap = missing_data_of(view, key)
        if gap is not None and gap.failure is None:
            return  # an entity that its subgraph doesn't know is null, and no error
        path = (*view.path(), key)
        if gap is not None and gap.failure is not None:
            self.blame(gap.failure, path)
        elif not self.log.explains(path):
            # An object that its subgraph nulled gets no error if the client's null propagates as far.
            nulled = max(filter(self.log.explains, _nulled(view)), key=len, default=None)
            if nulled is None:
                self.note_missing(key)
            entry = ErrorEntry(
                f"No subgraph gave a value for {bounded(key)!r}.", errors.SUBGRAPH_INVALID_RESPONSE, path
            )
            self.add(entry, nulled)

    def is_withheld(self, view: ObjectView, key: str) -> bool:
        """Whether the plan withholds this field of the object: no subgraph is asked, and the field is null."""
        return self._withheld is not None and self._withheld.covers(view, key, self._names)

    def explain_type(self, view: ObjectView, type_name: str, below: ResponsePath = ()) -> None:
        """Add the error for an object whose type no subgraph gave (GraphQL specification, section 6.4.3).

        `below` is the key of a `__typename` that was asked for later, of an object that is in the data.
        """
        gap = missing_data_of(view, "__typename")
        path = view.path() + below
        if gap is None or gap.failure is None:
            if gap is None:
                if any(map(self.log.explains, _nulled(view))):
                    return  # the subgraph that knows the type nulled the object with a field that failed
                self.note_missing("__typename")
            self.report(f"The type of this {type_name} is not known.", path)
        else:
            self.blame(gap.failure, path)

    def note_missing(self, key: str) -> None:
        """No failure explains why this field is missing; subclasses may raise."""

    def settle(self, failures: Iterable[UnreportedFailure]) -> None:
        """Write all errors to the log, and the failures that no field reports."""
        for entry, _ in self.entries:
            self.log.add(AFTER_ALL_FETCHES, entry)
        report_rest(self.log, failures)


def report_rest(log: ErrorLog, failures: Iterable[UnreportedFailure]) -> None:
    """Log the failures that no error of the response reports, in the plan's order.

    The error has no path where another error stands already (at an object of a hidden type): a place has one error.
    """
    entries = log.entries()
    reported = {(entry.message, entry.code) for entry in entries}
    places = {tuple(entry.path or ()) for entry in entries}
    for order, failure, place in sorted(failures, key=_order):
        if (failure.message, failure.code) not in reported:
            path = place()
            log.add(order, failure.at(None if path is not None and path in places else path))


def _order(failure: UnreportedFailure) -> int:
    return failure[0]


def _nulled(view: ObjectView) -> Iterator[ResponsePath]:
    """Places from this object upwards that a subgraph nulled although another gave them."""
    keys: ResponsePath = (view.key,)
    here = view.parent
    while here is not None:
        if isinstance(here, ObjectView):
            for _, layer in here.layers:
                value: Any = layer
                for length, key in enumerate(keys, 1):
                    try:
                        value = value[key]
                    except (KeyError, IndexError, TypeError):
                        break
                    if value is None:
                        yield (*here.path(), *keys[:length])
                        break
        keys = (here.key, *keys)
        here = here.parent
