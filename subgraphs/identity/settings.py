"""Environment -> the identity subgraph's settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from subgraphs.common.settings import SubgraphSettings

MINUTE = 60
DAY = 24 * 60 * MINUTE


class IdentitySettings(SubgraphSettings):
    """Names in the environment begin with `BOTBERI_`."""

    # The cookie is sent over HTTPS only. On wherever the front speaks TLS; off for http://localhost.
    session_cookie_secure: bool = False
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
    # Sign-ins and registrations that may wait for a thread; more are told to come back.
    password_queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    # Wrong passwords for one address before it has to wait, and the longest wait.
    sign_in_attempts: Annotated[int, Field(ge=1, le=1000)] = 10
    sign_in_window_seconds: Annotated[int, Field(ge=1, le=DAY)] = 15 * MINUTE
    sign_in_longest_wait_seconds: Annotated[int, Field(ge=1, le=DAY)] = 15 * MINUTE
    # All sign-ins and registrations of this process in a minute.
    sign_ins_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    # Whether strangers may make accounts.
    registration_open: bool = True
    api_keys_per_account: Annotated[int, Field(ge=1, le=10_000)] = 50

    @property
    def session_idle(self) -> timedelta:
        """How long a session may go unused."""
        return timedelta(seconds=self.session_idle_seconds)
