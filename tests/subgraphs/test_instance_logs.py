"""A run's log over HTTP: pages by level, and whose it is."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared_schema.ids import new_id, to_global_id
from shared_schema.models import Instance
from tests.subgraphs.conftest import Client, add_agent

LOGS = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $level: LogLevel) {
  instance(id: $id) { logs(first: $first, after: $after, last: $last, before: $before, level: $level) {
    totalCount nodes { sequence level message progress attempt loggedAt }
    edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def run_with_lines(client: Client, owner: UUID, levels: list[str]) -> UUID:
    """A running instance whose log has a line for its start and these."""
    agent = await add_agent(client)
    instance = Instance(owner_id=owner, agent_id=agent.id, name="Run")
    async with client.store.unit_of_work() as session:
        session.add(instance)
        await session.flush()
        at = {"id": instance.id, "levels": levels}
        await session.execute(
            text("UPDATE instances SET status = 'RUNNING', attempt = 1, log_sequence = :n WHERE id = :id"),
            {"id": instance.id, "n": len(levels)},
        )
        await session.execute(
            text(
                "INSERT INTO instance_logs (instance_id, sequence, attempt, level, message)"
                " SELECT :id, place, 1, level, 'line ' || place"
                " FROM unnest(CAST(:levels AS text[])) WITH ORDINALITY AS line(level, place)"
            ),
            at,
        )
    return instance.id


async def page(client: Client, instance_id: UUID, owner: UUID, **arguments: Any) -> Any:
    data = await client.ask(LOGS, {"id": to_global_id("Instance", instance_id), **arguments}, account_id=owner)
    return data["instance"]["logs"]


async def test_a_log_is_read_forwards_and_backwards(instance: Client) -> None:
    owner = new_id()
    instance_id = await run_with_lines(instance, owner, ["INFO"] * 6)
    first = await page(instance, instance_id, owner, first=4)
    assert [line["sequence"] for line in first["nodes"]] == [1, 2, 3, 4]
    assert first["totalCount"] == 7
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    rest = await page(instance, instance_id, owner, first=4, after=first["pageInfo"]["endCursor"])
    assert [line["message"] for line in rest["nodes"]] == ["line 5", "line 6", "Attempt 1 began."]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    newest = await page(instance, instance_id, owner, last=2)
    assert [line["sequence"] for line in newest["nodes"]] == [6, 7]
    assert newest["pageInfo"]["hasPreviousPage"]
    before = await page(instance, instance_id, owner, last=2, before=newest["pageInfo"]["startCursor"])
    assert [line["sequence"] for line in before["nodes"]] == [4, 5]
    assert before["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("level", "sequences"), [("DEBUG", [1, 2, 3, 4, 5]), ("INFO", [2, 3, 4, 5]), ("WARNING", [3, 4]), ("ERROR", [4])]
)
async def test_a_level_shows_what_matters_as_much_or_more(instance: Client, level: str, sequences: list[int]) -> None:
    owner = new_id()
    instance_id = await run_with_lines(instance, owner, ["DEBUG", "INFO", "WARNING", "ERROR"])
    shown = await page(instance, instance_id, owner, level=level)
    assert [line["sequence"] for line in shown["nodes"]] == sequences
    assert shown["totalCount"] == len(sequences)


@pytest.mark.parametrize("arguments", [{"after": "x"}, {"after": "-1"}, {"after": "9" * 30}, {"first": 101}])
async def test_wrong_places_are_refused(instance: Client, arguments: dict[str, Any]) -> None:
    owner = new_id()
    instance_id = await run_with_lines(instance, owner, ["INFO"])
    variables = {"id": to_global_id("Instance", instance_id), **arguments}
    error = await instance.fail(LOGS, variables, account_id=owner)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_logs_of_many_instances_are_one_query(instance: Client) -> None:
    owner = new_id()
    for _ in range(3):
        await run_with_lines(instance, owner, ["INFO", "ERROR"])
    query = "{ instances { nodes { logs(first: 1) { totalCount nodes { message } } } } }"
    with instance.counting() as statements:
        data = await instance.ask(query, account_id=owner)
    found = [each["logs"] for each in data["instances"]["nodes"]]
    assert found == [{"totalCount": 3, "nodes": [{"message": "line 1"}]}] * 3
    assert sum("instance_logs" in statement for statement in statements) == 2


async def test_a_log_is_its_owners_and_admins(instance: Client) -> None:
    owner = new_id()
    instance_id = await run_with_lines(instance, owner, ["INFO"])
    variables = {"id": to_global_id("Instance", instance_id)}
    who: list[dict[str, Any]] = [{"account_id": new_id()}, {"account_id": owner, "scopes": ["account:read"]}]
    for each in who:
        assert (await instance.ask(LOGS, variables, **each))["instance"] is None
    shown = await instance.ask(LOGS, variables, account_id=new_id(), role="admin")
    assert shown["instance"]["logs"]["totalCount"] == 2
