"""Instances that changed since a cursor, over HTTP: first those that have not ended, then every committed change."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared_schema.ids import new_id, to_global_id
from shared_schema.models import Instance
from tests.subgraphs.conftest import Client, add_agent

CHANGES = """query ($first: Int, $after: String) { instanceChanges(first: $first, after: $after) {
  totalCount edges { cursor node { id version status deletedAt } } pageInfo { hasNextPage endCursor } } }"""


async def page(client: Client, owner: UUID, after: str | None = None, first: int = 100) -> Any:
    data = await client.ask(CHANGES, {"first": first, "after": after}, account_id=owner)
    return data["instanceChanges"]


def ids(found: Any) -> list[str]:
    return [edge["node"]["id"] for edge in found["edges"]]


async def run(client: Client, owner: UUID, status: str = "PENDING") -> UUID:
    agent = await add_agent(client)
    instance = Instance(owner_id=owner, agent_id=agent.id, name="Run")
    async with client.store.unit_of_work() as session:
        session.add(instance)
        await session.flush()
        if status != "PENDING":
            await session.execute(
                text("UPDATE instances SET status = :s WHERE id = :id"), {"s": status, "id": instance.id}
            )
    return instance.id


async def change(client: Client, instance_id: UUID, what: str = "progress = random()") -> None:
    async with client.store.unit_of_work() as session:
        await session.execute(text(f"UPDATE instances SET {what} WHERE id = :id"), {"id": instance_id})


async def test_what_has_not_ended_then_what_changes_then_the_deletion(instance: Client) -> None:
    owner = new_id()
    ended, active, other = await run(instance, owner, "FAILED"), await run(instance, owner), await run(instance, owner)
    await run(instance, new_id())
    begin = await page(instance, owner)
    assert sorted(ids(begin)) == sorted(to_global_id("Instance", each) for each in (active, other))
    assert begin["totalCount"] == 2
    cursor = begin["pageInfo"]["endCursor"]
    nothing = await page(instance, owner, cursor)
    assert (ids(nothing), nothing["pageInfo"]) == ([], {"hasNextPage": False, "endCursor": cursor})
    await change(instance, active, "status = 'CANCELLED'")
    await change(instance, ended, "deleted_at = now()")
    await change(instance, other, "lease_owner = 'x', lease_expires_at = now()")  # no news
    news = await page(instance, owner, cursor)
    assert [(e["node"]["status"], e["node"]["deletedAt"] is not None) for e in news["edges"]] == [
        ("CANCELLED", False),
        ("FAILED", True),
    ]
    assert ids(await page(instance, owner, news["edges"][0]["cursor"])) == [to_global_id("Instance", ended)]
    assert ids(await page(instance, owner, news["pageInfo"]["endCursor"])) == []


async def test_pages_of_what_has_not_ended_lead_to_what_changed_since_the_first(instance: Client) -> None:
    owner = new_id()
    made = [await run(instance, owner) for _ in range(5)]
    first = await page(instance, owner, first=2)
    await change(instance, made[0], "status = 'FAILED'")  # shown on the first page, and again as changed
    await change(instance, made[4], "status = 'FAILED'")  # not shown yet
    seen, found = ids(first), first
    while found["edges"]:
        found = await page(instance, owner, found["pageInfo"]["endCursor"], first=2)
        seen += ids(found)
        if not found["edges"]:
            found = await page(instance, owner, found["pageInfo"]["endCursor"], first=2)
            seen += ids(found)
    expected = [made[0], made[1], made[2], made[3], made[0], made[4]]
    assert seen == [to_global_id("Instance", each) for each in expected]


async def test_an_owner_without_instances_has_a_cursor_to_begin_with(instance: Client) -> None:
    owner = new_id()
    begin = await page(instance, owner)
    assert begin["edges"] == []
    made = await run(instance, owner, "FAILED")
    assert ids(await page(instance, owner, begin["pageInfo"]["endCursor"])) == [to_global_id("Instance", made)]


async def test_a_change_that_commits_late_is_not_skipped(instance: Client) -> None:
    owner = new_id()
    early, late = await run(instance, owner), await run(instance, owner)
    cursor = (await page(instance, owner))["pageInfo"]["endCursor"]
    async with instance.store.unit_of_work() as slow:
        await slow.execute(text("UPDATE instances SET progress = 0.5 WHERE id = :id"), {"id": late})
        await change(instance, early)  # a later transaction that commits first
        shown = await page(instance, owner, cursor)
        assert ids(shown) == [], "it comes after what still runs"
        cursor = shown["pageInfo"]["endCursor"]
    assert ids(await page(instance, owner, cursor)) == [to_global_id("Instance", each) for each in (late, early)]


async def test_who_follows_misses_no_last_state(instance: Client) -> None:
    """Property: changes of many transactions at once, read from cursor to cursor, end in each one's newest version."""
    owner, rng = new_id(), random.Random(7)
    made = [await run(instance, owner) for _ in range(6)]
    newest: dict[str, int] = {}
    done = False

    async def changer(seed: int) -> None:
        mine = random.Random(seed)
        for _ in range(15):
            async with instance.store.unit_of_work() as session:
                which = {"id": mine.choice(made)}
                await session.execute(text("UPDATE instances SET progress = random() WHERE id = :id"), which)
                await asyncio.sleep(mine.random() * 0.01)

    async def reader() -> None:
        cursor = None
        while True:
            last = done
            found = await page(instance, owner, cursor, first=rng.choice([1, 2, 50]))
            for edge in found["edges"]:
                assert edge["node"]["version"] > newest.get(edge["node"]["id"], 0)
                newest[edge["node"]["id"]] = edge["node"]["version"]
            cursor = found["pageInfo"]["endCursor"]
            if last and not found["edges"]:
                return

    reading = asyncio.create_task(reader())
    await asyncio.gather(*map(changer, range(3)))
    done = True
    await asyncio.wait_for(reading, 30)
    async with instance.store.read() as session:
        rows = await session.execute(text("SELECT id, version FROM instances WHERE owner_id = :o"), {"o": owner})
        assert newest == {to_global_id("Instance", row[0]): row[1] for row in rows}


@pytest.mark.parametrize("cursor", ["x", "W10", "é", "WyIxIiwgIngiXQ", "a" * 500])
async def test_cursors_that_were_never_given_out_are_refused(instance: Client, cursor: str) -> None:
    error = await instance.fail(CHANGES, {"after": cursor}, account_id=new_id())
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_it_is_for_those_who_may_read_instances(instance: Client) -> None:
    assert (await instance.fail(CHANGES))["extensions"]["code"] == "UNAUTHENTICATED"
    refused = await instance.fail(CHANGES, account_id=new_id(), scopes=["account:read"])
    assert refused["extensions"]["code"] == "FORBIDDEN"
