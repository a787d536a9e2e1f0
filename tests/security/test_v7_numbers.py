"""V7: numbers that grow where they are stored, and names that lose their order -> refused with the place, and kept."""

import json
from typing import Any

import pytest
import sqlalchemy

from shared_schema.ids import new_id, to_global_id
from shared_schema.json_text import (
    MAX_NUMBER_DIGITS,
    is_too_long,
    json_bytes,
    json_text,
    json_value,
    number_digits,
    unstorable,
    with_short_numbers,
)
from tests.subgraphs.conftest import Client, add_agent, catalog, instance, signer  # noqa: F401 - fixtures

OPEN = {"type": "object"}
CREATE_INSTANCE = """mutation ($i: CreateInstanceInput!) { createInstance(input: $i) {
    ... on CreateInstanceSuccess { instance { id parameters } } ... on Error { message }
    ... on ValidationError { fields { path message } } } }"""
CREATE_AGENT = """mutation ($i: CreateAgentInput!) { createAgent(input: $i) {
    ... on CreateAgentSuccess { agent { parametersSchema } } ... on Error { message } } }"""
CREATE_TEMPLATE = """mutation ($i: CreateTemplateInput!) { createTemplate(input: $i) {
    ... on CreateTemplateSuccess { template { parameters } } ... on Error { message } } }"""
CREATE_SCHEDULE = """mutation ($i: CreateScheduleInput!) { createSchedule(input: $i) {
    ... on CreateScheduleSuccess { schedule { parameters } } ... on Error { message } } }"""

LONG = {"1e308": 1e308, "1e40": 1e40, "-1e300": -1e300, "1e-300": 1e-300, "an integer": 10**40, "5e-324": 5e-324}
SHORT = {
    "an integer of 40 digits": 10**40 - 1,
    "negative": -(10**40 - 1),
    "1e39": 1e39,
    "a fraction": 0.1 + 0.2,
    "1e-20": 1e-20,
    "17 digits, and small": 1.2345678901234567e-23,
    "nothing": 0.0,
}
AUTHORED = {"summary": 1, "a": {"zz": 1, "b": 2, "aaa": 3}, "of": [{"y": 1, "x": 2}], "bb": "ü", "": None}


def test_digits_are_those_of_the_number_written_out() -> None:
    for number, digits in {0: 1, 7: 1, -12: 2, 0.125: 4, 1e3: 4, 12.5: 3, 1e22: 23, 1e-3: 4, 1.5e-5: 7}.items():
        assert number_digits(number) == digits, number


@pytest.mark.parametrize("number", LONG.values(), ids=LONG.keys())
def test_a_number_of_more_digits_is_refused_with_its_place(number: float) -> None:
    assert is_too_long(number)
    steps, reason = unstorable({"rows": [{}, {"price": number}]}) or ([], "")
    assert (steps, str(MAX_NUMBER_DIGITS) in reason) == (["rows", 1, "price"], True)


@pytest.mark.parametrize("number", SHORT.values(), ids=SHORT.keys())
def test_other_numbers_are_stored_as_they_are(number: float) -> None:
    assert unstorable([number]) is None
    assert json_value(json_text([number])) == [number]
    # No digit more comes back than went in, whatever a reader makes of it.
    assert json_bytes(number) <= MAX_NUMBER_DIGITS + 6


def test_what_a_program_computed_is_rounded_where_it_is_all_but_zero() -> None:
    rounded = with_short_numbers({"p": [1e-300, 1.5e-30, 0.5, 3], "large": 1e300})
    assert rounded == {"p": [0.0, 1.5e-30, 0.5, 3], "large": 1e300}
    assert unstorable(rounded["p"]) is None
    assert unstorable(rounded) is not None


MUTATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an instance's parameters": (CREATE_INSTANCE, {"parameters": {"rows": [0, "$"]}}, "rows[1]"),
    "an agent's schema": (
        CREATE_AGENT,
        {"slug": "s", "name": "n", "workflow": "w", "parametersSchema": {"type": "object", "maximum": "$"}},
        "maximum",
    ),
    "a template's parameters": (CREATE_TEMPLATE, {"slug": "s", "name": "n", "parameters": {"a": {"b": "$"}}}, "a.b"),
    "a schedule's parameters": (CREATE_SCHEDULE, {"cron": "@daily", "parameters": {"a": ["$"]}}, "a[0]"),
}


def filled(value: Any, number: float) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, number) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, number) for each in value]
    return number if value == "$" else value


@pytest.mark.postgres
@pytest.mark.parametrize(("mutation", "given", "place"), MUTATIONS.values(), ids=MUTATIONS.keys())
async def test_every_mutation_that_stores_json_refuses_it(
    instance: Client,  # noqa: F811
    catalog: Client,  # noqa: F811
    mutation: str,
    given: dict[str, Any],
    place: str,
) -> None:
    agent = await add_agent(catalog, parameters_schema=OPEN)
    client = catalog if mutation in (CREATE_AGENT, CREATE_TEMPLATE) else instance
    asked = filled(given, 1e308)
    if mutation != CREATE_AGENT:
        asked["agentId"] = to_global_id("Agent", agent.id)
    error = await client.fail(mutation, {"i": asked}, account_id=new_id(), role="admin")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"`{place}`: a number has more than 40 digits" in error["message"]


@pytest.mark.postgres
async def test_the_limit_is_of_what_is_stored_and_what_comes_back_is_no_larger(
    instance: Client,  # noqa: F811
    catalog: Client,  # noqa: F811
) -> None:
    agent = await add_agent(catalog, parameters_schema=OPEN)
    owner = new_id()
    most = 1_000_000
    for numbers, fits in ((most // 6 - 10, True), (most // 5, False)):
        asked = {"agentId": to_global_id("Agent", agent.id), "parameters": {"n": [1e39] * numbers}}
        answer = (await instance.ask(CREATE_INSTANCE, {"i": asked}, account_id=owner))["createInstance"]
        if not fits:
            assert "at most 1,000,000 are allowed" in answer["fields"][0]["message"]
            continue
        stored = sqlalchemy.text("SELECT octet_length(parameters) FROM instances WHERE owner_id = :owner")
        async with instance.store.read() as session:
            assert (await session.execute(stored, {"owner": owner})).scalar_one() <= most
        assert len(json.dumps(answer["instance"]["parameters"], separators=(",", ":"))) <= most


@pytest.mark.postgres
async def test_names_keep_their_authors_order_everywhere(
    instance: Client,  # noqa: F811
    catalog: Client,  # noqa: F811
) -> None:
    admin = new_id()
    schema = {
        "type": "object",
        "properties": AUTHORED | {"a": {"zz": {}, "b": {}}, "of": {}, "bb": {}, "": {}, "summary": {}},
    }
    asked = {"slug": f"s-{admin.hex[-8:]}", "name": "n", "workflow": "w", "parametersSchema": schema}
    made = (await catalog.ask(CREATE_AGENT, {"i": asked}, account_id=admin, role="admin"))["createAgent"]
    assert json.dumps(made["agent"]["parametersSchema"]) == json.dumps(schema)
    agent = await add_agent(catalog, parameters_schema=OPEN)
    agent_id = to_global_id("Agent", agent.id)
    asked = {"slug": f"t-{admin.hex[-8:]}", "name": "n", "agentId": agent_id, "parameters": AUTHORED}
    made = (await catalog.ask(CREATE_TEMPLATE, {"i": asked}, account_id=admin, role="admin"))["createTemplate"]
    assert json.dumps(made["template"]["parameters"]) == json.dumps(AUTHORED)
    wanted = {"agentId": agent_id, "parameters": AUTHORED}
    made = (await instance.ask(CREATE_INSTANCE, {"i": wanted}, account_id=admin))["createInstance"]
    assert json.dumps(made["instance"]["parameters"]) == json.dumps(AUTHORED)
    query = "query ($id: ID!) { instance(id: $id) { parameters } }"
    read = await instance.ask(query, {"id": made["instance"]["id"]}, account_id=admin)
    assert json.dumps(read["instance"]["parameters"]) == json.dumps(AUTHORED)
    made = (await instance.ask(CREATE_SCHEDULE, {"i": wanted | {"cron": "@daily"}}, account_id=admin))["createSchedule"]
    assert json.dumps(made["schedule"]["parameters"]) == json.dumps(AUTHORED)


@pytest.mark.postgres
async def test_a_page_of_large_documents_is_refused_before_it_is_read(
    instance: Client,  # noqa: F811
    catalog: Client,  # noqa: F811
) -> None:
    agent = await add_agent(catalog, parameters_schema=OPEN)
    owner = new_id()
    insert = sqlalchemy.text(
        "INSERT INTO instances (id, owner_id, agent_id, name, parameters)"
        """ SELECT gen_random_uuid(), :owner, :agent, 'large', '{"a":"' || repeat('x', 900000) || '"}'"""
        " FROM generate_series(1, 20)"
    )
    async with instance.store.unit_of_work() as session:
        await session.execute(insert, {"owner": owner, "agent": agent.id})
    query = "query ($n: Int!) { instances(first: $n) { nodes { id parameters } } }"
    error = await instance.fail(query, {"n": 20}, account_id=owner)
    assert error["extensions"]["code"] == "RESPONSE_TOO_LARGE"
    assert "Ask for fewer instances" in error["message"]
    assert len((await instance.ask(query, {"n": 5}, account_id=owner))["instances"]["nodes"]) == 5
