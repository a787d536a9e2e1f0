"""An outbox row <-> the CloudEvents 1.0 JSON that crosses the broker."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Topics are words of lower-case letters joined by dots; AMQP limits a routing key to 255 bytes.
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$", max_length=128)]

CONTENT_TYPE: Final = "application/cloudevents+json"
# An event carries ids, never documents; a body beyond this is not one of ours.
MAX_BYTES: Final = 16_384


class EventData(BaseModel):
    """Which row changed, and the little by which consumers filter; the row itself is read from its owner."""

    # Unknown members are ignored: a newer publisher may add some.
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    version: Annotated[int, Field(ge=1)]
    owner_id: UUID | None = None
    status: str | None = None
    agent_id: UUID | None = None
    terminal: bool = False


class Event(BaseModel):
    """A change of one row (the aggregate). Consumers are idempotent by (subject, data.version)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    type: Topic
    subject: UUID
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    datacontenttype: Literal["application/json"] = "application/json"
    dataversion: Literal[1] = 1
    data: EventData

    @model_validator(mode="after")
    def _subject_is_the_row(self) -> Self:
        if self.subject != self.data.id:
            raise ValueError("subject and data.id must be the same row")
        return self

    @property
    def routing_key(self) -> str:
        """The topic under which the event is published."""
        return self.type

    def to_json(self) -> bytes:
        """Return the structured-mode body."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, body: bytes | str) -> Self:
        """Parse a structured-mode body; raises `pydantic.ValidationError` (a `ValueError`)."""
        if len(body) > MAX_BYTES:
            raise ValueError(f"an event of {len(body)} bytes is beyond the limit of {MAX_BYTES}")
        return cls.model_validate_json(body)
