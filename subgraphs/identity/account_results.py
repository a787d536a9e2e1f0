"""Results of the mutations that begin, recover, change, end and administer accounts."""

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.common.results import TypedError
from subgraphs.identity.results import ProofNeededError, ThrottledError
from subgraphs.identity.types import Account, DataExport

GuardedError = TypedError | ThrottledError | ProofNeededError


@strawberry.type
class VerifyEmailSuccess:
    account: Account


@strawberry.type
class RequestPasswordResetSuccess:
    message: str = strawberry.field(
        description="For a person to read; the same whether the address has an account or not."
    )


@strawberry.type
class ResetPasswordSuccess:
    account: Account


@strawberry.type
class ChangeEmailSuccess:
    account: Account


@strawberry.type
class CloseAccountSuccess:
    account: Account


@strawberry.type
class KeepAccountSuccess:
    account: Account


@strawberry.type
class ExportAccountSuccess:
    data_export: DataExport


@strawberry.type
class InviteAccountSuccess:
    email: str = strawberry.field(description="Where the invitation goes.")


@strawberry.type
class SuspendAccountSuccess:
    account: Account


@strawberry.type
class ReinstateAccountSuccess:
    account: Account


@strawberry.type
class EndAccountSessionsSuccess:
    account: Account


@strawberry.type
class SetAccountRoleSuccess:
    account: Account


VerifyEmailResult = Annotated[VerifyEmailSuccess | GuardedError, strawberry.union("VerifyEmailResult")]
RequestPasswordResetResult = Annotated[
    RequestPasswordResetSuccess | GuardedError, strawberry.union("RequestPasswordResetResult")
]
ResetPasswordResult = Annotated[ResetPasswordSuccess | GuardedError, strawberry.union("ResetPasswordResult")]
ChangeEmailResult = Annotated[ChangeEmailSuccess | GuardedError, strawberry.union("ChangeEmailResult")]
CloseAccountResult = Annotated[CloseAccountSuccess | GuardedError, strawberry.union("CloseAccountResult")]
KeepAccountResult = Annotated[KeepAccountSuccess | GuardedError, strawberry.union("KeepAccountResult")]
ExportAccountResult = Annotated[ExportAccountSuccess | GuardedError, strawberry.union("ExportAccountResult")]
InviteAccountResult = Annotated[InviteAccountSuccess | GuardedError, strawberry.union("InviteAccountResult")]
SuspendAccountResult = Annotated[SuspendAccountSuccess | GuardedError, strawberry.union("SuspendAccountResult")]
ReinstateAccountResult = Annotated[ReinstateAccountSuccess | GuardedError, strawberry.union("ReinstateAccountResult")]
EndAccountSessionsResult = Annotated[
    EndAccountSessionsSuccess | GuardedError, strawberry.union("EndAccountSessionsResult")
]
SetAccountRoleResult = Annotated[SetAccountRoleSuccess | GuardedError, strawberry.union("SetAccountRoleResult")]
