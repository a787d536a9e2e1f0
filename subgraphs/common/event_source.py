"""The directive that tells the gateway which events feed a subscription field."""

from __future__ import annotations

import strawberry
from strawberry.schema_directive import Location

EVENTS_SPECIFICATION = "https://specs.botberi.dev/events/v1.0"

# As docs/architecture/contracts.md has it; Strawberry cannot print descriptions of a directive's arguments.
DEFINITION = '''
"""The gateway feeds this subscription field from the event bus."""
directive @eventSource(
  "Routing keys to follow; `*` and `#` as in AMQP topics, `{$argument}` is one word."
  topics: [String!]!
  "Conditions that all hold: `attribute=$argument` (a list means any of its values), \
`attribute=$argument?` (holds where it isn't given), `attribute=@subject` (the caller), `attribute=constant`."
  where: [String!]! = []
  "Field of the entity that grows with every change; a value not greater than the last delivered one isn't delivered."
  version: String
  "Boolean field of the entity; the subscription completes after an answer in which it is true. \
With `feed` a path in its answer, as `job.done`."
  until: String
  "Deliver the present state at once (the entity's key fields are the field's arguments of the same name)."
  snapshot: Boolean! = false
  "Path of query fields to a connection whose nodes are the results, every one once and in order; \
events then only say when to look. Takes the field's \
arguments, `$after` is the cursor: `job(id: $id) { log(first: 100, after: $after) }`."
  feed: String
) on FIELD_DEFINITION
'''


@strawberry.federation.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="eventSource",
    compose=True,
    import_url=EVENTS_SPECIFICATION,
    description="The gateway feeds this subscription field from the event bus.",
)
class EventSource:
    topics: list[str]
    where: list[str] = strawberry.field(default_factory=list)
    version: str | None = strawberry.UNSET
    until: str | None = strawberry.UNSET
    snapshot: bool = strawberry.UNSET
    feed: str | None = strawberry.UNSET
