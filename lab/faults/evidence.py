"""Evidence of a run, as plain data: clients' answers, rows of tables, events that consumers and subscribers got."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Row:
    """An instance in the database at the end."""

    id: UUID
    key: str | None
    status: str
    version: int
    attempt: int
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the outbox, in the order of writing."""

    id: UUID
    aggregate: UUID
    version: int
    status: str | None
    terminal: bool
    published: bool = True
    type: str = "instance.updated"


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that the audit's queue delivered, in the order of arrival; the same one may come again."""

    id: UUID
    aggregate: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A state that a subscription delivered."""

    version: int
    status: str


@dataclass(slots=True)
class Watch:
    """States that one subscriber of one instance saw, over all its reconnects."""

    seen: list[Seen] = field(default_factory=list)
    #: Its subscription completed (or had to be given up at the end).
    completed: bool = False
    resumed: int = 0
    errors: int = 0


@dataclass(slots=True)
class Evidence:
    """All of it."""

    #: Idempotency key -> the instance that `createInstance` answered.
    made: dict[str, UUID] = field(default_factory=dict)
    #: Keys with which no answer ever came.
    unanswered: set[str] = field(default_factory=set)
    #: Instances whose cancel was answered with success.
    cancelled: set[UUID] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    watches: dict[UUID, Watch] = field(default_factory=dict)
    #: What a subscriber of all instances saw of each, session after session.
    streams: list[dict[UUID, list[Seen]]] = field(default_factory=list)
    #: Requests that no service answered, or one answered with a failure of its own (5xx): when, and how.
    failures: list[tuple[float, str]] = field(default_factory=list)
    #: Key -> what its run must have computed.
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
