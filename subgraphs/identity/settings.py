"""Environment -> the identity subgraph's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared_schema import platform_account
from shared_schema.artifacts import ArtifactSettings
from shared_schema.links import SecretSettings
from shared_schema.settings import CookieSettings
from subgraphs.common.settings import SubgraphSettings

MINUTE = 60
DAY = 24 * 60 * MINUTE


class Provider(BaseModel):
    """An OpenID Connect provider at which people may sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    #: Its name in addresses and for clients, and what people read.
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    #: Exactly as its discovery document has it.
    issuer: Annotated[str, Field(pattern=r"^https?://", max_length=400)]
    client_id: Annotated[str, Field(min_length=1, max_length=400)]
    #: None for a public client.
    client_secret: SecretStr | None = None


class IdentitySettings(SubgraphSettings, CookieSettings, SecretSettings, ArtifactSettings):
    """Names in the environment begin with `BOTBERI_`."""

    # A session ends this long after the sign-in, and earlier when it goes unused.
    session_lifetime_seconds: Annotated[int, Field(ge=MINUTE, le=365 * DAY)] = 30 * DAY
    session_idle_seconds: Annotated[int, Field(ge=MINUTE, le=365 * DAY)] = 7 * DAY
    # Sign-ins of one account at a time; one more ends the one that was longest unused.
    sessions_per_account: Annotated[int, Field(ge=1, le=10_000)] = 100
    # argon2id as OWASP advises for one pass; hashing at once needs this much memory each.
    password_memory_kib: Annotated[int, Field(ge=8, le=1024 * 1024)] = 46 * 1024
    password_time_cost: Annotated[int, Field(ge=1, le=20)] = 1
    password_parallelism: Annotated[int, Field(ge=1, le=16)] = 1
    password_threads: Annotated[int, Field(ge=1, le=64)] = 2
    # Sign-ins, registrations and password changes that may wait for a thread, in all and of one client; clients have
    # turns, and what is too much of the client that has most of them waiting is refused.
    password_queue: Annotated[int, Field(ge=1, le=10_000)] = 128
    password_queue_per_client: Annotated[int, Field(ge=1, le=10_000)] = 16
    # Wrong passwords of one client for one account before that client has to wait, and the longest wait.
    sign_in_attempts: Annotated[int, Field(ge=1, le=1000)] = 10
    sign_in_window_seconds: Annotated[int, Field(ge=1, le=DAY)] = 15 * MINUTE
    sign_in_max_wait_seconds: Annotated[int, Field(ge=1, le=DAY)] = 15 * MINUTE
    # Wrong passwords for any accounts from one address (a /64 of IPv6; of a /48 16 times as many) in the same window.
    sign_in_attempts_per_address: Annotated[int, Field(ge=1, le=10_000)] = 100
    # Wrong passwords for one account from all clients that it doesn't know, in the same window.
    sign_in_attempts_per_account: Annotated[int, Field(ge=1, le=10_000)] = 100
    # Registrations from one address in an hour.
    registrations_per_hour: Annotated[int, Field(ge=1, le=10_000)] = 20
    # Successful sign-ins and new API keys of one account in an hour: each of them is a row.
    credentials_per_hour: Annotated[int, Field(ge=1, le=100_000)] = 600
    # Names that no display name may hold or look like; the publisher of the built-in agents has the first.
    reserved_names: tuple[str, ...] = ("Botberi",)
    # Whether people without an account may make one without an invitation.
    registration_open: bool = True
    # Whether an account begins only when its address was confirmed by mail. Without, registration says which addresses
    # have an account.
    registration_confirmed: bool = True
    # Who may invite people to make an account.
    invitations: Literal["off", "admins", "everyone"] = "admins"
    # How long links in mails are good: of registrations and changed addresses, of lost passwords, of invitations.
    registration_link_seconds: Annotated[int, Field(ge=MINUTE, le=30 * DAY)] = DAY
    # How long the link of a lost password is good.
    reset_link_seconds: Annotated[int, Field(ge=MINUTE, le=7 * DAY)] = 60 * MINUTE
    # How long an invitation is good.
    invitation_link_seconds: Annotated[int, Field(ge=MINUTE, le=90 * DAY)] = 7 * DAY
    # Mails to one address in an hour that its owner may not have asked for.
    mails_per_address: Annotated[int, Field(ge=1, le=10_000)] = 5
    # Language of mails to people who named none (workers/identity/mails).
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)?$", max_length=16)] = "en"
    # How long a sign-in, or a proof after it, is enough for changes that need one lately.
    proof_seconds: Annotated[int, Field(ge=10, le=DAY)] = 10 * MINUTE
    # How many days the owner of a closed account may still keep it.
    closing_days: Annotated[int, Field(ge=0, le=365)] = 14
    # OpenID Connect providers at which people may sign in, as a JSON list of objects with `id`, `name`, `issuer`,
    # `client_id` and `client_secret`. Their way back is BOTBERI_PUBLIC_URL/account/provider.
    oidc_providers: tuple[Provider, ...] = Field(default=(), repr=False)
    # Accounts that can't be closed: the publisher of the built-in agents.
    kept_accounts: tuple[str, ...] = (platform_account.EMAIL,)
    api_keys_per_account: Annotated[int, Field(ge=1, le=10_000)] = 50
    # An API key ends this many days after it was made or rotated, unless its owner says earlier or later.
    api_key_days: Annotated[int, Field(ge=1, le=3650)] = 90
    # No API key may be good for longer than this many days.
    api_key_max_days: Annotated[int, Field(ge=1, le=3650)] = 365

    @property
    def session_idle(self) -> timedelta:
        """Time for which a session may go unused."""
        return timedelta(seconds=self.session_idle_seconds)
