"""Context of resolvers (`info.context`): the caller, how to read and write, what to add to the response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from shared_schema.database import Database
from subgraphs.common.caller import Caller
from subgraphs.common.work import Work


class Store:
    """A database as a subgraph uses it: short reads that share nothing, and units of work that commit."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # Each read is one statement of its own, so BEGIN and COMMIT around it would be two trips for nothing.
        autocommit = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reading = async_sessionmaker(autocommit, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for one read; resolvers run side by side, and a session serves one at a time."""
        async with self._reading() as session:
            yield session

    def unit_of_work(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction, committed when the block ends."""
        return self.database.unit_of_work()


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Origin of the person's request, as the gateway vouches for it; None for a fact that isn't known.

    `ip_address` is canonical (IPv4 in IPv6 as IPv4) and found behind trusted proxies, so it may be relied on.
    `user_agent` is what the client says about itself, at most 400 printable characters: good for telling devices apart
    to their owner, proof of nothing.
    """

    user_agent: str | None = None
    ip_address: str | None = None
    # SHA-256 of the secret in the browser's device cookie, which identity alone gets.
    device_hash: bytes | None = field(default=None, repr=False)
    # Scheme, host and port by which the client reached the gateway: for addresses in its own answers.
    base_url: str | None = None

    @property
    def network(self) -> str:
        """Key of throttles' counts: an IPv4 address, the /64 of an IPv6 one (one connection has it), or `unknown`."""
        if self.ip_address is None:
            return "unknown"
        address = ip_address(self.ip_address)
        return self.ip_address if address.version == 4 else f"{IPv6Address(int(address) >> 64 << 64)}/64"


@dataclass(slots=True)
class RequestContext:
    """Base of every subgraph's context; lives for one request."""

    caller: Caller
    store: Store
    facts: RequestFacts
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    #: What this request has made the subgraph do; None where nothing bounds it (a test of a schema alone).
    work: Work | None = None

    def renew_loaders(self) -> None:
        """Forget what was loaded: a mutation may have changed it, and the next one reads again."""
