"""A dispatched run -> what the Celery task carries and what the workflow's attempt receives."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

#: Bytes of JSON that the parameters of one run may take, as they are stored (UTF-8, no spaces). The gateway takes
#: bodies of half as much again, and what workflows declare of texts and tables fits into this in any script.
MAX_PARAMETER_BYTES: Final = 1_000_000
TASK_NAME: Final = "agents.run"
#: The Celery message's header with the W3C `traceparent` in which the run was made, where it is known.
TRACE_HEADER: Final = "traceparent"


class RunTask(BaseModel):
    """The Celery message: ids only. The truth is the row; the message is a wake-up."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instance_id: UUID


class RunInput(BaseModel):
    """One attempt at a run, as claimed from the row; `attempt` is the fencing token of its lease."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance_id: UUID
    owner_id: UUID
    agent_id: UUID
    workflow: Annotated[str, Field(min_length=1, max_length=128)]
    workflow_version: Annotated[str, Field(min_length=1, max_length=64)]
    attempt: Annotated[int, Field(ge=1)]
    parameters: dict[str, Any]
    # What its template asks for; None: the platform's own.
    max_attempts: Annotated[int, Field(ge=1)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1)] | None = None
