"""Entities that differ in the values of contextual arguments -> their representations by those values.

A request for them repeats the `_entities` field.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from botberi_gateway.codec import encode
from botberi_gateway.executor.compiled.step import Asked, Step, head
from botberi_gateway.executor.compiled.support import BailOut
from botberi_gateway.executor.contexts import copied_operation, copy_suffixes
from botberi_gateway.upstream.port import Spending, SubgraphRequest


class Copy:
    """The representations of entities with the same values; `rows` are theirs in the table."""

    __slots__ = ("representations", "row_of", "rows", "values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.representations: list[dict[str, Any]] = []
        self.rows: list[int] = []
        self.row_of: dict[Any, int] = {}


class Copies:
    """What one `_entities` field with contextual arguments is asked for. Its length is the table's."""

    __slots__ = ("_by_values", "_count", "all")

    def __init__(self) -> None:
        self.all: list[Copy] = []
        self._by_values: dict[bytes, Copy] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def row(self, values: Mapping[str, Any], mark: Any, representation: dict[str, Any]) -> int:
        """The table's row for this representation (`mark` is the same for equal ones) with these values."""
        known = encode(values)
        copy = self._by_values.get(known)
        if copy is None:
            copy = self._by_values[known] = Copy(values)
            self.all.append(copy)
        row = copy.row_of.get(mark)
        if row is None:
            row = copy.row_of[mark] = self._count
            self._count += 1
            copy.representations.append(representation)
            copy.rows.append(row)
        return row


def one_row(index: dict[int, int | None], object_id: int, row: int | None) -> None:
    """The object's row, None where a contextual value is missing.

    Objects below an entity are shared by all places where the entity sits; where those differ in their contexts, one
    row can't serve.
    """
    if index.setdefault(object_id, row) != row:
        raise BailOut("one object below several contexts")


class CopyingStep(Step):
    """A fetch with contextual arguments.

    Its batches are lists of representations or, for fields that have such arguments, `Copies`.
    """

    __slots__ = ()

    def asked(self, batches: Sequence[Any]) -> list[Asked]:
        found: list[Asked] = []
        suffixes = self._suffixes(batches)
        for number, batch in enumerate(batches):
            key = self.keys[number]
            if not isinstance(batch, Copies):
                found.append(Asked(number, key, batch, range(len(batch))))
                continue
            for copy, suffix in zip(batch.all, suffixes or [""], strict=False):
                found.append(Asked(number, key + suffix, copy.representations, copy.rows))
        return found

    def body(self, given: Mapping[str, Any], batches: Sequence[Any]) -> bytes:
        operation, variables = self._operation(given, batches)
        opened = head(operation, self.fetch.operation_name)
        return opened + b',"variables":' + encode(variables) + b"}" if variables else opened + b"}"

    def request(
        self,
        given: Mapping[str, Any],
        batches: Sequence[Any],
        headers: Mapping[str, str],
        timeout: float,
        spending: Spending | None = None,
    ) -> SubgraphRequest:
        fetch = self.fetch
        operation, variables = self._operation(given, batches)
        return SubgraphRequest(operation, variables, fetch.operation_name, fetch.kind, headers, timeout, spending)

    def _suffixes(self, batches: Sequence[Any]) -> list[str] | None:
        """What names copies; None where no field is repeated or left out."""
        counts = [len(batch.all) for batch in batches if isinstance(batch, Copies)]
        return None if all(count == 1 for count in counts) else copy_suffixes(self.fetch, max(counts))

    def _operation(self, given: Mapping[str, Any], batches: Sequence[Any]) -> tuple[str, dict[str, Any]]:
        fetch = self.fetch
        suffixes = self._suffixes(batches)
        variables = {name: given[name] for name in fetch.variables if name in given}
        for entities, batch in zip(fetch.entities, batches, strict=True):
            if not isinstance(batch, Copies):
                variables[entities.variable] = batch
                continue
            for copy, suffix in zip(batch.all, suffixes or [""], strict=False):
                variables[entities.variable + suffix] = copy.representations
                variables.update((name + suffix, value) for name, value in copy.values.items())
        if suffixes is None:
            return fetch.operation, variables
        copied = [suffixes[: len(batch.all)] for batch in batches if isinstance(batch, Copies)]
        return copied_operation(fetch, copied), variables
