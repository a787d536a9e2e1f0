"""What one operation may take while it runs, and the refusal where that is used up: an error, no data, and nothing kept of what came.

Counted where much comes at once (an answer's bytes, a list's items, an entity fetch's representations), never field by field.
"""

from typing import Final

from botberi_gateway.config import ExecutionBudget
from botberi_gateway.errors import RESPONSE_TOO_LARGE, ErrorEntry, GatewayError

DEFAULT: Final = ExecutionBudget()
#: Objects that the interpreter has gone over on its way to entities, from which on the response is a large one.
_LARGE: Final = 200
#: Bytes of an answer from which on it counts, and is noted as the longest.
LARGE_ANSWER: Final = 16 * 1024
#: A response that can't be longer is written at once and measured then, which takes half as long as writing within a bound.
_WRITTEN_AT_ONCE: Final = 64 * 1024 * 1024
#: As many fields as an operation may have outside lists, with room for those of fragments that are used at several places.
_OUTSIDE_LISTS: Final = 2_000


class ResponseTooLarge(GatewayError):
    """The operation has used up its budget; the message says which bound, for the client."""

    code = RESPONSE_TOO_LARGE

    def __init__(self, what: str) -> None:
        super().__init__(f"The response needs more than {what}. Ask for less at a time.")

    def entry(self) -> ErrorEntry:
        """What the client gets, without data."""
        return ErrorEntry(self.message, self.code)


class Spending:
    """What is left of an operation's budget. The methods raise `ResponseTooLarge`."""

    __slots__ = ("_budget", "bytes", "entities", "fields", "longest")

    def __init__(self, budget: ExecutionBudget) -> None:
        self._budget = budget
        self.bytes = budget.max_answer_bytes
        self.entities = budget.max_entities
        #: Programs take from it, and call `no_fields` where it is below zero.
        self.fields = budget.max_fields
        #: Bytes of the longest answer, and with it of any value.
        self.longest = LARGE_ANSWER

    @property
    def is_short(self) -> bool:
        """Whether the response can be written before it is measured: all fields together with the longest value are few enough bytes."""
        fields = self._budget.max_fields - self.fields + _OUTSIDE_LISTS
        return fields * self.longest <= _WRITTEN_AT_ONCE

    @property
    def has_entities(self) -> bool:
        """Whether entities were asked for: only those can be shown at several places, and make the response larger than the answers."""
        return self.entities < self._budget.max_entities

    @property
    def is_large(self) -> bool:
        """Whether the interpreter, at some 20 µs for each field, takes more than a moment for what has come."""
        budget = self._budget
        return self.bytes < budget.max_answer_bytes or budget.max_fields - self.fields > _LARGE

    def go_on_from(self, other: "Spending") -> None:
        """With the answers that another execution of the same operation has had; fields are counted again."""
        self.bytes, self.entities, self.longest = other.bytes, other.entities, other.longest

    def take_bytes(self, count: int) -> None:
        """Of an answer that has come and isn't read yet."""
        self.bytes -= count
        if count > self.longest:
            self.longest = count
        if self.bytes < 0:
            raise ResponseTooLarge(f"{self._budget.max_answer_bytes} bytes of subgraphs' answers")

    def take_entities(self, count: int) -> None:
        """Representations of a request that isn't sent yet."""
        self.entities -= count
        if self.entities < 0:
            raise ResponseTooLarge(f"{self._budget.max_entities} entities of other subgraphs")

    def take_fields(self, count: int) -> None:
        """Of a list that is projected next."""
        self.fields -= count
        if self.fields < 0:
            self.no_fields()

    def no_fields(self) -> None:
        """There are none left."""
        raise ResponseTooLarge(f"{self._budget.max_fields} fields")
