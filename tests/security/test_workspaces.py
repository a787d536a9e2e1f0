"""Workspaces: who may change one, what a service account may do, and what is left to a member who was removed."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from shared_schema.contracts.assertion import MAX_WORKSPACES
from shared_schema.ids import from_global_id, new_id, to_global_id
from tests.subgraphs.conftest import Client
from tests.support.identity import audit_entries, identity_client, login, register, verify

pytestmark = pytest.mark.postgres

CREATE = "mutation ($name: String!) { answer: createWorkspace(name: $name) { %s } }"
RENAME = 'mutation ($id: ID!) { answer: renameWorkspace(id: $id, name: "N") { %s } }'
DELETE = "mutation ($id: ID!) { answer: deleteWorkspace(id: $id) { __typename } }"
SET = "mutation ($input: SetWorkspaceMemberInput!) { answer: setWorkspaceMember(input: $input) { %s } }"
REMOVE = """mutation ($workspace: ID!, $account: ID!) {
  answer: removeWorkspaceMember(workspaceId: $workspace, accountId: $account) { __typename } }"""
SERVICE = """mutation ($input: CreateServiceAccountInput!) { answer: createServiceAccount(input: $input) { __typename
  ... on ServiceAccountSuccess { serviceAccount { id name role } } } }"""
SERVICE_KEY = """mutation ($input: CreateServiceKeyInput!) { answer: createServiceKey(input: $input) { __typename
  ... on CreateServiceKeySuccess { secret apiKey { id scopes } } } }"""
END_SERVICE = "mutation ($id: ID!) { answer: deleteServiceAccount(id: $id) { __typename } }"
KEY = """mutation ($input: CreateApiKeyInput!) { answer: createApiKey(input: $input) { __typename
  ... on CreateApiKeySuccess { secret } } }"""
SHOWN = "__typename ... on WorkspaceSuccess { workspace { id name isPersonal members { role account { id } } } }"


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url) as client:
        yield client


class Person:
    """An account, and requests in its name with the memberships that identity says it has."""

    def __init__(self, client: Client, account_id: UUID, token: str) -> None:
        self.client, self.account_id, self.token = client, account_id, token

    @property
    def id(self) -> str:
        return to_global_id("Account", self.account_id)

    async def who(self) -> dict[str, Any]:
        said = await verify(self.client, self.token)
        return {"account_id": self.account_id, "workspaces": said["workspaces"]}

    async def send(self, mutation: str, **variables: Any) -> Any:
        document = mutation % SHOWN if "%s" in mutation else mutation
        return (await self.client.ask(document, variables, **await self.who()))["answer"]

    async def kind(self, mutation: str, **variables: Any) -> str:
        return str((await self.send(mutation, **variables))["__typename"])

    async def roles(self) -> dict[str, str]:
        workspaces: dict[str, str] = (await self.who())["workspaces"]
        return workspaces


async def person(client: Client) -> Person:
    account_id, email = await register(client)
    return Person(client, account_id, (await login(client, email))["token"])


async def shared(owner: Person, **others: Person) -> str:
    """A new workspace of an owner, with members by role."""
    made = (await owner.send(CREATE, name=" Team "))["workspace"]
    for role, other in others.items():
        given = {"workspaceId": made["id"], "accountId": other.id, "role": role.upper()}
        assert await owner.kind(SET, input=given) == "WorkspaceSuccess"
    return str(made["id"])


async def test_an_account_has_a_personal_workspace_from_its_first_moment(identity: Client) -> None:
    one = await person(identity)
    assert await one.roles() == {str(one.account_id): "owner"}
    said = await verify(identity, one.token)
    assert said["workspace"] == str(one.account_id)
    query = "{ workspaces { id name isPersonal myRole members { role account { id } } serviceAccounts { id } } }"
    [shown] = (await identity.ask(query, **await one.who()))["workspaces"]
    assert (shown["isPersonal"], shown["myRole"]) == (True, "OWNER")
    assert shown["members"] == [{"role": "OWNER", "account": {"id": one.id}}]


async def test_members_come_and_go(identity: Client) -> None:
    owner, other = await person(identity), await person(identity)
    workspace = await shared(owner, member=other)
    row_id = str(from_global_id("Workspace", workspace))
    assert (await owner.roles())[row_id] == "owner"
    assert (await other.roles())[row_id] == "member"
    promoted = {"workspaceId": workspace, "accountId": other.id, "role": "OWNER"}
    answer = await owner.send(SET, input=promoted)
    assert {member["role"] for member in answer["workspace"]["members"]} == {"OWNER"}
    assert await other.kind(REMOVE, workspace=workspace, account=owner.id) == "WorkspaceSuccess"
    assert row_id not in await owner.roles()
    assert [entry.action for entry in await audit_entries(identity, from_global_id("Workspace", workspace))] == [
        *("workspace.create", "workspace.set_member", "workspace.set_member", "workspace.remove_member")
    ]


async def test_who_is_no_owner_changes_nothing(identity: Client) -> None:
    owner, member, viewer, other = [await person(identity) for _ in range(4)]
    workspace = await shared(owner, member=member, viewer=viewer)
    add = {"workspaceId": workspace, "accountId": other.id, "role": "MEMBER"}
    service = {"workspaceId": workspace, "name": "ci"}
    refused = {member: "ForbiddenError", viewer: "ForbiddenError", other: "NotFoundError"}
    for who, answer in refused.items():
        assert await who.kind(RENAME, id=workspace) == answer
        assert await who.kind(DELETE, id=workspace) == answer
        assert await who.kind(SET, input=add) == answer
        assert await who.kind(SERVICE, input=service) == answer
        if who is not viewer:
            assert await who.kind(REMOVE, workspace=workspace, account=viewer.id) == answer
    assert set(await owner.roles()) == {str(owner.account_id), str(from_global_id("Workspace", workspace))}
    # By what the database says at this moment, whatever the assertion says.
    await owner.kind(REMOVE, workspace=workspace, account=member.id)
    forged = {"account_id": member.account_id, "workspaces": {str(from_global_id("Workspace", workspace)): "owner"}}
    answer = (await identity.ask(RENAME % "__typename", {"id": workspace}, **forged))["answer"]
    assert answer["__typename"] == "NotFoundError"


async def test_a_member_leaves_and_the_last_owner_stays(identity: Client) -> None:
    owner, member = await person(identity), await person(identity)
    workspace = await shared(owner, member=member)
    assert await member.kind(REMOVE, workspace=workspace, account=member.id) == "WorkspaceSuccess"
    assert await owner.kind(REMOVE, workspace=workspace, account=owner.id) == "ConflictError"
    demoted = {"workspaceId": workspace, "accountId": owner.id, "role": "VIEWER"}
    assert await owner.kind(SET, input=demoted) == "ConflictError"


async def test_a_personal_workspace_is_not_shared_left_or_deleted(identity: Client) -> None:
    one, other = await person(identity), await person(identity)
    personal = to_global_id("Workspace", one.account_id)
    given = {"workspaceId": personal, "accountId": other.id, "role": "MEMBER"}
    assert await one.kind(SET, input=given) == "ConflictError"
    assert await one.kind(REMOVE, workspace=personal, account=one.id) == "ConflictError"
    assert await one.kind(DELETE, id=personal) == "ConflictError"


async def test_a_deleted_workspace_is_nobodys(identity: Client) -> None:
    owner, member = await person(identity), await person(identity)
    workspace = await shared(owner, member=member)
    made = await owner.send(SERVICE, input={"workspaceId": workspace, "name": "ci"})
    key = await owner.send(SERVICE_KEY, input={"serviceAccountId": made["serviceAccount"]["id"], "name": "k"})
    assert await owner.kind(DELETE, id=workspace) == "DeleteWorkspaceSuccess"
    assert set(await owner.roles()) == {str(owner.account_id)}
    assert set(await member.roles()) == {str(member.account_id)}
    assert await verify(identity, key["secret"]) == 404


async def test_a_service_account_acts_for_its_workspace_alone(identity: Client) -> None:
    owner = await person(identity)
    workspace = await shared(owner)
    for role, scopes in (("MEMBER", ["instances:read", "instances:write"]), ("VIEWER", ["instances:read"])):
        given = {"workspaceId": workspace, "name": "nightly", "role": role}
        made = (await owner.send(SERVICE, input=given))["serviceAccount"]
        key = await owner.send(SERVICE_KEY, input={"serviceAccountId": made["id"], "name": "k"})
        said = await verify(identity, key["secret"])
        row_id = str(from_global_id("Workspace", workspace))
        assert (said["workspaces"], said["workspace"]) == ({row_id: role.lower()}, row_id)
        assert (said["account_id"], said["role"]) == (str(from_global_id("ServiceAccount", made["id"])), "user")
        assert said["scopes"] == scopes
    [entity] = await identity.entities(
        "Account", [UUID(said["account_id"])], "{ displayName email }", account_id=new_id()
    )
    assert entity == {"displayName": "nightly", "email": None}
    assert await owner.kind(END_SERVICE, id=made["id"]) == "ServiceAccountSuccess"
    assert await verify(identity, key["secret"]) == 404
    owning = await owner.send(SERVICE, input={"workspaceId": workspace, "name": "x", "role": "OWNER"})
    assert owning["__typename"] == "ValidationError"


async def test_a_key_of_one_workspace_reaches_no_other_and_ends_with_the_membership(identity: Client) -> None:
    owner, member = await person(identity), await person(identity)
    workspace = await shared(owner, member=member)
    row_id = str(from_global_id("Workspace", workspace))
    everywhere = (await member.send(KEY, input={"name": "k"}))["secret"]
    bound = (await member.send(KEY, input={"name": "k", "workspaceId": workspace}))["secret"]
    assert set((await verify(identity, everywhere))["workspaces"]) == {row_id, str(member.account_id)}
    assert (await verify(identity, bound))["workspaces"] == {row_id: "member"}
    assert await owner.kind(KEY, input={"name": "k", "workspaceId": to_global_id("Workspace", new_id())}) == (
        "ValidationError"
    )
    await owner.kind(REMOVE, workspace=workspace, account=member.id)
    assert set((await verify(identity, everywhere))["workspaces"]) == {str(member.account_id)}
    assert await verify(identity, bound) == 404


async def test_only_members_and_admins_see_a_workspace(identity: Client) -> None:
    owner, viewer, other = [await person(identity) for _ in range(3)]
    workspace = await shared(owner, viewer=viewer)
    query = "query ($id: ID!) { workspace(id: $id) { id } }"
    seen = {"workspace": {"id": workspace}}
    for who, answer in ((owner, seen), (viewer, seen), (other, {"workspace": None})):
        assert await identity.ask(query, {"id": workspace}, **await who.who()) == answer
        [entity] = await identity.entities(
            "Workspace", [from_global_id("Workspace", workspace)], "{ id }", **await who.who()
        )
        assert entity == answer["workspace"]
    assert await identity.ask(query, {"id": workspace}, account_id=new_id(), role="admin") == seen
    assert await identity.ask(query, {"id": workspace}) == {"workspace": None}


async def test_memberships_are_so_many_that_an_assertion_holds_them(identity: Client) -> None:
    owner = await person(identity)
    kinds = [await owner.kind(CREATE, name="W") for _ in range(MAX_WORKSPACES)]
    assert kinds == ["WorkspaceSuccess"] * (MAX_WORKSPACES - 1) + ["ConflictError"]
    assert len(await owner.roles()) == MAX_WORKSPACES
