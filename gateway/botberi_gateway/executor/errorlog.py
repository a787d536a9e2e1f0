"""The errors of a response: in plan order, without repeats, bounded; and which paths they explain."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.budget import ResponseTooLarge

#: The most paths of errors that are remembered, reported or not, to know which nulls are explained.
MAX_NOTED: Final = 10_000

ResponsePath = tuple[str | int, ...]
#: Path, message and code of an error: errors with the same are the same to a client.
Fingerprint = tuple[ResponsePath | None, str, str]


def fingerprint_of(entry: ErrorEntry) -> Fingerprint:
    return None if entry.path is None else tuple(entry.path), entry.message, entry.code


class ReportedExtensions(dict[str, Any]):
    """The extensions of an error that a subgraph reported: the gateway's own, and those of the subgraph (`reported`).

    Clients get the keys of `reported` that the error log names; without a log, none.
    """

    __slots__ = ("reported",)

    def __init__(self, subgraph: str, reported: Mapping[str, Any]) -> None:
        super().__init__(service=subgraph)
        self.reported = reported

    def shown(self, keys: Collection[str]) -> dict[str, Any]:
        """The subgraph's extensions with these keys, and the gateway's."""
        return {**{key: value for key, value in self.reported.items() if key in keys}, **self}


class ErrorLog:
    """Errors of subgraphs have their fetch's order; the errors that projection adds come after them.

    `shown_extensions` are the keys of subgraphs' own extensions that clients get.
    """

    def __init__(self, limit: int, shown_extensions: Collection[str] = ()) -> None:
        self._limit = limit
        self._shown_extensions = shown_extensions
        self._entries: list[tuple[int, int, ErrorEntry]] = []
        self._seen: set[Fingerprint] = set()
        self._at: set[ResponsePath] = set()
        self._above: set[ResponsePath] = set()
        self.omitted = 0

    @property
    def full(self) -> bool:
        """Whether any further error is only counted."""
        return len(self._entries) >= self._limit

    def add(self, order: int, entry: ErrorEntry) -> None:
        fingerprint = fingerprint_of(entry)
        if fingerprint[0] is not None:
            self.note(fingerprint[0])
        if fingerprint in self._seen:
            return
        if self.full:
            self.omitted += 1
            return
        self._seen.add(fingerprint)
        if isinstance(entry.extensions, ReportedExtensions):
            entry = replace(entry, extensions=entry.extensions.shown(self._shown_extensions))
        self._entries.append((order, len(self._entries), entry))

    def note(self, path: ResponsePath) -> None:
        """An error at this path will be added, or is."""
        if path in self._at:
            return
        if len(self._at) >= MAX_NOTED:
            raise ResponseTooLarge(f"{MAX_NOTED} places for its errors")
        self._at.add(path)
        for length in range(len(path) - 1, -1, -1):
            if path[:length] in self._above:
                break
            self._above.add(path[:length])

    def explains(self, path: ResponsePath) -> bool:
        """There is an error at this path, below it, or above it."""
        at = self._at
        if path in self._above or path in at:
            return True
        while path:
            path = path[:-1]
            if path in at:
                return True
        return False

    def notes(self) -> tuple[set[ResponsePath], set[ResponsePath]]:
        """Where errors are, or will be: a copy, for `restore`."""
        return set(self._at), set(self._above)

    def restore(self, notes: tuple[set[ResponsePath], set[ResponsePath]]) -> None:
        """Forget the errors that were only noted since then."""
        self._at, self._above = set(notes[0]), set(notes[1])

    def in_order(self) -> Sequence[tuple[int, ErrorEntry]]:
        """Entries with the order that they were added under."""
        return [(order, entry) for order, _, entry in sorted(self._entries, key=lambda item: item[:2])]

    def entries(self) -> Sequence[ErrorEntry]:
        return tuple(entry for _, _, entry in sorted(self._entries, key=lambda item: item[:2]))
