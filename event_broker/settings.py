"""Environment -> the event broker's settings."""

from typing import Annotated

from pydantic import Field

from shared_schema.settings import AmqpSettings, DatabaseSettings, LogSettings


class EventBrokerSettings(DatabaseSettings, AmqpSettings, LogSettings):
    """Databases, bus and log as every part has them, and the relay's pace."""

    # How often the outbox is looked at when no bell rings. NOTIFY makes it quick, this makes it sure.
    relay_poll_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    relay_batch_size: Annotated[int, Field(ge=1, le=5000)] = 200
    # Published rows are kept this long, for whoever asks what happened.
    outbox_retention_hours: Annotated[float, Field(gt=0, le=24 * 365)] = 24.0 * 7
    # How often the LISTEN connection is asked whether it is alive, and how long it may take to answer.
    listener_probe_seconds: Annotated[float, Field(gt=0, le=300)] = 5.0
    listener_probe_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 3.0
