"""The root fields of identity that read."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

import strawberry

from subgraphs.common.schema import ServiceQuery
from subgraphs.identity.context import Info
from subgraphs.identity.types import Account


@strawberry.type
class Query(ServiceQuery):
    """Queries of identity."""

    @strawberry.field(description="Your account; null without a sign-in.")
    async def me(self, info: Info) -> Account | None:
        account_id = info.context.caller.account_id
        row = await info.context.loaders.accounts.load(account_id) if account_id else None
        return Account.of(row) if row else None
