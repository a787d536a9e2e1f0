"""Every cell of docs/security/access-matrix.md, tried: each root field and entity of the graph × each kind of caller.

The rows are those of the subgraphs' SDL: a field or an entity without a row fails, and so does a row without a field.
The cells are written by hand. `yes`: the caller gets past authorisation (a success, or a refusal of what was sent);
`no`: a refusal, null, or an empty list. Callers come with the claims that identity gives for their credentials.
"""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLSchema,
    build_schema,
    get_named_type,
    parse,
)
from graphql.language import FieldDefinitionNode, ObjectTypeDefinitionNode

from botberi.parts.subgraphs import NAMES, sdl_file
from shared_schema.ids import new_id, to_global_id
from shared_schema.models import (
    Account,
    AccountSession,
    Agent,
    ApiKey,
    ExternalIdentity,
    Instance,
    Passkey,
    Schedule,
    ServiceAccount,
    Template,
    Workspace,
    WorkspaceMember,
)
from shared_schema.states import PublicationStatus, Role, WorkspaceRole
from subgraphs.identity import credentials, scopes
from tests.platform.running import ROOT
from tests.subgraphs.conftest import SCHEMA, Client
from tests.subgraphs.test_hostile_input import operation, sample
from tests.subgraphs.test_schema import FEDERATION
from tests.support.identity import identity_client, verify

pytestmark = pytest.mark.postgres

PAGE = ROOT / "docs" / "security" / "access-matrix.md"
COLUMNS = (
    *("anonymous", "owner", "member", "viewer", "other account", "curator", "admin"),
    *("key account:read", "key instances:read", "key instances:write", "key catalog:write", "suspended"),
)
ROOTS = ("Query", "Mutation", "Subscription")
DENIED = {"FORBIDDEN", "UNAUTHENTICATED", "NOT_FOUND"}
REFUSED = {"ForbiddenError", "NotFoundError", "UnauthenticatedError", "ProofNeededError"}
FOR_WHOM = ("unless it is your own", "for itself and admins", "the account itself and admins")
HASH = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"


@cache
def definitions() -> dict[str, tuple[str, FieldDefinitionNode | None]]:
    """Every root field, entity, and field that says for whom it is -> its subgraph, and the field's definition."""
    rows: dict[str, tuple[str, FieldDefinitionNode | None]] = {}
    for name in NAMES:
        for definition in parse(sdl_file(name).read_text()).definitions:
            if not isinstance(definition, ObjectTypeDefinitionNode):
                continue
            kind = definition.name.value
            for each in definition.fields or ():
                text = each.description.value if each.description else ""
                if kind in ROOTS or any(words in text for words in FOR_WHOM):
                    rows[f"{kind}.{each.name.value}"] = name, each
            keys = [directive for directive in definition.directives or () if directive.name.value == "key"]
            if any("resolvable" not in {argument.name.value for argument in key.arguments} for key in keys):
                rows[f"entity {kind} of {name}"] = name, None
    return rows


def table() -> dict[str, dict[str, str]]:
    """The page's rows: column -> cell."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(cells[0][1:], row[1:], strict=True)) for row in cells[2:]}


class World:
    """A workspace with its members, what belongs to it, and the callers of the columns."""

    def __init__(self) -> None:
        self.accounts = {
            name: new_id() for name in ("owner", "member", "viewer", "other account", "curator", "admin", "suspended")
        }
        self.sessions = {name: new_id() for name in self.accounts}
        self.tokens = {name: credentials.new_session_token() for name in self.accounts}
        self.workspace, self.service, self.key = new_id(), new_id(), new_id()
        self.agent, self.draft, self.template, self.draft_template = new_id(), new_id(), new_id(), new_id()
        self.instance, self.schedule, self.passkey, self.external = new_id(), new_id(), new_id(), new_id()

    async def write(self, identity: Client, shared: Client) -> None:
        """Put all of it into both databases."""
        now = datetime.now(UTC)
        async with identity.store.unit_of_work() as session:
            for name, account_id in self.accounts.items():
                role = Role(name) if name in ("curator", "admin") else Role.USER
                email = f"{account_id.hex}@example.com"
                account = Account(
                    id=account_id, email=email, display_name="Ada", password_hash=HASH, role=role, email_verified_at=now
                )
                if name == "suspended":
                    account.disabled_at = now
                session.add(account)
            session.add(Workspace(id=self.workspace, name="Team"))
            await session.flush()
            for name in ("owner", "member", "viewer"):
                values = {"workspace_id": self.workspace, "account_id": self.accounts[name]}
                session.add(WorkspaceMember(**values, role=WorkspaceRole(name)))
            session.add(
                ServiceAccount(id=self.service, workspace_id=self.workspace, name="ci", role=WorkspaceRole.MEMBER)
            )
            for name, session_id in self.sessions.items():
                session.add(
                    AccountSession(
                        id=session_id,
                        account_id=self.accounts[name],
                        token_hash=credentials.digest(self.tokens[name]),
                        expires_at=now + timedelta(days=1),
                    )
                )
            hashed = credentials.digest(f"secret of {self.key}")
            owner = self.accounts["owner"]
            session.add(ApiKey(id=self.key, account_id=owner, name="k", prefix="bb_dev_x", secret_hash=hashed))
            passkey = {"credential_id": self.passkey.bytes, "public_key": b"k"}
            session.add(Passkey(id=self.passkey, account_id=owner, name="phone", **passkey))
            person = {"issuer": "https://id.example", "subject": str(self.external)}
            session.add(ExternalIdentity(id=self.external, account_id=owner, **person))
        publisher = self.accounts["curator"]
        common: dict[str, Any] = {"publisher_id": publisher, "name": "N"}
        async with shared.store.unit_of_work() as session:
            for agent_id, status in ((self.agent, "PUBLISHED"), (self.draft, "DRAFT")):
                session.add(
                    Agent(
                        id=agent_id,
                        slug=f"a-{agent_id.hex}",
                        workflow="w",
                        parameters_schema=SCHEMA,
                        status=PublicationStatus(status),
                        **common,
                    )
                )
            await session.flush()
            for template_id, status in ((self.template, "PUBLISHED"), (self.draft_template, "DRAFT")):
                session.add(
                    Template(
                        id=template_id,
                        slug=f"t-{template_id.hex}",
                        agent_id=self.agent,
                        parameters={"texts": ["a"]},
                        status=PublicationStatus(status),
                        **common,
                    )
                )
            values: dict[str, Any] = {
                "owner_id": self.accounts["member"],
                "workspace_id": self.workspace,
                "agent_id": self.agent,
                "name": "N",
                "parameters": {"texts": ["a"]},
            }
            session.add(Instance(id=self.instance, **values))
            session.add(Schedule(id=self.schedule, cron="@daily", next_fire_at=now + timedelta(days=1), **values))

    def who(self, column: str) -> dict[str, Any]:
        """The claims of a column's caller."""
        if column in ("anonymous", "suspended"):
            return {}
        name, _, scope = column.removeprefix("key ").partition(" ") if column.startswith("key ") else (column, "", "")
        if column.startswith("key "):
            scope = name
            # Keys of the owner; one that may write the catalog has to be a curator's.
            name = "curator" if scope == "catalog:write" else "owner"
        role = name if name in ("curator", "admin") else "user"
        memberships = {str(self.accounts[name]): "owner"}
        if name in ("owner", "member", "viewer"):
            memberships[str(self.workspace)] = name
        return {
            "account_id": self.accounts[name],
            "role": role,
            "scopes": [scope] if scope else sorted(scopes.session_scopes(Role(role))),
            "session_id": new_id() if scope else self.sessions[name],
            "cred": "API_KEY" if scope else "SESSION",
            "workspaces": memberships,
        }

    def id(self, kind: str) -> str:
        """The global id of the world's object of a kind."""
        rows = {
            "Account": self.accounts["owner"],
            "Workspace": self.workspace,
            "ServiceAccount": self.service,
            "ApiKey": self.key,
            "Session": self.sessions["owner"],
            "Agent": self.agent,
            "Template": self.template,
            "Instance": self.instance,
            "Schedule": self.schedule,
            "Passkey": self.passkey,
            "ExternalIdentity": self.external,
        }
        return to_global_id(kind, rows[kind])


def runs(w: World) -> dict[str, Any]:
    return {"agentId": w.id("Agent"), "parameters": {"texts": ["a"]}, "workspaceId": w.id("Workspace")}


#: Arguments that name the world's objects; what is missing here is a plain value of its type.
ARGUMENTS: dict[str, Callable[[World], dict[str, Any]]] = {
    "renameWorkspace": lambda w: {"id": w.id("Workspace")},
    "deleteWorkspace": lambda w: {"id": w.id("Workspace")},
    "setWorkspaceMember": lambda w: {
        "input": {"workspaceId": w.id("Workspace"), "accountId": to_global_id("Account", w.accounts["admin"])}
    },
    "removeWorkspaceMember": lambda w: {
        "workspaceId": w.id("Workspace"),
        "accountId": to_global_id("Account", w.accounts["viewer"]),
    },
    "createServiceAccount": lambda w: {"input": {"workspaceId": w.id("Workspace"), "role": "MEMBER"}},
    "deleteServiceAccount": lambda w: {"id": w.id("ServiceAccount")},
    "createServiceKey": lambda w: {"input": {"serviceAccountId": w.id("ServiceAccount"), "expiresAt": None}},
    "createApiKey": lambda w: {
        "input": {"scopes": None, "expiresAt": None, "workspaceId": None, "allowedNetworks": []}
    },
    "rotateApiKey": lambda w: {"input": {"id": w.id("ApiKey"), "expiresAt": None}},
    "revokeApiKey": lambda w: {"id": w.id("ApiKey")},
    "revokeSession": lambda w: {"id": w.id("Session")},
    "revokeSessions": lambda w: {"keepCurrent": True},
    "suspendAccount": lambda w: {"input": {"accountId": w.id("Account")}},
    "reinstateAccount": lambda w: {"id": w.id("Account")},
    "endAccountSessions": lambda w: {"id": w.id("Account")},
    "setAccountRole": lambda w: {"input": {"accountId": w.id("Account")}},
    "proveIdentity": lambda w: {"input": {"password": "a wrong password", "code": None, "passkey": None}},
    "renamePasskey": lambda w: {"input": {"id": w.id("Passkey")}},
    "removePasskey": lambda w: {"id": w.id("Passkey")},
    "unlinkProvider": lambda w: {"id": w.id("ExternalIdentity")},
    "createTemplate": lambda w: {"input": {"agentId": w.id("Agent"), "parameters": {"texts": ["a"]}}},
    "updateAgent": lambda w: {"id": w.id("Agent"), "expectedVersion": None},
    "publishAgent": lambda w: {"id": w.id("Agent"), "expectedVersion": None},
    "retireAgent": lambda w: {"id": w.id("Agent"), "expectedVersion": None},
    "updateTemplate": lambda w: {"id": w.id("Template"), "expectedVersion": None},
    "publishTemplate": lambda w: {"id": w.id("Template"), "expectedVersion": None},
    "retireTemplate": lambda w: {"id": w.id("Template"), "expectedVersion": None},
    "createInstance": lambda w: {"input": {"name": None, "idempotencyKey": None, **runs(w)}},
    "createSchedule": lambda w: {
        "input": {"cron": "@daily", "timeZone": "UTC", "name": None, "instanceId": None, **runs(w)}
    },
    **{
        name: lambda w: {"id": w.id("Schedule")}
        for name in ("updateSchedule", "pauseSchedule", "resumeSchedule", "deleteSchedule")
    },
    **{
        name: lambda w: {"id": w.id("Instance")}
        for name in ("rerunInstance", "retryInstance", "cancelInstance", "deleteInstance")
    },
    "workspace": lambda w: {"id": w.id("Workspace")},
    "instances": lambda w: {"workspaceId": w.id("Workspace")},
    "instanceChanges": lambda w: {"workspaceId": w.id("Workspace")},
    "schedules": lambda w: {"workspaceId": w.id("Workspace")},
    "instance": lambda w: {"id": w.id("Instance")},
    "schedule": lambda w: {"id": w.id("Schedule")},
    # Drafts: what is published is everybody's.
    "agent": lambda w: {"slug": f"a-{w.draft.hex}"},
    "template": lambda w: {"slug": f"t-{w.draft_template.hex}"},
    "agents": lambda w: {"filter": {"status": "DRAFT"}},
    "templates": lambda w: {"filter": {"status": "DRAFT"}},
}
#: What the gateway asks a subgraph for a subscription's first state and for each event (`@eventSource`).
FED_BY = {
    "instanceUpdated": "instance",
    "instancesUpdated": "instanceChanges of one's own",
    "workspaceInstancesUpdated": "instanceChanges",
    "instanceLogs": "instance",
}
#: What anybody may send: a refusal is about what was sent, a wrong password say.
PUBLIC = {"login", "completeLogin", "loginWithPasskey", "beginProviderLogin", "finishProviderLogin", "providers"}
#: Of an entity, a field that every caller who sees it at all may read.
ENTITY_FIELDS = {"Account of identity": "displayName", "Account of instance": "instances { totalCount }"}


def merged(plain: Any, given: Any) -> Any:
    """A plain value with what is given put over it, inputs member by member."""
    if isinstance(plain, dict) and isinstance(given, dict):
        return {**plain, **{name: merged(plain.get(name), value) for name, value in given.items()}}
    return given


def arguments(name: str, field: GraphQLField, world: World) -> dict[str, Any]:
    pages = {"first", "after", "last", "before", "filter", "search", "workspaceId"}
    plain = {each: sample(one.type) for each, one in field.args.items() if each not in pages}
    given = ARGUMENTS.get(name, lambda _: {})(world)
    merged_values: dict[str, Any] = merged(plain, given)
    return merged_values


def is_let_in(answer: Any, name: str) -> bool:
    """True if an answer is past authorisation."""
    codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
    assert "GRAPHQL_VALIDATION_FAILED" not in codes, answer
    assert "INTERNAL_SERVER_ERROR" not in codes, answer
    if codes & DENIED:
        return False
    if answer.get("data") is None:
        return bool(codes)
    value = answer["data"][name]
    if name in PUBLIC:
        return value is not None
    if isinstance(value, list):
        return bool([each for each in value if each is not None])
    if isinstance(value, dict) and "nodes" in value:
        return bool(value["nodes"])
    return value is not None and not (isinstance(value, dict) and value.get("__typename") in REFUSED)


class Matrix:
    """Sends a cell's operation."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self.clients = clients
        self.schemas: dict[str, GraphQLSchema] = {
            name: build_schema(FEDERATION + sdl_file(name).read_text()) for name in NAMES
        }

    async def world(self) -> World:
        world = World()
        await world.write(self.clients["identity"], self.clients["instance"])
        return world

    async def cell(self, row: str, column: str, world: World) -> bool:
        if column == "suspended":
            # Its session opens nothing: the gateway answers 401 before it asks any subgraph.
            assert await verify(self.clients["identity"], world.tokens["suspended"]) == 404
            return False
        subgraph = definitions()[row][0]
        client, who = self.clients[subgraph], world.who(column)
        kind, _, name = row.partition(".")
        if row.startswith("entity "):
            return await self._entity(client, row.removeprefix("entity "), world, who)
        if kind not in ROOTS:
            return await self._field(client, kind, name, world, who)
        schema = self.schemas[subgraph]
        if kind == "Subscription":
            kind, name = "Query", FED_BY[name]
        own = name.endswith(" of one's own")
        name = name.removesuffix(" of one's own")
        root = schema.get_type(kind)
        field = root.fields[name]  # type: ignore[union-attr]
        text = operation(kind.lower(), name, field, schema)
        if get_named_type(field.type).name.endswith("Connection"):
            text = text.replace(
                "{ __typename }", "{ __typename nodes { __typename } }" if not own else "{ __typename }"
            )
        values = {} if own else arguments(name, field, world)
        return is_let_in((await client.post(text, values, **who)).json(), name)

    async def _field(self, client: Client, kind: str, name: str, world: World, who: dict[str, Any]) -> bool:
        schema = self.schemas[client.name]
        definition = schema.get_type(kind).fields[name]  # type: ignore[union-attr]
        selection = "{ __typename }" if hasattr(get_named_type(definition.type), "fields") else ""
        representations = [{"__typename": kind, "id": world.id(kind)}]
        text = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {{ {name} {selection} }} }} }}"
        answer = (await client.post(text, {"r": representations}, **who)).json()
        if answer.get("errors"):
            return is_let_in(answer, "_entities")
        return answer["data"]["_entities"][0][name] is not None

    async def _entity(self, client: Client, entity: str, world: World, who: dict[str, Any]) -> bool:
        kind = entity.partition(" ")[0]
        field = ENTITY_FIELDS.get(entity, "id")
        ids = {"Agent": to_global_id("Agent", world.draft), "Template": to_global_id("Template", world.draft_template)}
        representations = [{"__typename": kind, "id": ids.get(kind) or world.id(kind)}]
        text = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {{ {field} }} }} }}"
        return is_let_in((await client.post(text, {"r": representations}, **who)).json(), "_entities")


@pytest.fixture
async def matrix(user_database_url: str, catalog: Client, instance: Client) -> AsyncIterator[Matrix]:
    generous: dict[str, Any] = {
        "public_url": "http://localhost:8080",
        "credentials_per_hour": 100_000,
        "sign_in_attempts": 1000,
        "sign_in_attempts_per_account": 10_000,
    }
    async with identity_client(user_database_url, **generous) as identity:
        yield Matrix({"identity": identity, "catalog": catalog, "instance": instance})


def test_each_field_and_entity_of_the_graph_has_a_row_and_each_row_a_field() -> None:
    rows = table()
    assert set(rows) == set(definitions())
    assert all(tuple(cells) == COLUMNS and set(cells.values()) <= {"yes", "no"} for cells in rows.values())


@pytest.mark.timeout(300)
async def test_every_cell_is_what_the_platform_does(matrix: Matrix) -> None:
    rows = table()
    world, wrong = await matrix.world(), []
    for row, cells in rows.items():
        if row in ("Account.suspendedAt", "Account.suspensionReason", "Account.closesAt"):
            await leave(matrix, world)
        for column, cell in cells.items():
            found = "yes" if await matrix.cell(row, column, world) else "no"
            if found != cell:
                wrong.append((row, column, cell, found))
            if found == "yes" and row.startswith("Mutation."):
                world = await matrix.world()
    assert wrong == []


async def leave(matrix: Matrix, world: World) -> None:
    """Have the world's owner suspended and about to close the account, so that there is something to see."""
    async with matrix.clients["identity"].store.unit_of_work() as session:
        account = await session.get_one(Account, world.accounts["owner"])
        account.disabled_at = account.closes_at = datetime.now(UTC)
        account.disabled_reason = "A reason."
