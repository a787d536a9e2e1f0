"""Relay's pages: whatever the sizes and directions, walking a list shows each node once, in order."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.ids import new_id, to_global_id
from shared_schema.models import Agent
from subgraphs.catalog.repository import AGENT_ORDERS, CatalogOrder
from subgraphs.common.errors import BadInput
from tests.subgraphs.conftest import Client, add_agent, add_template

PAGE = """query ($first: Int, $after: String, $last: Int, $before: String,
   $order: CatalogOrder! = NEWEST, $f: AgentFilter) {
  agents(first: $first, after: $after, last: $last, before: $before, orderBy: $order, filter: $f) { totalCount
    edges { cursor node { id name } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

ORDERS = ["NEWEST", "OLDEST", "NAME", "NAME_DESCENDING"]
COUNT = 11


@pytest.fixture
async def tag(catalog: Client) -> str:
    """A tag that eleven agents carry; names repeat, so that only the id parts them."""
    tag = f"t-{new_id().hex[-12:]}"
    for number in range(COUNT):
        await add_agent(catalog, tags=[tag], name=f"Same {number % 3}")
    return tag


async def page(client: Client, tag: str, **arguments: Any) -> Any:
    data = await client.ask(PAGE, {**arguments, "f": {"tag": tag}})
    connection = data["agents"]
    edges, info = connection["edges"], connection["pageInfo"]
    assert [edge["node"]["id"] for edge in edges] == [node["id"] for node in connection["nodes"]]
    assert info["startCursor"] == (edges[0]["cursor"] if edges else None)
    assert info["endCursor"] == (edges[-1]["cursor"] if edges else None)
    assert connection["totalCount"] == COUNT
    return connection


def ids(connection: Any) -> list[str]:
    return [node["id"] for node in connection["nodes"]]


@pytest.mark.parametrize("order", ORDERS)
async def test_walking_both_ways_shows_each_node_once(catalog: Client, tag: str, order: str) -> None:
    everything = ids(await page(catalog, tag, first=100, order=order))
    assert len(set(everything)) == COUNT
    for size in (1, 2, 5, 10, 11, 12):
        forward: list[str] = []
        after, more = None, True
        while more:
            found = await page(catalog, tag, first=size, after=after, order=order)
            assert found["pageInfo"]["hasPreviousPage"] is (after is not None)
            forward += ids(found)
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
        assert forward == everything
        backward: list[str] = []
        before, more = None, True
        while more:
            found = await page(catalog, tag, last=size, before=before, order=order)
            assert found["pageInfo"]["hasNextPage"] is (before is not None)
            backward = ids(found) + backward
            before, more = found["pageInfo"]["startCursor"], found["pageInfo"]["hasPreviousPage"]
        assert backward == everything


async def test_names_are_in_order(catalog: Client, tag: str) -> None:
    for order, reverse in (("NAME", False), ("NAME_DESCENDING", True)):
        names = [edge["node"]["name"] for edge in (await page(catalog, tag, first=100, order=order))["edges"]]
        assert names == sorted(names, reverse=reverse)


async def test_after_and_before_bound_together(catalog: Client, tag: str) -> None:
    full = await page(catalog, tag, first=100)
    cursors = [edge["cursor"] for edge in full["edges"]]
    between = await page(catalog, tag, after=cursors[2], before=cursors[7])
    assert ids(between) == ids(full)[3:7]
    last = await page(catalog, tag, last=2, after=cursors[2], before=cursors[7])
    assert ids(last) == ids(full)[5:7]


async def test_a_page_stays_put_while_the_list_grows(catalog: Client, tag: str) -> None:
    first = await page(catalog, tag, first=4)
    rest = ids(await page(catalog, tag, first=100))[4:]
    await add_agent(catalog, tags=[tag])
    data = await catalog.ask(PAGE, {"first": 100, "after": first["pageInfo"]["endCursor"], "f": {"tag": tag}})
    assert ids(data["agents"]) == rest


async def test_the_default_page_has_twenty(catalog: Client) -> None:
    tag = f"t-{new_id().hex[-12:]}"
    for _ in range(21):
        await add_agent(catalog, tags=[tag])
    data = await catalog.ask("query ($f: AgentFilter) { agents(filter: $f) { nodes { id } } }", {"f": {"tag": tag}})
    assert len(data["agents"]["nodes"]) == 20


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1},
        {"first": 101},
        {"last": -1},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": ""},
        {"after": "nonsense"},
        {"after": "é"},
        {"after": "x" * 5000},
        {"after": "bnVsbA"},
        {"after": "W10"},
        {"before": "WyJuZXdlc3QiLDEsMV0"},
        # ["newest", "2026-01-01", "nonsense"] and ["newest", "yesterday", a UUID]
        {"after": "WyJuZXdlc3QiLCIyMDI2LTAxLTAxIiwibm9uc2Vuc2UiXQ"},
        {"after": "WyJuZXdlc3QiLCJ5ZXN0ZXJkYXkiLCIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ"},
    ],
)
async def test_bad_arguments_are_bad_input(catalog: Client, arguments: dict[str, Any]) -> None:
    error = await catalog.fail(PAGE, arguments)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["agents"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)
DATES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=23)), timezone(-timedelta(hours=23))]))


@given(st.text() | ANYTHING | st.tuples(st.just("newest"), DATES.map(datetime.isoformat) | ANYTHING, ANYTHING))
def test_a_cursor_is_understood_or_refused(value: Any) -> None:
    text = value if isinstance(value, str) else base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
    try:
        instant, row_id = AGENT_ORDERS[CatalogOrder.NEWEST].position(text)
    except BadInput:
        return
    assert isinstance(instant, datetime)
    assert instant.tzinfo is UTC
    assert isinstance(row_id, UUID)


@given(DATES, st.uuids(), st.text(alphabet=st.characters(exclude_characters="\x00"), max_size=80))
def test_a_cursor_leads_back_to_its_row(instant: datetime, row_id: UUID, name: str) -> None:
    agent = Agent(id=row_id, created_at=instant, name=name)
    for order, value in ((CatalogOrder.NEWEST, instant), (CatalogOrder.NAME, name)):
        try:
            cursor = AGENT_ORDERS[order].cursor(agent)
        except (OverflowError, TypeError):
            continue  # An instant beyond the calendar in UTC, or a lone surrogate: Postgres stores neither.
        assert AGENT_ORDERS[order].position(cursor) == (value, row_id)


async def test_a_cursor_of_another_order_is_refused(catalog: Client, tag: str) -> None:
    cursor = (await page(catalog, tag, first=1, order="NAME"))["pageInfo"]["endCursor"]
    error = await catalog.fail(PAGE, {"after": cursor, "order": "NEWEST"})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_nothing_is_counted_that_is_not_asked_for(catalog: Client, tag: str) -> None:
    with catalog.counting() as statements:
        await catalog.ask("query ($f: AgentFilter) { agents(filter: $f) { nodes { id } } }", {"f": {"tag": tag}})
    assert len(statements) == 1


async def test_pages_of_many_parents_are_pages_of_one(catalog: Client) -> None:
    agents = [await add_agent(catalog) for _ in range(3)]
    for agent in agents:
        for _ in range(5):
            await add_template(catalog, agent)
    query = """query ($f: TemplateFilter, $last: Int, $first: Int) { templates(filter: $f, first: $first, last: $last) {
      edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage } } }"""
    nested = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage }"
    for arguments in ({"first": 2}, {"last": 3}, {"first": 0}, {"first": 50}):
        ((name, size),) = arguments.items()
        rows = await catalog.entities(
            "Agent", [agent.id for agent in agents], f"{{ templates({name}: {size}) {{ {nested} }} }}"
        )
        for agent, row in zip(agents, rows, strict=True):
            alone = await catalog.ask(query, {"f": {"agentId": to_global_id("Agent", agent.id)}, **arguments})
            assert row == {"templates": alone["templates"]}
