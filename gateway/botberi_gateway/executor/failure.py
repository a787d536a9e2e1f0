"""Why data is missing (a fetch failed, an entity is unknown to its subgraph), and which fetch should have given it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botberi_gateway.errors import ErrorEntry
from botberi_gateway.executor.shape import possible_keys
from botberi_gateway.plan import Fetch


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """Why a fetch gave nothing; each field that is missing for that reason gets it as its error."""

    message: str
    code: str
    extensions: Mapping[str, Any] = field(default_factory=dict)
    #: Whether a null propagated up to here within the subgraph, from a field whose error it reported. If the null
    #: propagates further in the client's answer, the fields beside that field get no errors of their own.
    propagated: bool = False

    def at(self, path: tuple[str | int, ...] | None) -> ErrorEntry:
        return ErrorEntry(self.message, self.code, path, extensions=self.extensions)


@dataclass(frozen=True, slots=True)
class MissingData:
    """A fetch gave nothing for an object; without a `failure`, the subgraph answered null for it, which is no error."""

    fetch: Fetch
    #: The `_entities` field's key; None for a fetch at the root.
    response_key: str | None
    failure: FetchFailure | None = None

    def covers(self, path: list[str]) -> bool:
        """Whether the fetch would have given the field at this path (response keys below the object)."""
        keys = possible_keys(self.fetch)
        for key in path if self.response_key is None else (self.response_key, *path):
            if key not in keys:
                return False
            keys = keys.below[key]
        return True
