"""The inputs of the catalog's mutations -> the columns that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from subgraphs.common.scalars import JSON

SLUG = "Words of a-z and 0-9 joined by single hyphens."
MAX_ATTEMPTS = "How often a run of it is tried before it has failed: 1 to 20; else as the platform does."
TIMEOUT_SECONDS = "How long a run of it may take: 1 to 86400; else as the platform says."
EXPECTED_VERSION = "Refuse the change if the entry has another version by now."
_CLEARED_BY_NULL = frozenset({"max_attempts", "timeout_seconds"})


@strawberry.input
class CreateAgentInput:
    slug: str = strawberry.field(description=SLUG)
    name: str
    workflow: str
    parameters_schema: JSON = strawberry.field(
        description='A JSON Schema (2020-12) with `"type": "object"`; references stay within it, patterns are '
        "checked in linear time (no look-around, no back references). At most 65,536 bytes, and 20,000 values with its "
        "references expanded."
    )
    summary: str = ""
    description: str = ""
    workflow_version: str = "1"
    tags: list[str] = strawberry.field(default_factory=list)


@strawberry.input(description="What is left out, or null, stays as it is.")
class UpdateAgentInput:
    slug: str | None = strawberry.field(default=None, description=SLUG)
    name: str | None = None
    workflow: str | None = None
    parameters_schema: JSON | None = None
    summary: str | None = None
    description: str | None = None
    workflow_version: str | None = None
    tags: list[str] | None = None
    expected_version: int | None = strawberry.field(default=None, description=EXPECTED_VERSION)


@strawberry.input
class CreateTemplateInput:
    slug: str = strawberry.field(description=SLUG)
    name: str
    agent_id: strawberry.ID
    parameters: JSON = strawberry.field(
        description="Valid by the agent's schema; required ones may be left to the client that starts from it. At most "
        "1,000,000 bytes of JSON."
    )
    summary: str = ""
    description: str = ""
    tags: list[str] = strawberry.field(default_factory=list)
    max_attempts: int | None = strawberry.field(default=None, description=MAX_ATTEMPTS)
    timeout_seconds: int | None = strawberry.field(default=None, description=TIMEOUT_SECONDS)


@strawberry.input(
    description="A field that is left out or null stays as it is; but a limit that is null is the platform's again."
)
class UpdateTemplateInput:
    slug: str | None = strawberry.field(default=None, description=SLUG)
    name: str | None = None
    parameters: JSON | None = None
    summary: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    max_attempts: int | None = strawberry.field(default=strawberry.UNSET, description=MAX_ATTEMPTS)
    timeout_seconds: int | None = strawberry.field(default=strawberry.UNSET, description=TIMEOUT_SECONDS)
    expected_version: int | None = strawberry.field(default=None, description=EXPECTED_VERSION)


def columns(
    input: CreateAgentInput | UpdateAgentInput | CreateTemplateInput | UpdateTemplateInput,
) -> Mapping[str, Any]:
    """Columns that the input sets; other fields are for the service."""
    others = ("agent_id", "expected_version")
    # A limit that is set to null is removed; null in any other field changes nothing.
    values = {
        name: value for name, value in vars(input).items() if value is not strawberry.UNSET and name not in others
    }
    return {name: value for name, value in values.items() if value is not None or name in _CLEARED_BY_NULL}
