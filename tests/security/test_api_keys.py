"""API keys: refused early when they can't be good, bound to networks, rotated without a gap, ended at once."""

import random
import re
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from botberi.wiring import keys
from botberi.wiring.assertion import AssertionSigner
from botberi.wiring.auth import PlatformAuthenticator
from botberi.wiring.verifier import Verifier
from botberi_gateway.transport.client import Client as Origin
from botberi_gateway.transport.port import Credentials, Unauthenticated
from shared_schema.api_keys import KeyRefused, new_key, parse_key, shown
from shared_schema.ids import from_global_id, new_id
from shared_schema.models import ApiKey
from tests.security.test_audit_trail import until_entries
from tests.subgraphs.conftest import Client
from tests.support.identity import identity_client, register

ALPHABET = string.ascii_letters + string.digits
CREATE = """mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { __typename
  ... on CreateApiKeySuccess { secret apiKey { id prefix expiresAt allowedNetworks } } } }"""
ROTATE = """mutation ($input: RotateApiKeyInput!) { rotateApiKey(input: $input) { __typename
  ... on RotateApiKeySuccess { secret apiKey { id expiresAt rotatedAt previousSecretExpiresAt } }
  ... on ValidationError { fields { path } } } }"""
REVOKE = "mutation ($id: ID!) { revokeApiKey(id: $id) { __typename } }"


class Identity:
    """Counts questions, and knows every credential."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def post(self, path: str, body: Any, headers: Any) -> tuple[int, Any]:
        self.asked.append(body)
        return 200, {"account_id": str(new_id()), "role": "user", "scopes": [], "session_id": str(new_id())}

    async def get(self, path: str) -> tuple[int, Any]:
        raise AssertionError

    async def aclose(self) -> None: ...


@pytest.fixture
async def identity(user_database_url: str) -> AsyncIterator[Client]:
    async with identity_client(user_database_url) as client:
        yield client


async def made(client: Client, account_id: UUID, **given: Any) -> Any:
    return (await client.ask(CREATE, {"input": {"name": "ci", **given}}, account_id=account_id))["createApiKey"]


async def verify(client: Client, credential: str, address: str | None = None) -> Any:
    """What identity says of a key that comes from an address."""
    path = "/internal/verify"
    where = "null" if address is None else f'"{address}"'
    body = f'{{"credential": "{credential}", "kind": "bearer", "address": {where}}}'.encode()
    token = client.signer.token("identity", path=path, request_body=body, sub="gateway")
    headers = [("botberi-assertion", token), ("content-type", "application/json")]
    answer = await client.request("POST", path, headers=headers, body=body)
    return answer.json() if answer.status == 200 else answer.status


def test_a_key_names_its_environment_and_its_row() -> None:
    key_id = new_id()
    text = new_key("prod", key_id)
    assert re.fullmatch(r"bb_[a-z0-9]{1,12}_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}", text)
    assert parse_key(text, "prod").id == key_id
    assert text.startswith(shown("prod", key_id))
    assert "secret_hash" not in repr(parse_key(text, "prod"))


def test_every_wrong_character_and_every_swap_of_neighbours_is_seen() -> None:
    chance = random.Random(7)
    for _ in range(20):
        text = new_key("dev", new_id())
        for place in range(len("bb_dev_"), len(text)):
            wrong = chance.choice([c for c in ALPHABET if c != text[place]])
            swapped = text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]
            for changed in {text[:place] + wrong + text[place + 1 :], swapped} - {text}:
                with pytest.raises(KeyRefused):
                    parse_key(changed, "dev")


@pytest.mark.parametrize(
    "text",
    ["bb_", "bb_dev_", "bb_dev_x_y", "bb_dev_" + "é" * 72, "bb_DEV_" + "0" * 22 + "_" + "0" * 49, "bb_dev_" + "z" * 72],
    ids=range(6),
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        parse_key(text, "dev")


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        (new_key("dev", new_id())[:-1] + "-", "not an API key"),
        (new_key("dev", new_id())[:-1], "not an API key"),
        (new_key("prod", new_id()), "environment prod"),
    ],
    ids=["a character", "a part", "an environment"],
)
async def test_the_gateway_refuses_before_any_io(tmp_path: Path, credential: str, said: str) -> None:
    identity = Identity()
    authenticator = PlatformAuthenticator(Verifier(identity, AssertionSigner(keys.load_folder(tmp_path / "keys"))))
    with pytest.raises(Unauthenticated, match=said):
        await authenticator.authenticate(Credentials({"authorization": f"Bearer {credential}"}, {}))
    assert identity.asked == []


async def test_an_answer_about_a_key_is_believed_for_its_address_alone(tmp_path: Path) -> None:
    identity = Identity()
    authenticator = PlatformAuthenticator(Verifier(identity, AssertionSigner(keys.load_folder(tmp_path / "keys"))))
    key = new_key("dev", new_id())
    for address in ("192.0.2.1", "192.0.2.1", "198.51.100.1"):
        headers = {"authorization": f"Bearer {key}"}
        await authenticator.authenticate(Credentials(headers, {}, client=Origin(address)))
    assert [body["address"] for body in identity.asked] == ["192.0.2.1", "198.51.100.1"]


@pytest.mark.postgres
async def test_a_key_lives_90_days_unless_its_owner_says_otherwise(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = (await made(identity, account_id))["apiKey"]
    async with identity.store.read() as session:
        row = await session.get_one(ApiKey, from_global_id("ApiKey", key["id"]))
    assert row.expires_at is not None
    assert abs((row.expires_at - row.created_at).total_seconds() - 90 * 86400) < 60


@pytest.mark.postgres
async def test_a_key_is_good_from_its_networks_alone(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id, allowedNetworks=["2001:db8::/32", " 192.0.2.0/24", "192.0.2.0/24"])
    assert key["apiKey"]["allowedNetworks"] == ["192.0.2.0/24", "2001:db8::/32"]
    for address in ("192.0.2.77", "2001:db8:1::1"):
        assert (await verify(identity, key["secret"], address))["account_id"] == str(account_id)
    for elsewhere in ("198.51.100.1", "2001:db9::1", None):
        assert await verify(identity, key["secret"], elsewhere) == 404
    key_id = from_global_id("ApiKey", key["apiKey"]["id"])
    denied = [e for e in await until_entries(identity, "access.denied", 2) if e.object_id == key_id]
    assert {(e.detail["code"], e.ip_address and str(e.ip_address)) for e in denied} >= {
        ("ADDRESS_NOT_ALLOWED", "198.51.100.1")
    }


@pytest.mark.postgres
async def test_two_secrets_are_good_while_a_key_is_rotated(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id)
    given = {"id": key["apiKey"]["id"], "overlapSeconds": 3600}
    rotated = (await identity.ask(ROTATE, {"input": given}, account_id=account_id))["rotateApiKey"]
    assert rotated["secret"] != key["secret"]
    first, second = await verify(identity, key["secret"]), await verify(identity, rotated["secret"])
    assert first == second
    key_id = from_global_id("ApiKey", key["apiKey"]["id"])
    async with identity.store.unit_of_work() as session:
        ended = update(ApiKey).where(ApiKey.id == key_id)
        await session.execute(ended.values(previous_expires_at=ApiKey.created_at))
    assert await verify(identity, key["secret"]) == 404
    assert (await verify(identity, rotated["secret"])) == second
    # Once more, and the first secret is gone for good: there are two at most.
    again = (await identity.ask(ROTATE, {"input": given}, account_id=account_id))["rotateApiKey"]
    assert await verify(identity, key["secret"]) == 404
    assert await verify(identity, rotated["secret"]) == await verify(identity, again["secret"]) == second
    await identity.ask(REVOKE, {"id": key["apiKey"]["id"]}, account_id=account_id)
    assert await verify(identity, rotated["secret"]) == await verify(identity, again["secret"]) == 404


@pytest.mark.postgres
async def test_a_rotation_without_overlap_ends_the_secret_of_before(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id)
    given = {"id": key["apiKey"]["id"], "overlapSeconds": 0}
    rotated = (await identity.ask(ROTATE, {"input": given}, account_id=account_id))["rotateApiKey"]
    assert await verify(identity, key["secret"]) == 404
    assert (await verify(identity, rotated["secret"]))["account_id"] == str(account_id)


@pytest.mark.postgres
@pytest.mark.parametrize("overlap", [-1, 30 * 86400 + 1])
async def test_an_overlap_has_bounds(identity: Client, overlap: int) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id)
    given = {"id": key["apiKey"]["id"], "overlapSeconds": overlap}
    answer = (await identity.ask(ROTATE, {"input": given}, account_id=account_id))["rotateApiKey"]
    assert answer["fields"] == [{"path": ["overlapSeconds"]}]


@pytest.mark.postgres
async def test_only_its_owner_rotates_a_key(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id)
    given = {"id": key["apiKey"]["id"]}
    for who in ({"account_id": new_id()}, {"account_id": new_id(), "role": "admin"}):
        answer = (await identity.ask(ROTATE, {"input": given}, **who))["rotateApiKey"]
        assert answer["__typename"] == "NotFoundError"
    assert (await verify(identity, key["secret"]))["account_id"] == str(account_id)


@pytest.mark.postgres
async def test_the_database_holds_no_usable_key(identity: Client) -> None:
    account_id, _ = await register(identity)
    key = await made(identity, account_id)
    async with identity.store.read() as session:
        rows = (await session.execute(select(ApiKey.__table__))).all()
    dump = "".join(repr(tuple(row)) for row in rows)
    assert key["apiKey"]["prefix"] in dump
    assert key["secret"][-49:] not in dump
    assert key["secret"] not in dump
