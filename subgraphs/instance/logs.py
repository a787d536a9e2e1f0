"""A run's log as clients read it: a connection of lines, and batches of lines that the gateway follows."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from shared_schema import models, states
from shared_schema.ids import to_global_id
from subgraphs.common.connection import Connection, Edge, PageInfo
from subgraphs.common.errors import BadInput
from subgraphs.common.ids import reference_id
from subgraphs.common.pagination import PageRequest
from subgraphs.instance.context import Info
from subgraphs.instance.log_repository import LogRequest
from subgraphs.instance.service import visible

# Lines of one answer to a follower; who is further behind asks again.
BATCH_LINES = 200
START = "0"
# Numbers of lines fit Postgres' bigint, of which nobody will see the end.
MAXIMUM_DIGITS = 18

strawberry.enum(states.LogLevel, name="LogLevel", description="How much a line of a log matters, the least first.")


@strawberry.type(description="A line of a run's log: what its workflow said, how far it was, or a step that it took.")
class InstanceLog:
    sequence: int = strawberry.field(description="1, 2, 3 … without gaps.")
    attempt: int = strawberry.field(description="Which attempt at the run said it.")
    level: states.LogLevel
    message: str
    progress: float | None = strawberry.field(description="From 0 to 1, in a report of progress.")
    logged_at: datetime

    @classmethod
    def of(cls, row: models.InstanceLog) -> InstanceLog:
        """The line as clients see it."""
        return cls(
            sequence=row.sequence,
            attempt=row.attempt,
            level=row.level,
            message=row.message,
            progress=row.progress,
            logged_at=row.logged_at,
        )


@strawberry.federation.type(
    keys=["id after"],
    description="Lines of a run's log that follow one another, for who follows the run.",
)
class InstanceLogBatch:
    id: strawberry.ID = strawberry.field(description="The instance's.")
    after: str | None = strawberry.field(description="The place after which these lines come.")
    lines: list[InstanceLog] = strawberry.field(description=f"At most {BATCH_LINES}.")
    last_sequence: int = strawberry.field(description="The number of the last line here; grows with every batch.")
    end_cursor: str = strawberry.field(description="Pass it as `after` to go on from here.")
    has_more: bool = strawberry.field(description="Whether there are lines after these already.")
    is_complete: bool = strawberry.field(description="Whether the run has ended, and these lines end its log.")

    @classmethod
    async def resolve_reference(
        cls, info: Info, id: strawberry.ID, after: str | None = None
    ) -> InstanceLogBatch | None:
        """The lines after a place, if the caller may see the instance."""
        instance_id = reference_id("Instance", id)
        place = line_number(after, "after")
        row = await info.context.loaders.instances.load(instance_id) if instance_id else None
        # The row is read first: what it says of the log's end holds for the lines that are read after it.
        row = visible(info.context.caller, row)
        if row is None:
            return None
        found = await info.context.loaders.log_lines.load((row.id, LogRequest(BATCH_LINES, after=place))) or []
        lines = found[:BATCH_LINES]
        last = lines[-1].sequence if lines else place
        return cls(
            id=strawberry.ID(to_global_id("Instance", row.id)),
            after=after,
            lines=[InstanceLog.of(line) for line in lines],
            last_sequence=last,
            end_cursor=str(last),
            has_more=len(found) > len(lines),
            is_complete=row.status.is_terminal and last >= row.log_sequence,
        )


def line_number(cursor: str | None, argument: str) -> int:
    """The number of the line that a cursor names; 0, before the first, for none."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAXIMUM_DIGITS):
        raise BadInput(f"`{argument}` is not a cursor of a log.")
    return int(cursor)


async def log_connection(
    info: Info,
    instance_id: UUID,
    request: PageRequest,
    level: states.LogLevel | None,
) -> Connection[InstanceLog]:
    """A page of a log, in its order."""
    loaders = info.context.loaders
    wanted = LogRequest(
        limit=request.size,
        after=line_number(request.after, "after"),
        before=line_number(request.before, "before") if request.before is not None else None,
        backwards=request.backwards,
        level=level,
    )
    found = await loaders.log_lines.load((instance_id, wanted)) or []
    lines = found[: request.size]
    more = len(found) > len(lines)
    if request.backwards:
        lines.reverse()

    async def count() -> int:
        return await loaders.log_counts.load((instance_id, level)) or 0

    edges = [Edge(cursor=str(line.sequence), node=InstanceLog.of(line)) for line in lines]
    page = PageInfo(
        has_next_page=wanted.before is not None if request.backwards else more,
        has_previous_page=more if request.backwards else wanted.after > 0,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Connection(edges=edges, nodes=[edge.node for edge in edges], page_info=page, count=count)
