"""Running something once more: with the same key, with the same inputs, after a failure; and how often."""

from typing import Any
from uuid import UUID

import pytest

from shared_schema.ids import from_global_id, new_id, to_global_id
from shared_schema.models import Agent, Instance, Template
from shared_schema.states import InstanceStatus, PublicationStatus
from tests.subgraphs.conftest import Client, add_agent, add_template
from tests.subgraphs.test_instance import create, made, put

ERRORS = "... on Error { message }"
FIELDS = "id name status parameters maxAttempts timeoutSeconds rerunOf { id } retryOf { id } template { id }"
RERUN = f"""mutation ($id: ID!, $key: String) {{ rerunInstance(id: $id, idempotencyKey: $key) {{ __typename
  ... on RerunInstanceSuccess {{ instance {{ {FIELDS} }} }} {ERRORS} }} }}"""
RETRY = f"""mutation ($id: ID!) {{ retryInstance(id: $id) {{ __typename
  ... on RetryInstanceSuccess {{ instance {{ {FIELDS} }} }} {ERRORS} }} }}"""


async def again(client: Client, mutation: str, instance_id: UUID, owner: UUID, **variables: Any) -> Any:
    given = {"id": to_global_id("Instance", instance_id), **variables}
    (answer,) = (await client.ask(mutation, given, account_id=owner)).values()
    return answer


async def change(
    client: Client, model: type[Agent] | type[Template] | type[Instance], row_id: UUID, **values: Any
) -> None:
    async with client.store.unit_of_work() as session:
        row = await session.get_one(model, row_id)
        for name, value in values.items():
            setattr(row, name, value)


async def test_a_key_stands_for_the_request_and_outlives_its_template(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    template = await add_template(instance, agent)
    given = {"templateId": to_global_id("Template", template.id), "name": "N", "idempotencyKey": "k"}
    first = await create(instance, owner, **given)
    # What the template fills in is no part of what the client asked for, nor is whether it still could.
    await change(instance, Template, template.id, parameters={"texts": ["else"]}, status=PublicationStatus.RETIRED)
    assert (await create(instance, owner, **given))["instance"]["id"] == first["instance"]["id"]
    for other in ({"name": "M"}, {"parameters": {"top": 1}}):
        answer = await create(instance, owner, **{**given, **other})
        assert (answer["__typename"], "another request" in answer["message"]) == ("ConflictError", True)
    await put(instance, from_global_id("Instance", first["instance"]["id"]), "CANCELLED")
    await change(instance, Instance, from_global_id("Instance", first["instance"]["id"]), deleted_at=agent.created_at)
    assert "deleted" in (await create(instance, owner, **given))["message"]


async def test_a_rerun_has_the_same_inputs_and_says_of_what(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    template = await add_template(instance, agent, max_attempts=2, timeout_seconds=30)
    row = (await create(instance, owner, templateId=to_global_id("Template", template.id), name="First"))["instance"]
    first = from_global_id("Instance", row["id"])
    # A template that is retired by now gave its values long ago.
    await change(instance, Template, template.id, status=PublicationStatus.RETIRED)
    rerun = (await again(instance, RERUN, first, owner, key="r"))["instance"]
    assert rerun["id"] != row["id"]
    assert (rerun["name"], rerun["status"], rerun["parameters"]) == ("First", "PENDING", row["parameters"])
    assert (rerun["maxAttempts"], rerun["timeoutSeconds"]) == (2, 30)
    assert (rerun["rerunOf"], rerun["retryOf"]) == ({"id": row["id"]}, None)
    assert (await again(instance, RERUN, first, owner, key="r"))["instance"]["id"] == rerun["id"]
    other = await again(instance, RERUN, from_global_id("Instance", rerun["id"]), owner, key="r")
    assert other["__typename"] == "ConflictError"


async def test_a_failed_run_is_retried_once_at_a_time(instance: Client) -> None:
    owner = new_id()
    first = await made(instance, owner)
    assert "without a result" in (await again(instance, RETRY, first, owner))["message"]
    await put(instance, first, "RUNNING", "FAILED")
    retry = (await again(instance, RETRY, first, owner))["instance"]
    assert retry["retryOf"] == {"id": to_global_id("Instance", first)}
    assert (await again(instance, RETRY, first, owner))["instance"]["id"] == retry["id"]
    second = from_global_id("Instance", retry["id"])
    await put(instance, second, "CANCELLED")
    assert "retry that one" in (await again(instance, RETRY, first, owner))["message"]
    assert (await again(instance, RETRY, second, owner))["instance"]["retryOf"] == {"id": retry["id"]}


async def test_the_ending_of_what_is_retried_stays(instance: Client) -> None:
    owner = new_id()
    first = await made(instance, owner)
    await put(instance, first, "RUNNING", "TIMED_OUT")
    await again(instance, RETRY, first, owner)
    async with instance.store.read() as session:
        row = await session.get_one(Instance, first)
    assert row.status is InstanceStatus.TIMED_OUT


@pytest.mark.parametrize("mutation", [RERUN, RETRY], ids=["rerun", "retry"])
async def test_only_the_owner_repeats_and_only_what_still_fits(instance: Client, mutation: str) -> None:
    owner, agent = new_id(), await add_agent(instance)
    first = await made(instance, owner, agentId=to_global_id("Agent", agent.id))
    await put(instance, first, "RUNNING", "FAILED")
    other = await again(instance, mutation, first, new_id())
    assert other["__typename"] == "NotFoundError"
    await change(instance, Agent, agent.id, parameters_schema={"type": "object", "required": ["other"]})
    assert (await again(instance, mutation, first, owner))["__typename"] == "ValidationError"
    await change(instance, Agent, agent.id, status=PublicationStatus.RETIRED)
    assert "retired" in (await again(instance, mutation, first, owner))["message"]


@pytest.mark.parametrize("mutation", [RERUN, RETRY], ids=["rerun", "retry"])
async def test_what_is_repeated_counts_among_what_waits(instance: Client, mutation: str) -> None:
    owner = new_id()
    first = await made(instance, owner)
    await put(instance, first, "RUNNING", "FAILED")
    for _ in range(5):
        await made(instance, owner)
    answer = await again(instance, mutation, first, owner)
    assert (answer["__typename"], "5 instances" in answer["message"]) == ("ConflictError", True)


async def test_a_scope_is_needed(instance: Client) -> None:
    owner = new_id()
    first = await made(instance, owner)
    variables = {"id": to_global_id("Instance", first)}
    for mutation in (RERUN, RETRY):
        (answer,) = (await instance.ask(mutation, variables, account_id=owner, scopes=["instances:read"])).values()
        assert answer["__typename"] == "ForbiddenError"
        (answer,) = (await instance.ask(mutation, variables)).values()
        assert answer["__typename"] == "UnauthenticatedError"
