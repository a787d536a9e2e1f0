"""A run's log as clients read it: a connection of lines, which the gateway follows too."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from shared_schema import models, states
from subgraphs.common.connection import Connection, Edge, PageInfo
from subgraphs.common.errors import BadInput
from subgraphs.common.pagination import PageRequest
from subgraphs.instance.context import Info
from subgraphs.instance.log_repository import LogRequest

# Numbers of lines fit Postgres' bigint, which no log can use up.
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
    log_request = LogRequest(
        limit=request.size,
        after=line_number(request.after, "after"),
        before=line_number(request.before, "before") if request.before is not None else None,
        backwards=request.backwards,
        level=level,
    )
    log_lines = await loaders.log_lines.load((instance_id, log_request)) or []
    lines = log_lines[: request.size]
    more = len(log_lines) > len(lines)
    if request.backwards:
        lines.reverse()

    async def count() -> int:
        return await loaders.log_counts.load((instance_id, level)) or 0

    edges = [Edge(cursor=str(line.sequence), node=InstanceLog.of(line)) for line in lines]
    page = PageInfo(
        has_next_page=log_request.before is not None if request.backwards else more,
        has_previous_page=more if request.backwards else log_request.after > 0,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return Connection(edges=edges, nodes=[edge.node for edge in edges], page_info=page, count=count)
