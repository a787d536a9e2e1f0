"""Schedules over HTTP: made, seen, changed, paused, resumed and deleted by whose they are."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared_schema.ids import from_global_id, new_id, to_global_id
from tests.subgraphs.conftest import Client, add_agent, add_template
from tests.subgraphs.test_instance import made

FIELDS = """id name cron timeZone missed overlap nextFiringAt isPaused lastError version parameters upcoming(first: 3)
  agent { id } template { id } owner { id } instances { totalCount }"""
ERRORS = "... on Error { message } ... on ValidationError { fields { path } }"


def mutation(name: str, arguments: str, passed: str) -> str:
    success = name[0].upper() + name[1:] + "Success"
    return f"""mutation ({arguments}) {{ answer: {name}({passed}) {{ __typename
      ... on {success} {{ schedule {{ {FIELDS} }} }} {ERRORS} }} }}"""


CREATE = mutation("createSchedule", "$input: CreateScheduleInput!", "input: $input")
UPDATE = mutation("updateSchedule", "$id: ID!, $input: UpdateScheduleInput!", "id: $id, input: $input")
PAUSE, RESUME, DELETE = (mutation(f"{verb}Schedule", "$id: ID!", "id: $id") for verb in ("pause", "resume", "delete"))


async def do(client: Client, text: str, owner: UUID, **variables: Any) -> Any:
    return (await client.ask(text, variables, account_id=owner))["answer"]


async def scheduled(client: Client, owner: UUID, **given: Any) -> Any:
    if not given.keys() & {"agentId", "templateId", "agentSlug", "templateSlug", "instanceId"}:
        template = await add_template(client, await add_agent(client))
        given["templateId"] = to_global_id("Template", template.id)
    return await do(client, CREATE, owner, input={"cron": "0 6 * * *", **given})


async def test_a_schedule_of_a_template_says_when_it_fires(instance: Client) -> None:
    owner = new_id()
    answer = await scheduled(instance, owner, timeZone="Europe/Berlin", missed="SKIP", parameters={"top": 5})
    row = answer["schedule"]
    assert (row["cron"], row["timeZone"], row["missed"], row["isPaused"]) == (
        "0 6 * * *",
        "Europe/Berlin",
        "SKIP",
        False,
    )
    assert row["overlap"] == "SKIP"
    assert row["parameters"] == {"texts": ["good"], "top": 5}
    assert row["owner"] == {"id": to_global_id("Account", owner)}
    moments = [datetime.fromisoformat(each) for each in row["upcoming"]]
    assert len(moments) == 3
    assert moments[0] == datetime.fromisoformat(row["nextFiringAt"]) > datetime.now(UTC)
    assert moments == sorted(set(moments))


async def test_a_schedule_takes_slugs_as_an_instance_does(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    template = await add_template(instance, agent)
    row = (await scheduled(instance, owner, agentSlug=agent.slug, parameters={"texts": ["a"]}))["schedule"]
    assert (row["name"], row["parameters"]) == ("Sentiment", {"texts": ["a"]})
    row = (await scheduled(instance, owner, templateSlug=template.slug))["schedule"]
    assert (row["name"], row["parameters"]) == ("Reviews", {"texts": ["good"], "top": 3})
    unknown = await scheduled(instance, owner, templateSlug="there-is-none")
    assert unknown["__typename"] == "NotFoundError"
    given = {"cron": "@daily", "agentSlug": agent.slug, "templateSlug": template.slug}
    both = await do(instance, CREATE.replace("{ path }", "{ path message }"), owner, input=given)
    assert both["fields"] == [
        {
            "path": ["agentSlug"],
            "message": "Give exactly one of `agentId`, `templateId`, `agentSlug`, `templateSlug` or `instanceId`: "
            "`agentSlug` and `templateSlug` are given.",
        }
    ]


async def test_a_schedule_of_an_instance_has_its_inputs(instance: Client) -> None:
    owner = new_id()
    instance_id = to_global_id("Instance", await made(instance, owner))
    answer = await scheduled(instance, owner, instanceId=instance_id)
    assert answer["schedule"]["parameters"] == {"texts": ["a"]}
    assert (await scheduled(instance, new_id(), instanceId=instance_id))["__typename"] == "NotFoundError"
    refused = await scheduled(instance, owner, instanceId=instance_id, parameters={"texts": ["b"]})
    assert refused["fields"] == [{"path": ["instanceId"]}]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"cron": "every day"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"parameters": {"top": 50}}, "parameters"),
        ({"name": "x" * 121}, "name"),
    ],
)
async def test_what_is_wrong_is_named(instance: Client, given: dict[str, Any], path: str) -> None:
    answer = await scheduled(instance, new_id(), **given)
    assert answer["__typename"] == "ValidationError"
    assert answer["fields"][0]["path"][0] == path


async def test_pause_resume_change_delete(instance: Client) -> None:
    owner = new_id()
    row = (await scheduled(instance, owner))["schedule"]
    paused = (await do(instance, PAUSE, owner, id=row["id"]))["schedule"]
    assert (paused["isPaused"], paused["nextFiringAt"], paused["upcoming"]) == (True, None, [])
    changed = (await do(instance, UPDATE, owner, id=row["id"], input={"cron": "*/5 * * * *", "name": "N"}))["schedule"]
    assert (changed["name"], changed["cron"], changed["nextFiringAt"]) == ("N", "*/5 * * * *", None)
    assert changed["overlap"] == "SKIP"
    allowed = (await do(instance, UPDATE, owner, id=row["id"], input={"overlap": "ALLOW"}))["schedule"]
    assert (allowed["overlap"], allowed["cron"], allowed["missed"]) == ("ALLOW", "*/5 * * * *", row["missed"])
    resumed = (await do(instance, RESUME, owner, id=row["id"]))["schedule"]
    assert (resumed["isPaused"], resumed["upcoming"][0]) == (False, resumed["nextFiringAt"])
    assert datetime.fromisoformat(resumed["nextFiringAt"]).minute % 5 == 0
    wrong = await do(instance, UPDATE, owner, id=row["id"], input={"cron": "x"})
    assert wrong["fields"] == [{"path": ["cron"]}]
    assert (await do(instance, DELETE, owner, id=row["id"]))["schedule"]["id"] == row["id"]
    assert (await do(instance, DELETE, owner, id=row["id"]))["__typename"] == "NotFoundError"
    listed = await instance.ask("{ schedules { totalCount nodes { id } } }", account_id=owner)
    assert listed["schedules"] == {"totalCount": 0, "nodes": []}


async def test_schedules_are_their_owners(instance: Client) -> None:
    owner = new_id()
    row = (await scheduled(instance, owner))["schedule"]
    for text in (PAUSE, RESUME, DELETE):
        assert (await do(instance, text, new_id(), id=row["id"]))["__typename"] == "NotFoundError"
    one = "query ($id: ID!) { schedule(id: $id) { id } }"
    assert (await instance.ask(one, {"id": row["id"]}, account_id=new_id()))["schedule"] is None
    assert (await instance.ask(one, {"id": row["id"]}, account_id=new_id(), role="admin"))["schedule"] is not None
    error = await instance.fail("{ schedules { nodes { id } } }")
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    error = await instance.fail("{ schedules { nodes { id } } }", account_id=owner, scopes=["account:read"])
    assert error["extensions"]["code"] == "FORBIDDEN"
    refused = await instance.ask(PAUSE, {"id": row["id"]}, account_id=owner, scopes=["instances:read"])
    assert refused["answer"]["__typename"] == "ForbiddenError"
    entity = await instance.entities("Schedule", [from_global_id("Schedule", row["id"])], "{ name }", account_id=owner)
    assert entity == [{"name": "Reviews"}]


async def test_an_account_has_so_many(instance: Client) -> None:
    owner, template = new_id(), await add_template(instance, await add_agent(instance))
    given = {"templateId": to_global_id("Template", template.id)}
    for _ in range(50):
        assert (await scheduled(instance, owner, **given))["__typename"] == "CreateScheduleSuccess"
    answer = await scheduled(instance, owner, **given)
    assert (answer["__typename"], "50 schedules" in answer["message"]) == ("ConflictError", True)
