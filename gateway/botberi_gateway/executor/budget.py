"""What an operation may use while it runs (bytes, entities, fields), and its refusal when that is used up.

A refused operation gives an error without data. The counts are taken where much comes at once (an answer's bytes, a
list's items, an entity fetch's representations), never for each field.
"""

from typing import Final

from botberi_gateway.config import ExecutionBudget
from botberi_gateway.errors import RESPONSE_TOO_LARGE, ErrorEntry, GatewayError

DEFAULT: Final = ExecutionBudget()
#: A response is large if the interpreter has visited more objects than this on its way to entities.
_LARGE: Final = 200
#: An answer of fewer bytes isn't counted.
LARGE_ANSWER: Final = 16 * 1024
#: A response that can't have more bytes is written first and measured then, in half the time of writing within a limit.
_MAX_UNBOUNDED_BYTES: Final = 64 * 1024 * 1024
#: The most fields that a response has outside lists, with room for fragments that are used at several places.
_MAX_OUTSIDE_LISTS: Final = 2_000


class ResponseTooLarge(GatewayError):
    """The operation has used up its budget; the message says which bound, for the client."""

    code = RESPONSE_TOO_LARGE

    def __init__(self, what: str) -> None:
        super().__init__(f"The response needs more than {what}. Ask for less at a time.")

    def entry(self) -> ErrorEntry:
        """The error that the client gets instead of data."""
        return ErrorEntry(self.message, self.code)


class Spending:
    """The rest of an operation's budget. The `take_…` methods raise `ResponseTooLarge`."""

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
        """Whether the response may be written before it is measured: it is short even if all fields are the longest."""
        fields = self._budget.max_fields - self.fields + _MAX_OUTSIDE_LISTS
        return fields * self.longest <= _MAX_UNBOUNDED_BYTES

    @property
    def has_entities(self) -> bool:
        """Whether entities were fetched.

        Only entities can stand at several places and make the response larger than the answers.
        """
        return self.entities < self._budget.max_entities

    @property
    def is_large(self) -> bool:
        """Whether the interpreter, at some 20 µs for each field, takes more than a moment for what has come."""
        budget = self._budget
        # Some clients take the bytes of every answer, others those of long ones alone.
        taken = budget.max_answer_bytes - self.bytes
        return taken >= LARGE_ANSWER or budget.max_fields - self.fields > _LARGE

    def go_on_from(self, other: "Spending") -> None:
        """Take over the answers of another execution of the same operation; fields are counted again."""
        self.bytes, self.entities, self.longest = other.bytes, other.entities, other.longest

    def take_bytes(self, count: int) -> None:
        """Take the bytes of an answer that isn't parsed yet."""
        self.bytes -= count
        if count > self.longest:
            self.longest = count
        if self.bytes < 0:
            raise ResponseTooLarge(f"{self._budget.max_answer_bytes} bytes of subgraphs' answers")

    def take_entities(self, count: int) -> None:
        """Take the representations of a request that isn't sent yet."""
        self.entities -= count
        if self.entities < 0:
            raise ResponseTooLarge(f"{self._budget.max_entities} entities of other subgraphs")

    def take_fields(self, count: int) -> None:
        """Take the fields of an object, or the items of a list, that is projected next."""
        self.fields -= count
        if self.fields < 0:
            self.no_fields()

    def no_fields(self) -> None:
        """Refuse the operation, as no fields are left."""
        raise ResponseTooLarge(f"{self._budget.max_fields} fields")
