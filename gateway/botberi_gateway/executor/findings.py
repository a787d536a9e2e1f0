"""What projection finds wrong, field by field -> errors in the log: each lost field has one, unless an error there says why already."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from botberi_gateway import errors
from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.errorlog import ErrorLog, ResponsePath
from botberi_gateway.executor.failure import Failure
from botberi_gateway.executor.gaps import gap_of
from botberi_gateway.executor.representations import TypeNames
from botberi_gateway.executor.view import ObjectView
from botberi_gateway.executor.withheld import Withholding
from botberi_gateway.operation.wording import bounded

#: The order of what projection finds.
AFTER_ALL_FETCHES: Final = 1 << 60
#: A fetch's order, why it gave nothing, and where to report that if no lost field names it.
Untold: TypeAlias = tuple[int, Failure, Callable[[], ResponsePath | None]]


class Findings:
    """Of one look at the view. A null that climbs to the place beside a finding, or further, may take it along."""

    def __init__(self, log: ErrorLog, names: TypeNames, withheld: Withholding | None) -> None:
        self.log = log
        self._names = names
        self._withheld = withheld
        self.found: list[tuple[ErrorEntry, ResponsePath | None]] = []

    def report(self, message: str, path: ResponsePath, code: str = errors.SUBGRAPH_INVALID_RESPONSE) -> None:
        """An error of the gateway's own."""
        self.add(ErrorEntry(message, code, path))

    def add(self, entry: ErrorEntry, lost_at: ResponsePath | None = None) -> None:
        """`lost_at`: a null that climbs so far, or further, makes the error worth nothing."""
        self.found.append((entry, lost_at))
        self.log.note(tuple(entry.path or ()))

    def lose(self, mark: int, place: ResponsePath) -> None:
        """A null climbed to `place`, past everything since there were `mark` findings."""
        if len(self.found) > mark:
            kept = [(entry, to) for entry, to in self.found[mark:] if to is None or len(to) < len(place)]
            self.found[mark:] = kept

    def climbing(self, path: ResponsePath, label: str) -> None:
        """A null is where none may be, and climbs: an error, unless there is one."""
        if not self.log.explains(path):
            self.report(f"Cannot return null for non-nullable field {label}.", path)

    def blame(self, failure: Failure, path: ResponsePath) -> None:
        """The field at this path was lost by that failure."""
        if not self.log.explains(path):
            self.add(failure.at(path), path if failure.climbed else None)

    def explain(self, view: ObjectView, key: str) -> None:
        """No subgraph gave this field: say why."""
        if self.is_withheld(view, key):
            return
        gap = gap_of(view, key)
        if gap is not None and gap.failure is None:
            return  # an entity that its subgraph doesn't know is null, and no error
        path = (*view.path(), key)
        if gap is not None and gap.failure is not None:
            self.blame(gap.failure, path)
        elif not self.log.explains(path):
            # What a subgraph nulled with a field that failed is worth no error where the client's null climbs as far.
            nulled = max(filter(self.log.explains, _nulled(view)), key=len, default=None)
            if nulled is None:
                self.missing(key)
            entry = ErrorEntry(
                f"No subgraph gave a value for {bounded(key)!r}.", errors.SUBGRAPH_INVALID_RESPONSE, path
            )
            self.add(entry, nulled)

    def is_withheld(self, view: ObjectView, key: str) -> bool:
        """Whether the plan says that nobody is asked for this field of the object: it is null, and nothing is wrong."""
        return self._withheld is not None and self._withheld.covers(view, key, self._names)

    def explain_type(self, view: ObjectView, type_name: str, below: ResponsePath = ()) -> None:
        """Nobody could tell the object's type: an error of the field that gives it, as for any abstract type (section 6.4.3).

        `below` is the `__typename` that was asked for later, of an object that is there.
        """
        gap = gap_of(view, "__typename")
        path = view.path() + below
        if gap is None or gap.failure is None:
            if gap is None:
                if any(map(self.log.explains, _nulled(view))):
                    return  # who knows the type nulled the object with a field that failed
                self.missing("__typename")
            self.report(f"The type of this {type_name} is not known.", path)
        else:
            self.blame(gap.failure, path)

    def missing(self, key: str) -> None:
        """Nothing is known that would have kept a subgraph from giving this field."""

    def settle(self, failures: Iterable[Untold]) -> None:
        """Nothing more is found: all goes to the log, and failures that no field tells of."""
        for entry, _ in self.found:
            self.log.add(AFTER_ALL_FETCHES, entry)
        tell_rest(self.log, failures)


def tell_rest(log: ErrorLog, failures: Iterable[Untold]) -> None:
    """Failures that no error of the response tells of, in the plan's order.

    Without a path where another error already says why nothing is there (an object of a hidden type): a place has one error.
    """
    entries = log.entries()
    told = {(entry.message, entry.code) for entry in entries}
    places = {tuple(entry.path or ()) for entry in entries}
    for order, failure, place in sorted(failures, key=_order):
        if (failure.message, failure.code) not in told:
            path = place()
            log.add(order, failure.at(None if path is not None and path in places else path))


def _order(failure: Untold) -> int:
    return failure[0]


def _nulled(view: ObjectView) -> Iterator[ResponsePath]:
    """Places from this object upwards that one subgraph says are null, though another gave them."""
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
