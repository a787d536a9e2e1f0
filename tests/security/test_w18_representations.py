"""W18: a representation without its key -> an error in its place, in every subgraph, and no traceback in the log."""

import logging
from typing import Any

import pytest

from shared_schema.ids import new_id, to_global_id
from tests.subgraphs.conftest import Client, catalog, identity, instance, signer  # noqa: F401 - fixtures

ENTITIES = {
    "identity": ["Account"],
    "catalog": ["Agent", "Template"],
    "instance": ["Instance", "Schedule", "Account"],
}
KEYLESS: tuple[dict[str, Any], ...] = ({}, {"ID": "1"}, {"key": None}, {"self": 1, "info": 2, "cls": 3})
QUERY = "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }"


@pytest.mark.postgres
@pytest.mark.parametrize(("subgraph", "entity"), [(name, each) for name, all_ in ENTITIES.items() for each in all_])
async def test_a_representation_without_its_key_is_a_clear_error(
    subgraph: str,
    entity: str,
    identity: Client,  # noqa: F811
    catalog: Client,  # noqa: F811
    instance: Client,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = {"identity": identity, "catalog": catalog, "instance": instance}[subgraph]
    caplog.set_level(logging.INFO)
    for keyless in KEYLESS:
        answer = (await client.post(QUERY, {"r": [{"__typename": entity, **keyless}]}, account_id=new_id())).json()
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["message"] == f"A representation of {entity} has no id: that is its key."
        assert error["path"] == ["_entities", 0]
    assert "Traceback" not in caplog.text
    assert "Error" not in caplog.text


@pytest.mark.postgres
async def test_the_other_representations_are_answered(instance: Client) -> None:  # noqa: F811
    owner = new_id()
    account = {"__typename": "Account", "id": to_global_id("Account", owner)}
    answer = (await instance.post(QUERY, {"r": [account, {"__typename": "Instance"}]}, account_id=owner)).json()
    assert answer["data"] == {"_entities": [{"__typename": "Account"}, None]}
    assert [error["path"] for error in answer["errors"]] == [["_entities", 1]]


@pytest.mark.postgres
@pytest.mark.parametrize("more", [{"extra": 1}, {"info": None}, {"name": {"a": 1}}])
async def test_what_a_representation_holds_beside_its_key_is_no_matter(
    instance: Client,  # noqa: F811
    more: dict[str, Any],
) -> None:
    owner = new_id()
    account = {"__typename": "Account", "id": to_global_id("Account", owner), **more}
    answer = (await instance.post(QUERY, {"r": [account]}, account_id=owner)).json()
    assert answer == {"data": {"_entities": [{"__typename": "Account"}]}}
