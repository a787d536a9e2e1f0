"""The mutations that begin, recover, change, end and administer accounts."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

import strawberry

from shared_schema import states
from subgraphs.common.ids import input_id
from subgraphs.identity.account_results import (
    ChangeEmailResult,
    ChangeEmailSuccess,
    CloseAccountResult,
    CloseAccountSuccess,
    EndAccountSessionsResult,
    EndAccountSessionsSuccess,
    ExportAccountResult,
    ExportAccountSuccess,
    InviteAccountResult,
    InviteAccountSuccess,
    KeepAccountResult,
    KeepAccountSuccess,
    ReinstateAccountResult,
    ReinstateAccountSuccess,
    RequestPasswordResetResult,
    RequestPasswordResetSuccess,
    ResetPasswordResult,
    ResetPasswordSuccess,
    SetAccountRoleResult,
    SetAccountRoleSuccess,
    SuspendAccountResult,
    SuspendAccountSuccess,
    VerifyEmailResult,
    VerifyEmailSuccess,
)
from subgraphs.identity.context import Info
from subgraphs.identity.refusals import attempt_guarded
from subgraphs.identity.results import RegisterResult, RegisterSuccess, attempt_throttled
from subgraphs.identity.types import Account, DataExport

RESET_ASKED = "If the address has an account, a mail with a link is on its way."


@strawberry.input
class RegisterInput:
    email: str
    password: str = strawberry.field(description="12 to 256 characters.")
    display_name: str = strawberry.field(description="What others see.")
    invitation: str | None = strawberry.field(default=None, description="The token of an invitation's link.")
    language: str | None = strawberry.field(default=None, description="Of mails, e.g. `en` or `de`.")


@strawberry.input
class ResetPasswordInput:
    token: str = strawberry.field(description="From the link in the mail.")
    new_password: str = strawberry.field(description="12 to 256 characters.")


@strawberry.input
class InviteAccountInput:
    email: str
    language: str | None = strawberry.field(default=None, description="Of the mail, e.g. `en` or `de`.")


@strawberry.input
class SuspendAccountInput:
    account_id: strawberry.ID
    reason: str = strawberry.field(description="Its owner reads it.")


@strawberry.input
class SetAccountRoleInput:
    account_id: strawberry.ID
    role: states.Role


@strawberry.type
class AccountMutations:
    """Mutations of accounts."""

    @strawberry.mutation(
        description="Make an account; it does not sign in. Where addresses are confirmed, a mail with a link comes "
        "first, and the answer is the same whether the address has an account or not."
    )
    async def register(self, info: Info, input: RegisterInput) -> RegisterResult:
        async def work() -> RegisterSuccess:
            row = await info.context.service.registrations.register(
                info.context.client,
                input.email,
                input.password,
                input.display_name,
                invitation=input.invitation,
                language=input.language,
            )
            return RegisterSuccess(account=Account.of(row) if row else None)

        return await attempt_throttled(info, work())

    @strawberry.mutation(description="Confirm the address of a registration, or an account's new one, by its link.")
    async def verify_email(self, info: Info, token: str) -> VerifyEmailResult:
        async def work() -> VerifyEmailSuccess:
            service, client = info.context.service, info.context.client
            if service.links.mail_id("new_address", token) is not None:
                return VerifyEmailSuccess(account=Account.of(await service.addresses.confirm(client, token)))
            return VerifyEmailSuccess(account=Account.of(await service.registrations.confirm(client, token)))

        return await attempt_guarded(info, work())

    @strawberry.mutation(
        description="Have a link sent by which a lost password is replaced. The answer is the same whether the address "
        "has an account or not."
    )
    async def request_password_reset(self, info: Info, email: str) -> RequestPasswordResetResult:
        async def work() -> RequestPasswordResetSuccess:
            await info.context.service.recovery.request(info.context.client, email)
            return RequestPasswordResetSuccess(message=RESET_ASKED)

        return await attempt_guarded(info, work())

    @strawberry.mutation(
        description="Choose a new password by a link; the account's sessions and API keys end. It does not sign in."
    )
    async def reset_password(self, info: Info, input: ResetPasswordInput) -> ResetPasswordResult:
        async def work() -> ResetPasswordSuccess:
            row = await info.context.service.recovery.reset(info.context.client, input.token, input.new_password)
            return ResetPasswordSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(
        description="Name a new address: it counts when it is confirmed by the link that it is sent. The present one "
        "is informed."
    )
    async def change_email(self, info: Info, new_email: str) -> ChangeEmailResult:
        async def work() -> ChangeEmailSuccess:
            row = await info.context.service.addresses.request(info.context.client, new_email)
            return ChangeEmailSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(
        description="Close your account: at `closesAt` its instances are cancelled, and all that it has is removed. "
        "Until then `keepAccount` takes it back."
    )
    async def close_account(self, info: Info) -> CloseAccountResult:
        async def work() -> CloseAccountSuccess:
            row = await info.context.service.lifecycle.close(info.context.client)
            return CloseAccountSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Take back that your account is closed.")
    async def keep_account(self, info: Info) -> KeepAccountResult:
        async def work() -> KeepAccountSuccess:
            row = await info.context.service.lifecycle.keep(info.context.client)
            return KeepAccountSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Have a file written with all that is kept of you; a mail says when it is ready.")
    async def export_account(self, info: Info) -> ExportAccountResult:
        async def work() -> ExportAccountSuccess:
            row = await info.context.service.lifecycle.export(info.context.client)
            return ExportAccountSuccess(data_export=DataExport.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Send an invitation to make an account.")
    async def invite_account(self, info: Info, input: InviteAccountInput) -> InviteAccountResult:
        async def work() -> InviteAccountSuccess:
            await info.context.service.registrations.invite(info.context.client, input.email, input.language)
            return InviteAccountSuccess(email=input.email)

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="For admins: refuse an account's credentials until it is reinstated.")
    async def suspend_account(self, info: Info, input: SuspendAccountInput) -> SuspendAccountResult:
        async def work() -> SuspendAccountSuccess:
            administration = info.context.service.administration
            account_id = input_id("Account", input.account_id)
            row = await administration.suspend(info.context.client, account_id, input.reason)
            return SuspendAccountSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="For admins: accept a suspended account's credentials again.")
    async def reinstate_account(self, info: Info, id: strawberry.ID) -> ReinstateAccountResult:
        async def work() -> ReinstateAccountSuccess:
            administration = info.context.service.administration
            row = await administration.reinstate(info.context.client, input_id("Account", id))
            return ReinstateAccountSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="For admins: end every session of an account.")
    async def end_account_sessions(self, info: Info, id: strawberry.ID) -> EndAccountSessionsResult:
        async def work() -> EndAccountSessionsSuccess:
            administration = info.context.service.administration
            row = await administration.end_sessions(info.context.client, input_id("Account", id))
            return EndAccountSessionsSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="For admins: give an account a role; its sessions end.")
    async def set_account_role(self, info: Info, input: SetAccountRoleInput) -> SetAccountRoleResult:
        async def work() -> SetAccountRoleSuccess:
            administration = info.context.service.administration
            account_id = input_id("Account", input.account_id)
            row = await administration.set_role(info.context.client, account_id, input.role)
            return SetAccountRoleSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())
