"""What belongs to a workspace: each role's rights, by the services' checks and, with those gone, by the database's."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from botberi.postgres import EmbeddedPostgres
from shared_schema import roles
from shared_schema.ids import from_global_id, new_id, to_global_id
from shared_schema.migrate import upgrade
from shared_schema.models import Agent
from shared_schema.states import PublicationStatus
from subgraphs.catalog.app import create_app as create_catalog
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.caller import Caller
from subgraphs.instance.app import create_app as create_instance
from subgraphs.instance.settings import InstanceSettings
from tests.subgraphs.conftest import Client, add_agent
from tests.support.assertions import Signer

pytestmark = pytest.mark.postgres

CREATE = """mutation ($input: CreateInstanceInput!) { answer: createInstance(input: $input) { __typename
  ... on CreateInstanceSuccess { instance { id workspace { id } owner { id } } } } }"""
SCHEDULE = """mutation ($input: CreateScheduleInput!) { answer: createSchedule(input: $input) { __typename
  ... on CreateScheduleSuccess { schedule { id workspace { id } } } } }"""
CHANGES = {
    "Instance": [
        "cancelInstance(id: $id)",
        "deleteInstance(id: $id)",
        "rerunInstance(id: $id)",
        "retryInstance(id: $id)",
    ],
    "Schedule": [
        'updateSchedule(id: $id, input: {name: "n"})',
        "pauseSchedule(id: $id)",
        "resumeSchedule(id: $id)",
        "deleteSchedule(id: $id)",
    ],
}
SEEN = """query ($id: ID!, $workspace: ID!) {
  instance(id: $id) { id name parameters logs { nodes { message } } artifacts { name } }
  instances(workspaceId: $workspace) { nodes { id } }
  instanceChanges(workspaceId: $workspace) { nodes { id } } }"""


class Team:
    """A workspace with one account of each role, and requests in their names."""

    def __init__(self) -> None:
        self.workspace = new_id()
        self.accounts = {name: new_id() for name in ("owner", "member", "viewer", "other")}

    @property
    def id(self) -> str:
        return to_global_id("Workspace", self.workspace)

    def who(self, name: str, **changes: Any) -> dict[str, Any]:
        account = self.accounts[name]
        roles = {str(account): "owner"}
        if name != "other":
            roles[str(self.workspace)] = name
        return {"account_id": account, "workspaces": roles, **changes}


@pytest.fixture
def team() -> Team:
    return Team()


async def run(client: Client, team: Team, name: str, agent: Agent) -> Any:
    given = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}, "workspaceId": team.id}
    return (await client.ask(CREATE, {"input": given}, **team.who(name)))["answer"]


async def schedule(client: Client, team: Team, name: str, agent: Agent) -> Any:
    given = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}, "workspaceId": team.id}
    given |= {"cron": "@daily", "timeZone": "UTC"}
    return (await client.ask(SCHEDULE, {"input": given}, **team.who(name)))["answer"]


async def test_owners_and_members_make_runs_for_the_workspace(instance: Client, team: Team) -> None:
    agent = await add_agent(instance)
    for name in ("owner", "member"):
        made = (await run(instance, team, name, agent))["instance"]
        assert made["workspace"]["id"] == team.id
        assert made["owner"]["id"] == to_global_id("Account", team.accounts[name])
        assert (await schedule(instance, team, name, agent))["schedule"]["workspace"]["id"] == team.id
    for make in (run, schedule):
        assert (await make(instance, team, "viewer", agent))["__typename"] == "ForbiddenError"
        assert (await make(instance, team, "other", agent))["__typename"] == "ForbiddenError"


async def test_a_run_without_a_named_workspace_is_in_the_personal_one(instance: Client, team: Team) -> None:
    agent = await add_agent(instance)
    given = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}}
    made = (await instance.ask(CREATE, {"input": given}, **team.who("member")))["answer"]["instance"]
    assert made["workspace"]["id"] == to_global_id("Workspace", team.accounts["member"])
    listed = await instance.ask("{ instances { nodes { id } } }", **team.who("member"))
    assert [node["id"] for node in listed["instances"]["nodes"]] == [made["id"]]


async def test_members_share_what_is_in_the_workspace(instance: Client, team: Team) -> None:
    agent = await add_agent(instance)
    made = (await run(instance, team, "member", agent))["instance"]["id"]
    variables = {"id": made, "workspace": team.id}
    for name in ("owner", "member", "viewer"):
        seen = await instance.ask(SEEN, variables, **team.who(name))
        assert seen["instance"]["id"] == made
        assert [node["id"] for node in seen["instances"]["nodes"]] == [made]
        assert [node["id"] for node in seen["instanceChanges"]["nodes"]] == [made]
    answer = (await instance.post(SEEN, variables, **team.who("other"))).json()
    assert answer["data"] == {"instance": None, "instances": None, "instanceChanges": None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"FORBIDDEN"}
    [entity] = await instance.entities("Instance", [from_global_id("Instance", made)], "{ id }", **team.who("other"))
    assert entity is None


@pytest.mark.parametrize("kind", ["Instance", "Schedule"])
async def test_viewers_change_nothing_and_for_others_there_is_nothing(instance: Client, team: Team, kind: str) -> None:
    agent = await add_agent(instance)
    make = run if kind == "Instance" else schedule
    made = (await make(instance, team, "member", agent))[kind.lower()]["id"]
    for change in CHANGES[kind]:
        document = f"mutation ($id: ID!) {{ answer: {change} {{ __typename ... on Error {{ message }} }} }}"
        for name, expected in (("viewer", "ForbiddenError"), ("other", "NotFoundError")):
            answer = (await instance.ask(document, {"id": made}, **team.who(name)))["answer"]
            assert answer["__typename"] == expected, (change, name)
        # Not even an admin changes what is another's.
        admin = (await instance.ask(document, {"id": made}, **team.who("other", role="admin")))["answer"]
        assert admin["__typename"] == "NotFoundError"
        unknown = to_global_id(kind, new_id())
        nothing = (await instance.ask(document, {"id": unknown}, **team.who("other")))["answer"]
        assert nothing == (await instance.ask(document, {"id": made}, **team.who("other")))["answer"]


async def test_another_member_cancels_what_a_member_began(instance: Client, team: Team) -> None:
    agent = await add_agent(instance)
    made = (await run(instance, team, "member", agent))["instance"]["id"]
    document = "mutation ($id: ID!) { answer: cancelInstance(id: $id) { __typename } }"
    answer = (await instance.ask(document, {"id": made}, **team.who("owner")))["answer"]
    assert answer["__typename"] == "CancelInstanceSuccess"


async def test_who_was_removed_loses_what_they_made_there(instance: Client, team: Team) -> None:
    agent = await add_agent(instance)
    made = (await run(instance, team, "member", agent))["instance"]["id"]
    gone = {"account_id": team.accounts["member"]}
    assert await instance.ask("query ($id: ID!) { instance(id: $id) { id } }", {"id": made}, **gone) == {
        "instance": None
    }
    document = "mutation ($id: ID!) { answer: cancelInstance(id: $id) { __typename } }"
    assert (await instance.ask(document, {"id": made}, **gone))["answer"]["__typename"] == "NotFoundError"


async def test_a_row_stays_in_its_workspace(instance: Client, team: Team, shared_database_url: str) -> None:
    agent = await add_agent(instance)
    made = (await run(instance, team, "member", agent))["instance"]["id"]
    with psycopg.connect(shared_database_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "UPDATE instances SET workspace_id = %s WHERE id = %s", (new_id(), from_global_id("Instance", made))
        )


# -- the second wall ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server as `botberi up` makes it: the services' roles with their rights and policies."""
    with tempfile.TemporaryDirectory(prefix="botberi-rows-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "state", 0, durable=False) as server:
            upgrade("shared_psql", server.url("shared_psql"))
            yield server


@pytest.fixture
async def guarded(server: EmbeddedPostgres) -> AsyncIterator[Client]:
    """The instance subgraph in its own role."""
    signer = Signer()
    settings = InstanceSettings(shared_database_url=server.role_url(roles.INSTANCE, "shared_psql"))
    async with Client(create_instance(settings, jwks=signer.jwks()), "instance", signer) as client:
        yield client


@pytest.fixture
def without_the_first_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services let every caller see and change everything."""
    monkeypatch.setattr(Caller, "reads_in", lambda *_: True)
    monkeypatch.setattr(Caller, "writes_in", lambda *_: True)
    monkeypatch.setattr("subgraphs.instance.service.visible", lambda _, row: row)
    monkeypatch.setattr("subgraphs.instance.queries.visible", lambda _, row: row)
    monkeypatch.setattr("subgraphs.instance.types.visible", lambda _, row: row)
    monkeypatch.setattr("subgraphs.instance.queries.visible_schedule", lambda _, row: row)
    monkeypatch.setattr("subgraphs.instance.service.writable", lambda _, row, *__: row)
    monkeypatch.setattr("subgraphs.instance.making.writable", lambda _, row, *__: row)
    monkeypatch.setattr("subgraphs.instance.scheduling.writable", lambda _, row, *__: row)


def published(server: EmbeddedPostgres, status: str = "PUBLISHED", workspace: UUID | None = None) -> Agent:
    """An agent in the catalog, as its owner wrote it."""
    agent = Agent(id=new_id(), status=PublicationStatus(status), publisher_id=workspace or new_id())
    with psycopg.connect(server.url("shared_psql")) as owner:
        owner.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id, status) VALUES (%s, %s, 'A', 'w', %s, %s)",
            (agent.id, f"a-{agent.id.hex}", agent.publisher_id, status),
        )
    return agent


@pytest.mark.usefixtures("without_the_first_wall")
async def test_the_database_alone_keeps_others_out(guarded: Client, server: EmbeddedPostgres, team: Team) -> None:
    agent = published(server)
    made = (await run(guarded, team, "member", agent))["instance"]["id"]
    plan = (await schedule(guarded, team, "member", agent))["schedule"]["id"]
    variables = {"id": made, "workspace": team.id}
    seen = await guarded.ask(SEEN, variables, **team.who("viewer"))
    assert seen["instance"]["id"] == made
    nothing = {"instance": None, "instances": {"nodes": []}, "instanceChanges": {"nodes": []}}
    assert await guarded.ask(SEEN, variables, **team.who("other")) == nothing
    [entity] = await guarded.entities("Instance", [from_global_id("Instance", made)], "{ id }", **team.who("other"))
    assert entity is None
    shown = await guarded.ask("query ($id: ID!) { schedule(id: $id) { id } }", {"id": plan}, **team.who("other"))
    assert shown == {"schedule": None}
    document = "mutation ($id: ID!) { answer: cancelInstance(id: $id) { __typename } }"
    answer = (await guarded.post(document, {"id": made}, **team.who("other"))).json()
    assert answer.get("data") is None or "Success" not in answer["data"]["answer"]["__typename"]
    with psycopg.connect(server.url("shared_psql")) as owner:
        status = owner.execute("SELECT status FROM instances WHERE id = %s", (from_global_id("Instance", made),))
        assert status.fetchone() == ("PENDING",)
    assert (await guarded.ask(document, {"id": made}, **team.who("member")))["answer"]["__typename"] == (
        "CancelInstanceSuccess"
    )


@pytest.mark.usefixtures("without_the_first_wall")
async def test_the_database_alone_keeps_writes_into_other_workspaces_out(
    guarded: Client, server: EmbeddedPostgres, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = published(server)
    monkeypatch.setattr("subgraphs.instance.service.writable_workspace", lambda _, named: named)
    answer = await guarded.post(
        CREATE,
        {
            "input": {
                "agentId": to_global_id("Agent", agent.id),
                "parameters": {"texts": ["a"]},
                "workspaceId": team.id,
            }
        },
        **team.who("other"),
    )
    assert "errors" in answer.json()
    with psycopg.connect(server.url("shared_psql")) as owner:
        count = owner.execute("SELECT count(*) FROM instances WHERE workspace_id = %s", (team.workspace,))
        assert count.fetchone() == (0,)


@pytest.mark.parametrize("table", ["instances", "schedules", "instance_logs", "instance_history", "instance_artifacts"])
def test_a_transaction_that_names_no_workspace_sees_no_row(server: EmbeddedPostgres, table: str) -> None:
    with psycopg.connect(server.role_url(roles.INSTANCE, "shared_psql")) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # type: ignore[call-overload]
        with pytest.raises(InsufficientPrivilege):
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")  # type: ignore[call-overload]


async def test_drafts_are_the_workspaces_by_the_database_alone(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = new_id(), new_id()
    draft = published(server, "DRAFT", mine)
    monkeypatch.setattr("subgraphs.catalog.queries.visible", lambda _, row, *__: row)
    signer = Signer()
    settings = CatalogSettings(shared_database_url=server.role_url(roles.CATALOG, "shared_psql"))
    query = "query ($slug: String!) { agent(slug: $slug) { id } }"
    variables = {"slug": f"a-{draft.id.hex}"}
    async with Client(create_catalog(settings, jwks=signer.jwks()), "catalog", signer) as catalog:
        assert (await catalog.ask(query, variables, account_id=mine))["agent"] is not None
        assert (await catalog.ask(query, variables, account_id=other))["agent"] is None
        assert (await catalog.ask(query, variables))["agent"] is None
        assert (await catalog.ask(query, variables, account_id=other, role="curator"))["agent"] is not None


async def test_the_catalogs_own_role_writes_changes_with_their_entry_of_the_audit_log(server: EmbeddedPostgres) -> None:
    signer = Signer()
    settings = CatalogSettings(shared_database_url=server.role_url(roles.CATALOG, "shared_psql"))
    mutation = "mutation ($input: CreateAgentInput!) { createAgent(input: $input) { __typename } }"
    given = {"slug": "by-its-role", "name": "A", "workflow": "w", "parametersSchema": {"type": "object"}}
    async with Client(create_catalog(settings, jwks=signer.jwks()), "catalog", signer) as catalog:
        made = await catalog.ask(mutation, {"input": given}, account_id=new_id(), role="admin")
    assert made["createAgent"]["__typename"] == "CreateAgentSuccess"
    with psycopg.connect(server.url("shared_psql")) as owner:
        query = "SELECT count(*) FROM outbox WHERE data ->> 'action' = 'agent.create'"
        assert owner.execute(query).fetchone() == (1,)
