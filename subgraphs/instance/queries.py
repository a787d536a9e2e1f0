"""The root fields of the instance subgraph that read."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

import strawberry

from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, First, Last
from subgraphs.common.errors import Forbidden, Unauthenticated
from subgraphs.common.ids import argument_id
from subgraphs.common.pagination import PageRequest
from subgraphs.common.schema import ServiceQuery
from subgraphs.instance.context import Info
from subgraphs.instance.repository import InstanceOrder
from subgraphs.instance.service import visible
from subgraphs.instance.types import Instance, InstanceFilter, OrderBy


@strawberry.type
class Query(ServiceQuery):
    """What the instance subgraph answers."""

    @strawberry.field(description="Your instances.")
    async def instances(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: InstanceFilter | None = None,
        order_by: OrderBy = InstanceOrder.NEWEST,
    ) -> Connection[Instance] | None:
        caller = info.context.caller
        if caller.account_id is None:
            raise Unauthenticated("Sign in to see your instances.")
        if not caller.allows(Scope.INSTANCES_READ):
            raise Forbidden(f"These credentials do not have the scope {Scope.INSTANCES_READ.value}.")
        request = PageRequest.of(first, after, last, before)
        loader = info.context.loaders.owned((filter or InstanceFilter()).selection(), order_by)
        return await loader.connection(caller.account_id, request, Instance.of)

    @strawberry.field(description="One instance; null if there is none that you may see.")
    async def instance(self, info: Info, id: strawberry.ID) -> Instance | None:
        row = await info.context.loaders.instances.load(argument_id("Instance", id))
        row = visible(info.context.caller, row)
        return Instance.of(row) if row else None
