"""A database session -> the partitions of its outbox that are this relay's to publish.

Aggregates fall into partitions by the last byte of their id. Each partition is an advisory lock: the relay that holds
it publishes its rows, so an aggregate's order is one relay's business. Every relay also holds a shared lock, by which
they count one another: each takes its even share, gives up what is beyond it, and takes over what a dead one left. A
session that ends loses its locks, whatever ended it; no table, no clock and no message between relays is involved.
"""

import math
import random
from collections.abc import Sequence
from typing import Final

import asyncpg

PARTITIONS: Final = 16
# UUIDs of version 4 and 7 are random in their last byte.
PARTITION: Final = f"get_byte(uuid_send(aggregate_id), 15) % {PARTITIONS}"

# "outb" in ASCII. Advisory locks are of one database, so both databases use the same.
_SPACE: Final = 0x6F757462
_MEMBERSHIP: Final = 1000
_LOOK: Final = """
    SELECT count(*) FILTER (WHERE objid = $2),
        coalesce(array_agg(objid::int) FILTER (WHERE objid <> $2 AND pid = pg_backend_pid()), '{}')
    FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_COUNT: Final = """
    SELECT count(*) FILTER (WHERE objid = $2), count(*) FILTER (WHERE objid <> $2)
    FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Rows come one at a time and the limit stops them, so no lock beyond it is taken.
_TAKE: Final = """
    SELECT partition FROM unnest($2::int[]) AS partition WHERE pg_try_advisory_lock($1, partition) LIMIT $3
"""
_GIVE: Final = "SELECT pg_advisory_unlock($1, partition) FROM unnest($2::int[]) AS partition"


class Shares:
    """Partitions that one session holds."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        #: The partitions that are ours until the next `balance`.
        self.held: frozenset[int] = frozenset()
        #: Relays of this database, ourselves among them.
        self.members = 0

    async def join(self) -> None:
        """Take the shared lock by which relays count one another."""
        await self._connection.execute("SELECT pg_advisory_lock_shared($1, $2)", _SPACE, _MEMBERSHIP)

    async def balance(self) -> bool:
        """Take or give up partitions, while nothing of ours is on its way. Return True once all is settled."""
        members, mine = await self._connection.fetchrow(_LOOK, _SPACE, _MEMBERSHIP)
        changed = members != self.members
        self.members = members
        share = math.ceil(PARTITIONS / max(members, 1))
        if len(mine) > share:
            surplus = random.sample(mine, len(mine) - share)
            await self._connection.execute(_GIVE, _SPACE, surplus)
            self.held = frozenset(mine) - frozenset(surplus)
        elif len(mine) < share:
            self.held = frozenset(mine) | frozenset(await self._take(mine, share - len(mine)))
        else:
            self.held = frozenset(mine)
        return not changed and len(self.held) >= PARTITIONS // max(members, 1)

    async def _take(self, mine: Sequence[int], count: int) -> list[int]:
        # Each looks in an order of its own, so that relays which start together do not queue at one lock.
        others = [partition for partition in range(PARTITIONS) if partition not in mine]
        random.shuffle(others)
        return [row[0] for row in await self._connection.fetch(_TAKE, _SPACE, others, count)]


async def relays_of(connection: asyncpg.Connection) -> tuple[int, int]:
    """Return how many relays a database has, and how many partitions they hold together."""
    members, held = await connection.fetchrow(_COUNT, _SPACE, _MEMBERSHIP)
    return members, held
