"""An outbox row <-> the CloudEvents 1.0 JSON that crosses the broker, by the contract of its type.

`CONTRACTS` is every kind of event there is. What a publisher says is checked against it; a consumer reads what it
knows and ignores the rest, so that a newer publisher may say more. `docs/reference/events/` holds each contract as JSON
Schema and the bus as AsyncAPI; how one may change is in `shared_schema.contracts.compatibility`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared_schema.origin import MAX_ACTOR, TRACEPARENT
from shared_schema.states import InstanceStatus, PublicationStatus

# Topics are words of lower-case letters joined by dots; AMQP limits a routing key to 255 bytes.
Topic = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$", max_length=128)]

CONTENT_TYPE: Final = "application/cloudevents+json"
# An event carries ids, never documents; a body beyond this is not one of ours.
MAX_BYTES: Final = 16_384


class EventData(BaseModel):
    """Which row changed, and the little by which consumers filter; the row itself is read from its owner."""

    # Unknown members are ignored: a newer publisher may add some.
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID = Field(description="The row's primary key.")
    version: Annotated[int, Field(ge=1, description="Grows by one with every change of the row.")]
    owner_id: UUID | None = Field(default=None, description="The account whose row it is.")
    workspace_id: UUID | None = Field(default=None, description="The workspace whose row it is.")
    status: str | None = Field(default=None, description="The row's state after the change.")
    agent_id: UUID | None = Field(default=None, description="The agent that the row is, or is made from.")
    terminal: bool = Field(default=False, description="Whether nothing is going to follow that changes the outcome.")


class InstanceChanged(EventData):
    """A run was created, went on or was deleted."""

    owner_id: UUID = Field(description="The account that runs it.")
    status: InstanceStatus = Field(description="The run's state after the change.")
    agent_id: UUID = Field(description="The agent that it runs.")


class InstanceLogAppended(InstanceChanged):
    """Lines were added to a run's log: their numbers, never their text. Lines don't raise the run's version."""

    log_from: Annotated[int, Field(ge=1, description="The number of the first new line.")]
    log_to: Annotated[int, Field(ge=1, description="The number of the last new line.")]


class CatalogEntryChanged(EventData):
    """An agent or a template was created, changed or deleted."""

    owner_id: UUID = Field(description="The account that publishes it.")
    status: PublicationStatus = Field(description="Its state after the change.")
    agent_id: UUID = Field(description="The agent itself, or the template's.")


class AccountChanged(EventData):
    """An account was created, changed or deleted."""

    owner_id: UUID = Field(description="The account itself.")
    status: Literal["ACTIVE", "DISABLED", "DELETED"] = Field(description="Its state after the change.")


class CredentialRevoked(EventData):
    """A session or an API key ended before its time."""

    owner_id: UUID = Field(description="The account whose credential it was.")
    status: Literal["REVOKED"] = Field(description="What became of it.")
    terminal: Literal[True] = Field(description="Nothing follows.")


class AuditRecorded(EventData):
    """Somebody did something, or was refused it: an entry for the audit log; `id` is the entry's own."""

    source: Annotated[str, Field(max_length=32, description="The part of the platform that says it.")]
    action: Annotated[str, Field(max_length=120, description="What was done, such as `agent.publish`.")]
    outcome: Literal["SUCCESS", "FAILURE", "DENIED"] = Field(description="What came of it.")
    credential: Literal["SESSION", "API_KEY"] | None = Field(default=None, description="What the actor called with.")
    credential_id: UUID | None = Field(default=None, description="The id of that session or key.")
    object_type: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="The object's type.")
    object_id: UUID | None = Field(default=None, description="The object's id.")
    ip_address: Annotated[str, Field(max_length=45)] | None = Field(default=None, description="The client's address.")
    user_agent: Annotated[str, Field(max_length=400)] | None = Field(default=None, description="The client's device.")
    detail: dict[str, str | int | bool | None] = Field(default={}, description="A little more, never a secret.")


@dataclass(frozen=True, slots=True)
class Contract:
    """Meaning of an event of one type in one version. An incompatible change is a new version beside the old."""

    topic: str
    #: The database whose outbox it comes from.
    database: str
    data: type[EventData]
    summary: str
    version: int = 1


def _of_a_row(aggregate: str, database: str, data: type[EventData], noun: str) -> tuple[Contract, ...]:
    verbs = {"created": "was created", "updated": "was changed", "deleted": "was deleted"}
    return tuple(Contract(f"{aggregate}.{verb}", database, data, f"{noun} {event}.") for verb, event in verbs.items())


_ALL: Final = (
    *_of_a_row("instance", "shared_psql", InstanceChanged, "A run"),
    Contract("instance.log.appended", "shared_psql", InstanceLogAppended, "Lines were added to a run's log."),
    *_of_a_row("agent", "shared_psql", CatalogEntryChanged, "An agent of the catalog"),
    *_of_a_row("template", "shared_psql", CatalogEntryChanged, "A template of the catalog"),
    *_of_a_row("account", "user_psql", AccountChanged, "An account"),
    Contract("session.revoked", "user_psql", CredentialRevoked, "A session was ended before its time."),
    Contract("api_key.revoked", "user_psql", CredentialRevoked, "An API key was revoked."),
    Contract("audit.recorded", "shared_psql", AuditRecorded, "An entry for the audit log."),
)
#: Every contract by type and version.
CONTRACTS: Final[Mapping[tuple[str, int], Contract]] = MappingProxyType({(one.topic, one.version): one for one in _ALL})


def contract_of(event_type: str, version: int) -> Contract:
    """Return the contract of an event; raises `ValueError` when there is none."""
    contract = CONTRACTS.get((event_type, version))
    if contract is None:
        raise ValueError(f"no contract names version {version} of {event_type}: add it to {__name__}.CONTRACTS")
    return contract


class Event(BaseModel):
    """A change of one row (the aggregate). Consumers are idempotent by (subject, data.version), or by id."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = Field(default="1.0", description="The version of CloudEvents.")
    id: UUID = Field(description="The event's own; the same when it is published again.")
    source: Annotated[str, StringConstraints(min_length=1, max_length=128)] = Field(
        description="Whose outbox it was written to: `botberi/<database>`."
    )
    type: Topic = Field(description="What happened; the routing key as well.")
    subject: UUID = Field(description="The row that it happened to: `data.id`.")
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC), description="When the row was changed.")
    datacontenttype: Literal["application/json"] = Field(default="application/json", description="What `data` is.")
    dataversion: Annotated[int, Field(ge=1, description="The version of the contract of `data`.")] = 1
    actor: Annotated[str, StringConstraints(max_length=MAX_ACTOR)] | None = Field(
        default=None, description="Who made the change: `account:<uuid>`, or the name of a program."
    )
    traceparent: Annotated[str, StringConstraints(pattern=TRACEPARENT)] | None = Field(
        default=None, description="The trace in which it was made (CloudEvents' Distributed Tracing extension)."
    )
    data: SerializeAsAny[EventData]

    @field_validator("traceparent", mode="before")
    @classmethod
    def _traced_or_not(cls, value: object) -> object:
        # A trace is a convenience: one that cannot be read must not cost the event.
        return value if isinstance(value, str) and re.fullmatch(TRACEPARENT, value) else None

    @field_validator("data", mode="before")
    @classmethod
    def _with_all_its_members(cls, value: object, info: ValidationInfo) -> object:
        # What a type says beyond the common members would be lost in reading them alone.
        contract = CONTRACTS.get((info.data.get("type", ""), info.data.get("dataversion", 1)))
        if contract is None or contract.data.model_fields.keys() <= EventData.model_fields.keys():
            return value
        return contract.data.model_validate(value)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.subject != self.data.id:
            raise ValueError("subject and data.id must be the same row")
        if self.dataversion != 1:
            # A version that this code does not know may mean anything.
            contract_of(self.type, self.dataversion)
        return self

    @property
    def routing_key(self) -> str:
        """The topic under which the event is published."""
        return self.type

    def to_json(self) -> bytes:
        """Return the structured-mode body; extension attributes that are not set are left out."""
        unset = {name for name in ("actor", "traceparent") if getattr(self, name) is None}
        return self.model_dump_json(exclude=unset).encode()

    @classmethod
    def from_json(cls, body: bytes | str) -> Self:
        """Parse a structured-mode body; raises `pydantic.ValidationError` (a `ValueError`)."""
        if len(body) > MAX_BYTES:
            raise ValueError(f"an event of {len(body)} bytes is beyond the limit of {MAX_BYTES}")
        return cls.model_validate_json(body)


def why_no_event(error: ValueError) -> str:
    """Return as one line why a body is no event: which members are wrong, without what they hold."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}" for problem in problems[:5]
    )
