"""Refusals that identity alone has -> typed errors in a mutation's result union."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from subgraphs.identity.account_results import GuardedError
from subgraphs.identity.context import Info
from subgraphs.identity.freshness import ProofNeededRefusal
from subgraphs.identity.results import ProofNeededError, attempt_throttled

T = TypeVar("T")


async def attempt_guarded(info: Info, work: Awaitable[T]) -> T | GuardedError:
    """As `attempt_throttled`, for mutations that may need a recent proof as well."""

    async def guarded() -> T | ProofNeededError:
        try:
            return await work
        except ProofNeededRefusal as refusal:
            return ProofNeededError(message=refusal.message)

    return await attempt_throttled(info, guarded())
