"""Who sees what of an account, and how many queries it takes."""

from typing import Any

import pytest

from shared_schema.ids import new_id, to_global_id
from tests.subgraphs.conftest import Client
from tests.subgraphs.test_identity_mutations import CREATE_KEY, login, register, verify

ME = """{ me { id displayName email role createdAt
  apiKeys { totalCount nodes { name prefix scopes } } sessions { totalCount nodes { isCurrent userAgent } } } }"""

OTHER = new_id()
MATRIX: list[tuple[str, dict[str, Any], bool]] = [
    ("anonymous", {}, False),
    ("itself", {"account_id": "itself"}, True),
    ("its key without the scope", {"account_id": "itself", "scopes": ["instances:read"]}, False),
    ("another", {"account_id": OTHER}, False),
    ("admin", {"account_id": OTHER, "role": "admin"}, True),
    ("admin's key without the scope", {"account_id": OTHER, "role": "admin", "scopes": []}, False),
]


async def test_me(identity: Client) -> None:
    assert await identity.ask(ME) == {"me": None}
    account_id, email = await register(identity, "Ada")
    await identity.ask(CREATE_KEY, {"input": {"name": "ci"}}, account_id=account_id)
    token = (await login(identity, email))["token"]
    await login(identity, email)
    session_id = (await verify(identity, token))["session_id"]
    me = (await identity.ask(ME, account_id=account_id, session_id=session_id))["me"]
    assert me["id"] == to_global_id("Account", account_id)
    assert (me["displayName"], me["email"], me["role"]) == ("Ada", email, "USER")
    assert [key["name"] for key in me["apiKeys"]["nodes"]] == ["ci"]
    # The oldest is the one that made the key.
    assert [each["isCurrent"] for each in me["sessions"]["nodes"]] == [False, True, False]


@pytest.mark.parametrize(("name", "who", "sees"), MATRIX)
async def test_what_is_private_is_for_the_account_and_admins(
    identity: Client, name: str, who: dict[str, Any], sees: bool
) -> None:
    account_id, email = await register(identity, "Ada")
    who = {**who, "account_id": account_id} if who.get("account_id") == "itself" else who
    (row,) = await identity.entities("Account", [account_id], "{ displayName email role }", **who)
    assert row == {"displayName": "Ada", "email": email if sees else None, "role": "USER" if sees else None}
    representation = {"__typename": "Account", "id": to_global_id("Account", account_id)}
    for field in ("apiKeys", "sessions"):
        query = f"""query ($r: [_Any!]!) {{ _entities(representations: $r) {{
          ... on Account {{ displayName {field} {{ totalCount }} }} }} }}"""
        body = (await identity.post(query, {"r": [representation]}, **who)).json()
        if sees:
            assert body == {"data": {"_entities": [{"displayName": "Ada", field: {"totalCount": 0}}]}}
        else:
            assert body["data"] == {"_entities": [{"displayName": "Ada", field: None}]}
            assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_entities_keep_their_order_and_unknown_ones_are_null(identity: Client) -> None:
    ids = [(await register(identity, f"N{number}"))[0] for number in range(4)]
    with identity.counting() as statements:
        rows = await identity.entities("Account", [ids[2], new_id(), ids[0], ids[2], ids[3]], "{ displayName }")
    assert [row and row["displayName"] for row in rows] == ["N2", None, "N0", "N2", "N3"]
    assert len(statements) == 2  # accounts, and service accounts for those that are none
    bad = [{"__typename": "Account", "id": bad} for bad in ("nonsense", to_global_id("Agent", ids[0]), 5)]
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Account { displayName } } }"
    assert await identity.ask(query, {"r": bad}) == {"_entities": [None, None, None]}


async def test_lists_of_many_accounts_take_as_many_queries_as_of_one(identity: Client) -> None:
    ids = [(await register(identity))[0] for _ in range(5)]
    admin = {"account_id": OTHER, "role": "admin"}
    selection = "{ displayName apiKeys { totalCount nodes { name } } sessions { totalCount nodes { id } } }"
    counts = []
    for some in (ids[:1], ids):
        with identity.counting() as statements:
            rows = await identity.entities("Account", some, selection, **admin)
        assert all(row is not None for row in rows)
        counts.append(len(statements))
    assert counts == [5, 5]
