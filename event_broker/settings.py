"""Environment -> the event broker's settings."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from shared_schema.settings import AmqpSettings, DatabaseSettings, LogSettings


class EventBrokerSettings(DatabaseSettings, AmqpSettings, LogSettings):
    """Databases, bus and log as every part has them, and the relay's pace."""

    # How often the outbox is looked at when no wake-up comes. NOTIFY makes it quick, this makes it sure.
    relay_poll_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    relay_batch_size: Annotated[int, Field(ge=1, le=5000)] = 200
    # Published rows are kept this long, for replays and for questions about the past.
    outbox_retention_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 24.0 * 7
    # What the inbox remembers of handled events; longer than the outbox keeps them, so that a replay finds it.
    inbox_retention_hours: Annotated[float, Field(gt=0, le=24 * 730)] = 24.0 * 14
    # How often the LISTEN connection is asked whether it is alive, and how long it may take to answer.
    listener_probe_seconds: Annotated[float, Field(gt=0, le=300)] = 5.0
    listener_probe_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 3.0

    @model_validator(mode="after")
    def _inbox_outlasts_outbox(self) -> Self:
        if self.inbox_retention_hours < self.outbox_retention_hours:
            raise ValueError(
                "BOTBERI_INBOX_RETENTION_HOURS is less than BOTBERI_OUTBOX_RETENTION_HOURS: an event that is replayed "
                "would be handled twice"
            )
        return self
