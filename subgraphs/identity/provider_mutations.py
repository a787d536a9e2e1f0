"""The mutations and queries of sign-in at OpenID Connect providers."""

# mypy: disable-error-code="untyped-decorator"
# (`strawberry.mutation` used as a decorator has no type of its own.)

from __future__ import annotations

from typing import Annotated

import strawberry

from subgraphs.common.ids import input_id
from subgraphs.identity.account_results import GuardedError
from subgraphs.identity.context import Info
from subgraphs.identity.factor_mutations import signed_in
from subgraphs.identity.refusals import attempt_guarded
from subgraphs.identity.results import LoginSuccess, SecondFactorRequired
from subgraphs.identity.sessions import SecondStep, SignIn
from subgraphs.identity.types import Account


@strawberry.input
class BeginProviderLoginInput:
    provider: str = strawberry.field(description="The `id` of one of `providers`.")
    link: bool = strawberry.field(
        default=False, description="True links the provider to your account, which needs a recent proof."
    )


@strawberry.input
class FinishProviderLoginInput:
    flow: str = strawberry.field(description="From `beginProviderLogin`; it stayed in the browser that began.")
    code: str = strawberry.field(description="What the provider's way back brought.")
    state: str
    issuer: str | None = strawberry.field(default=None, description="`iss` of the way back, if it has one.")


@strawberry.type
class BeginProviderLoginSuccess:
    authorization_url: str = strawberry.field(description="Where the browser goes.")
    flow: str = strawberry.field(description="Keep it in the browser, for `finishProviderLogin`.")


@strawberry.type(description="The provider signs this account in from now on.")
class ProviderLinked:
    account: Account


@strawberry.type
class UnlinkProviderSuccess:
    account: Account


@strawberry.type(description="An OpenID Connect provider at which one may sign in.")
class Provider:
    id: str
    name: str


BeginProviderLoginResult = Annotated[
    BeginProviderLoginSuccess | GuardedError, strawberry.union("BeginProviderLoginResult")
]
FinishProviderLoginResult = Annotated[
    LoginSuccess | SecondFactorRequired | ProviderLinked | GuardedError, strawberry.union("FinishProviderLoginResult")
]
UnlinkProviderResult = Annotated[UnlinkProviderSuccess | GuardedError, strawberry.union("UnlinkProviderResult")]


@strawberry.type
class ProviderQueries:
    """Queries of providers."""

    @strawberry.field(description="Where one may sign in beside here.")
    def providers(self, info: Info) -> list[Provider] | None:
        return [Provider(id=each.id, name=each.name) for each in info.context.settings.oidc_providers]


@strawberry.type
class ProviderMutations:
    """Mutations of providers."""

    @strawberry.mutation(description="Begin a sign-in at a provider, or link one to your account.")
    async def begin_provider_login(self, info: Info, input: BeginProviderLoginInput) -> BeginProviderLoginResult:
        async def work() -> BeginProviderLoginSuccess:
            providers = info.context.service.providers
            begun = await providers.begin(info.context.client, input.provider, link=input.link)
            return BeginProviderLoginSuccess(authorization_url=begun.url, flow=begun.flow)

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="End a sign-in at a provider with what its way back brought.")
    async def finish_provider_login(self, info: Info, input: FinishProviderLoginInput) -> FinishProviderLoginResult:
        async def work() -> LoginSuccess | SecondFactorRequired | ProviderLinked:
            result = await info.context.service.providers.finish(
                info.context.client, input.flow, input.code, input.state, input.issuer
            )
            match result:
                case SignIn():
                    return signed_in(info.context, result)
                case SecondStep():
                    return SecondFactorRequired(challenge=result.challenge)
            return ProviderLinked(account=Account.of(result))

        return await attempt_guarded(info, work())

    @strawberry.mutation(description="Accept a linked provider no more.")
    async def unlink_provider(self, info: Info, id: strawberry.ID) -> UnlinkProviderResult:
        async def work() -> UnlinkProviderSuccess:
            providers = info.context.service.providers
            row = await providers.unlink(info.context.client, input_id("ExternalIdentity", id))
            return UnlinkProviderSuccess(account=Account.of(row))

        return await attempt_guarded(info, work())
