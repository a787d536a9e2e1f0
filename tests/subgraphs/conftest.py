"""The three subgraphs over HTTP, on real Postgres, called with signed assertions."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from shared_schema.ids import new_id, to_global_id
from shared_schema.models import Account, AccountSession, Agent, Template
from shared_schema.states import PublicationStatus
from subgraphs.catalog.app import create_app as create_catalog
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common import work
from subgraphs.identity.app import create_app as create_identity
from subgraphs.identity.settings import IdentitySettings
from subgraphs.instance.app import create_app as create_instance
from subgraphs.instance.settings import InstanceSettings
from tests.support.asgi import Answer, AsgiClient
from tests.support.assertions import Signer


class Client(AsgiClient):
    """A subgraph, as the gateway sees it."""

    def __init__(self, app: Any, name: str, signer: Signer) -> None:
        super().__init__(app)
        self.name = name
        self.signer = signer

    @property
    def store(self) -> Any:
        """The subgraph's database."""
        return self.app.state.subgraph.store

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None, **who: Any
    ) -> Answer:
        """Send an operation as `who` (account_id, role, scopes, session_id)."""
        if "createApiKey" in query and "session_id" not in who and who.get("account_id"):
            # A key that may write needs a session that proved itself lately; most tests of keys name the account alone.
            who["session_id"] = await self._proved_session(who["account_id"])
        headers = [("content-type", "application/json")]
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers.append(("botberi-assertion", token or self.signer.token(self.name, request_body=body, **who)))
        return await self.request("POST", "/graphql", headers=headers, body=body)

    async def _proved_session(self, account_id: UUID) -> UUID | None:
        """A session of the account that signed in just now; None where there is no such account."""
        session_id = new_id()
        ends = datetime.now(UTC) + timedelta(days=1)
        async with self.store.unit_of_work() as session:
            if await session.get(Account, account_id) is None:
                return None
            hashed = hashlib.sha256(session_id.bytes).digest()
            session.add(AccountSession(id=session_id, account_id=account_id, token_hash=hashed, expires_at=ends))
        return session_id

    async def ask(self, query: str, variables: dict[str, Any] | None = None, **who: Any) -> Any:
        """The data of an operation that has no errors."""
        answer = (await self.post(query, variables, **who)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def fail(self, query: str, variables: dict[str, Any] | None = None, **who: Any) -> Any:
        """The first error of an operation that has some."""
        return (await self.post(query, variables, **who)).json()["errors"][0]

    async def entities(
        self, type_name: str, ids: list[UUID], selection: str, **who: Any
    ) -> list[dict[str, Any] | None]:
        """What the gateway asks of another subgraph's entities."""
        representations = [{"__typename": type_name, "id": to_global_id(type_name, each)} for each in ids]
        query = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {type_name} {selection} }} }}"
        data = await self.ask(query, {"r": representations}, **who)
        return data["_entities"]

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The statements that the subgraph sends meanwhile.

        A request that gives up its turn of the loop splits what its loaders ask for; so long as statements are counted
        a turn takes as long as it likes, that a slow machine counts no more than a quick one.
        """
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # What row-level security lets through is set where a connection had another caller before.
            if not statement.startswith("SELECT set_config("):
                statements.append(statement)

        engine = self.store.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(work, "TURN_SECONDS", 60.0)
                yield statements
        finally:
            event.remove(engine, "before_cursor_execute", note)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a Postgres server: those that use one of its databases."""
    for item in items:
        if {"user_database_url", "shared_database_url"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgres)


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


def identity_settings(url: str, **changes: Any) -> IdentitySettings:
    # One address signs in for all tests, so it may more often than anybody else.
    usual = {
        "password_memory_kib": 64,
        "sign_in_attempts_per_address": 10_000,
        "registrations_per_hour": 10_000,
        # Most tests need an account, not the mail that comes before it (test_identity_mails.py).
        "registration_confirmed": False,
        "identity_secret": "a secret of tests alone with 32 characters",
    }
    return IdentitySettings(user_database_url=url, **{**usual, **changes})


@pytest.fixture
async def identity(user_database_url: str, signer: Signer) -> AsyncIterator[Client]:
    app = create_identity(identity_settings(user_database_url), jwks=signer.jwks())
    async with Client(app, "identity", signer) as client:
        yield client


@pytest.fixture
async def catalog(shared_database_url: str, signer: Signer) -> AsyncIterator[Client]:
    settings = CatalogSettings(
        shared_database_url=shared_database_url,
        subgraph_max_body_bytes=1024 * 1024,
        subgraph_max_depth=15,
        subgraph_max_tokens=2000,
    )
    async with Client(create_catalog(settings, jwks=signer.jwks()), "catalog", signer) as client:
        yield client


@pytest.fixture
async def instance(shared_database_url: str, signer: Signer) -> AsyncIterator[Client]:
    settings = InstanceSettings(shared_database_url=shared_database_url, instances_active_per_account=5)
    async with Client(create_instance(settings, jwks=signer.jwks()), "instance", signer) as client:
        yield client


SCHEMA = {
    "type": "object",
    "properties": {
        "texts": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "top": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["texts"],
    "additionalProperties": False,
}


async def add_agent(client: Client, status: str = "PUBLISHED", **values: Any) -> Agent:
    """An agent in the database."""
    agent_id = new_id()
    defaults = {
        "id": agent_id,
        "slug": f"agent-{agent_id.hex[-12:]}",
        "name": "Sentiment",
        "workflow": "sentiment",
        "parameters_schema": SCHEMA,
        "publisher_id": new_id(),
        "status": PublicationStatus(status),
    }
    agent = Agent(**{**defaults, **values})
    async with client.store.unit_of_work() as session:
        session.add(agent)
    return agent


async def add_template(client: Client, agent: Agent, status: str = "PUBLISHED", **values: Any) -> Template:
    """A template in the database."""
    template_id = new_id()
    defaults = {
        "id": template_id,
        "slug": f"template-{template_id.hex[-12:]}",
        "name": "Reviews",
        "agent_id": agent.id,
        "parameters": {"texts": ["good"], "top": 3},
        "publisher_id": agent.publisher_id,
        "status": PublicationStatus(status),
    }
    template = Template(**{**defaults, **values})
    async with client.store.unit_of_work() as session:
        session.add(template)
    return template
