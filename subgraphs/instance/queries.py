"""The root fields of the instance subgraph that read."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry

from shared_schema import models
from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, Edge, First, Last, PageInfo, list_connection
from subgraphs.common.errors import Forbidden, Unauthenticated
from subgraphs.common.ids import argument_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.schema import ServiceQuery
from subgraphs.instance.changes import Place, changes, count_changes
from subgraphs.instance.context import Info
from subgraphs.instance.repository import InstanceOrder
from subgraphs.instance.schedule_types import Schedule
from subgraphs.instance.scheduling import NEWEST, living, visible_schedule
from subgraphs.instance.service import visible
from subgraphs.instance.types import Instance, InstanceFilter, OrderBy

WorkspaceId = Annotated[
    strawberry.ID | None, strawberry.argument(description="The workspace; your personal one if it is left out.")
]


@strawberry.type
class Query(ServiceQuery):
    """Queries of the instance subgraph."""

    @strawberry.field(description="The instances of a workspace: of your personal one, or of the one that you name.")
    async def instances(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: InstanceFilter | None = None,
        order_by: OrderBy = InstanceOrder.NEWEST,
        workspace_id: WorkspaceId = None,
    ) -> Connection[Instance] | None:
        request = PageRequest.of(first, after, last, before)
        loader = info.context.loaders.of_workspaces((filter or InstanceFilter()).selection(), order_by)
        return await loader.connection(_readable(info, workspace_id), request, Instance.of)

    @strawberry.field(
        description=(
            "A workspace's instances that changed after a cursor, deleted ones too, in the order of their newest "
            "changes; without a cursor those that have not ended. `endCursor` is where to go on, whether something "
            "came or not."
        )
    )
    async def instance_changes(
        self, info: Info, first: First = None, after: After = None, workspace_id: WorkspaceId = None
    ) -> Connection[Instance] | None:
        request, workspace = PageRequest.of(first, after), _readable(info, workspace_id)
        place = Place.of(after) if after is not None else None
        async with info.context.store.read() as session:
            page = await changes(session, workspace, place, max(request.size, 1))
        edges = [Edge(cursor=at.cursor(), node=Instance.of(row)) for row, at in page.rows]
        shown = PageInfo(
            has_next_page=page.has_next,
            has_previous_page=False,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=page.end.cursor(),
        )

        async def count() -> int:
            async with info.context.store.read() as session:
                return await count_changes(session, workspace, place)

        return Connection(edges=edges, nodes=[edge.node for edge in edges], page_info=shown, count=count)

    @strawberry.field(description="One instance; null if there is none that you may see.")
    async def instance(self, info: Info, id: strawberry.ID) -> Instance | None:
        row = await info.context.loaders.instances.load(argument_id("Instance", id))
        row = visible(info.context.caller, row)
        return Instance.of(row) if row else None

    @strawberry.field(description="The schedules of a workspace, newest first.")
    async def schedules(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        workspace_id: WorkspaceId = None,
    ) -> Connection[Schedule] | None:
        own = living().where(models.Schedule.workspace_id == _readable(info, workspace_id))
        request = PageRequest.of(first, after, last, before)
        return await list_connection(info.context.store, own, NEWEST, request, Schedule.of)

    @strawberry.field(description="One schedule; null if there is none that you may see.")
    async def schedule(self, info: Info, id: strawberry.ID) -> Schedule | None:
        row = await info.context.loaders.schedules.load(argument_id("Schedule", id))
        row = visible_schedule(info.context.caller, row)
        return Schedule.of(row) if row else None


def _readable(info: Info, named: strawberry.ID | None) -> UUID:
    """The workspace whose objects are asked for, if the caller may read them: the one that is named, or its own."""
    caller = info.context.caller
    if caller.account_id is None:
        raise Unauthenticated("Sign in to see your instances.")
    if not caller.allows(Scope.INSTANCES_READ):
        raise Forbidden(f"These credentials do not have the scope {Scope.INSTANCES_READ.value}.")
    chosen = caller.workspace if named is None else argument_id("Workspace", named, "workspaceId")
    if chosen is None or not caller.reads_in(chosen, Scope.INSTANCES_READ):
        raise Forbidden("You are no member of such a workspace.")
    return chosen
