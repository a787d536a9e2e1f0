"""The queries by which admins find accounts."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.field` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated

import strawberry

from shared_schema import states
from subgraphs.common.caller import Scope
from subgraphs.common.connection import After, Before, Connection, First, Last, list_connection
from subgraphs.common.errors import BadInput, Forbidden
from subgraphs.common.pagination import PageRequest
from subgraphs.identity import repository
from subgraphs.identity.context import Info
from subgraphs.identity.types import Account

MAXIMUM_SEARCH = 200


@strawberry.input(description="Which accounts; everything given has to hold.")
class AccountFilter:
    search: str | None = strawberry.field(default=None, description="Part of the address or the display name.")
    role: states.Role | None = None
    is_suspended: bool | None = None


@strawberry.type
class AccountQueries:
    """Queries of accounts."""

    @strawberry.field(description="For admins: all accounts but closed ones, newest first.")
    async def accounts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            AccountFilter | None, strawberry.argument(description="Which of them; all without it.")
        ] = None,
    ) -> Connection[Account] | None:
        if not info.context.caller.administers(Scope.ACCOUNT_READ):
            raise Forbidden("Only admins may list accounts.")
        wanted = filter or AccountFilter()
        if wanted.search is not None and (len(wanted.search) > MAXIMUM_SEARCH or "\x00" in wanted.search):
            raise BadInput(f"`search` may have at most {MAXIMUM_SEARCH} characters.")
        statement = repository.matching_accounts(wanted.search, wanted.role, wanted.is_suspended)
        request = PageRequest.of(first, after, last, before)
        return await list_connection(info.context.store, statement, repository.ACCOUNTS, request, Account.of)
