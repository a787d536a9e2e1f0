"""The instance subgraph over HTTP: starting, seeing, cancelling and deleting runs, and whose they are."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from shared_schema.ids import from_global_id, new_id, to_global_id
from shared_schema.models import Instance, SharedOutbox
from shared_schema.states import InstanceStatus
from subgraphs.instance.making import NewInstance
from subgraphs.instance.origin import Origin
from tests.subgraphs.conftest import Client, add_agent, add_template

FIELDS = """id name status progress progressMessage version parameters result error { code message } attempt
  agent { id } template { id } owner { id } createdAt updatedAt startedAt finishedAt cancelRequestedAt isTerminal"""
# Of the request by id below, as the code before slugs computed it.
HASH_BEFORE_SLUGS = "91d725c45b9c1d1a2f974017801559ba57fe29729075185952a6f3a503353cc1"
ERRORS = "... on Error { message } ... on ValidationError { fields { path message } }"
CREATE = f"""mutation ($input: CreateInstanceInput!) {{ createInstance(input: $input) {{ __typename
  ... on CreateInstanceSuccess {{ instance {{ {FIELDS} }} }} {ERRORS} }} }}"""
CANCEL = f"""mutation ($id: ID!) {{ cancelInstance(id: $id) {{ __typename
  ... on CancelInstanceSuccess {{ instance {{ {FIELDS} }} }} {ERRORS} }} }}"""
DELETE = f"""mutation ($id: ID!) {{ deleteInstance(id: $id) {{ __typename
  ... on DeleteInstanceSuccess {{ id instance {{ name }} }} {ERRORS} }} }}"""
ONE = "query ($id: ID!) { instance(id: $id) { id name status } }"


async def create(client: Client, owner: UUID, **given: Any) -> Any:
    data = await client.ask(CREATE, {"input": given}, account_id=owner)
    return data["createInstance"]


async def made(client: Client, owner: UUID, **given: Any) -> UUID:
    """A new instance's row id."""
    if not given.keys() & {"agentId", "agentSlug"}:
        given["agentId"] = to_global_id("Agent", (await add_agent(client)).id)
    answer = await create(client, owner, parameters={"texts": ["a"]}, **given)
    assert answer["__typename"] == "CreateInstanceSuccess", answer
    return from_global_id("Instance", answer["instance"]["id"])


async def put(client: Client, instance_id: UUID, *statuses: str, **values: Any) -> None:
    """Do to an instance what a worker does."""
    for status in statuses:
        async with client.store.unit_of_work() as session:
            row = await session.get_one(Instance, instance_id)
            row.status = InstanceStatus(status)
            for name, value in values.items():
                setattr(row, name, value)


async def test_an_instance_of_an_agent(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    answer = await create(
        instance, owner, name=" Mine ", agentId=to_global_id("Agent", agent.id), parameters={"texts": ["good"]}
    )
    row = answer["instance"]
    instance_id = from_global_id("Instance", row["id"])
    assert row["name"] == "Mine"
    assert row["status"] == "PENDING"
    assert row["isTerminal"] is False
    assert row["parameters"] == {"texts": ["good"]}
    assert row["agent"] == {"id": to_global_id("Agent", agent.id)}
    assert row["owner"] == {"id": to_global_id("Account", owner)}
    assert row["template"] is None
    async with instance.store.read() as session:
        found = select(SharedOutbox.event_type).where(SharedOutbox.aggregate_id == instance_id)
        assert (await session.scalars(found)).all() == ["instance.created"]


async def test_slugs_name_what_ids_name(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    template = await add_template(instance, agent)
    row = (await create(instance, owner, agentSlug=agent.slug, parameters={"texts": ["good"]}))["instance"]
    assert row["agent"] == {"id": to_global_id("Agent", agent.id)}
    assert (row["template"], row["name"]) == (None, "Sentiment")
    row = (await create(instance, owner, templateSlug=template.slug, parameters={"top": 5}))["instance"]
    assert row["template"] == {"id": to_global_id("Template", template.id)}
    assert row["agent"] == {"id": to_global_id("Agent", agent.id)}
    assert row["parameters"] == {"texts": ["good"], "top": 5}


@pytest.mark.parametrize(
    ("names", "path", "said"),
    [
        ([], "agentId", "none is given"),
        (["agentSlug", "templateSlug"], "agentSlug", "`agentSlug` and `templateSlug` are given"),
        (["agentId", "agentSlug"], "agentId", "`agentId` and `agentSlug` are given"),
        (["templateId", "templateSlug"], "templateId", "`templateId` and `templateSlug` are given"),
        (["agentId", "templateId", "agentSlug"], "agentId", "`agentId`, `templateId` and `agentSlug` are given"),
    ],
)
async def test_exactly_one_of_four_fields_names_what_to_run(
    instance: Client, names: list[str], path: str, said: str
) -> None:
    agent = await add_agent(instance)
    template = await add_template(instance, agent)
    all_four = {
        "agentId": to_global_id("Agent", agent.id),
        "templateId": to_global_id("Template", template.id),
        "agentSlug": agent.slug,
        "templateSlug": template.slug,
    }
    answer = await create(instance, new_id(), parameters={"texts": ["a"]}, **{name: all_four[name] for name in names})
    assert answer["__typename"] == "ValidationError"
    message = f"Give exactly one of `agentId`, `templateId`, `agentSlug` or `templateSlug`: {said}."
    assert answer["fields"] == [{"path": [path], "message": message}]


async def test_an_instance_of_a_template_overrides_its_parameters(instance: Client) -> None:
    owner, agent = new_id(), await add_agent(instance)
    template = await add_template(instance, agent)
    template_id = to_global_id("Template", template.id)
    row = (await create(instance, owner, templateId=template_id, parameters={"top": 5}))["instance"]
    assert row["parameters"] == {"texts": ["good"], "top": 5}
    assert row["name"] == "Reviews"
    assert row["template"] == {"id": template_id}
    assert row["agent"] == {"id": to_global_id("Agent", agent.id)}
    row = (await create(instance, owner, templateId=template_id))["instance"]
    assert row["parameters"] == {"texts": ["good"], "top": 3}


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"parameters": {}}, [["parameters", "texts"]]),
        ({}, [["parameters", "texts"]]),
        ({"parameters": {"texts": []}}, [["parameters", "texts"]]),
        ({"parameters": {"texts": ["a", 1, None]}}, [["parameters", "texts", "1"], ["parameters", "texts", "2"]]),
        ({"parameters": {"texts": ["a"], "top": 0}}, [["parameters", "top"]]),
        ({"parameters": {"texts": ["a"], "surplus": 1}}, [["parameters", "surplus"]]),
        ({"parameters": ["texts"]}, [["parameters"]]),
        ({"parameters": "texts"}, [["parameters"]]),
        ({"parameters": {"texts": ["x" * 1_000_000]}}, [["parameters"]]),
        ({"parameters": {"texts": ["a"]}, "name": "x" * 121}, [["name"]]),
        ({"parameters": {"texts": ["a"]}, "name": "a\tb"}, [["name"]]),
        ({"parameters": {"texts": ["a"]}, "idempotencyKey": ""}, [["idempotencyKey"]]),
        ({"parameters": {"texts": ["a"]}, "agentId": None}, [["agentId"]]),
        ({"parameters": {"texts": ["a"]}, "agentId": "nonsense"}, [["agentId"]]),
        ({"parameters": {"texts": ["a"]}, "templateId": to_global_id("Template", new_id())}, [["agentId"]]),
    ],
)
async def test_create_names_what_is_wrong(instance: Client, given: dict[str, Any], paths: list[list[str]]) -> None:
    agent = await add_agent(instance)
    answer = await create(instance, new_id(), **{"agentId": to_global_id("Agent", agent.id), **given})
    assert answer["__typename"] == "ValidationError"
    assert [field["path"] for field in answer["fields"]] == paths


@pytest.mark.parametrize(
    ("agent_status", "template_status", "answer"),
    [
        ("DRAFT", None, "NotFoundError"),
        ("RETIRED", None, "ConflictError"),
        ("PUBLISHED", "DRAFT", "NotFoundError"),
        ("PUBLISHED", "RETIRED", "ConflictError"),
        ("RETIRED", "PUBLISHED", "ConflictError"),
        (None, None, "NotFoundError"),
    ],
)
async def test_only_what_is_published_starts(
    instance: Client, agent_status: str | None, template_status: str | None, answer: str
) -> None:
    by_id, by_slug = {"agentId": to_global_id("Agent", new_id())}, {"agentSlug": "there-is-none"}
    if agent_status:
        agent = await add_agent(instance, agent_status)
        by_id, by_slug = {"agentId": to_global_id("Agent", agent.id)}, {"agentSlug": agent.slug}
        if template_status:
            template = await add_template(instance, agent, template_status)
            by_id = {"templateId": to_global_id("Template", template.id)}
            by_slug = {"templateSlug": template.slug}
    made, by_name = [await create(instance, new_id(), parameters={"texts": ["a"]}, **g) for g in (by_id, by_slug)]
    assert by_name == made
    assert made["__typename"] == answer


async def test_what_cannot_be_stored_is_bad_input(instance: Client) -> None:
    agent_id = to_global_id("Agent", (await add_agent(instance)).id)
    given = {"agentId": agent_id, "parameters": {"texts": ["a\x00b"]}}
    error = await instance.fail(CREATE, {"input": given}, account_id=new_id())
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_parameters_may_be_written_into_the_document(instance: Client) -> None:
    agent_id = to_global_id("Agent", (await add_agent(instance)).id)
    query = f"""mutation ($text: String!) {{ createInstance(input: {{ agentId: "{agent_id}",
      parameters: {{ texts: ["a", $text], top: 3 }} }})
        {{ ... on CreateInstanceSuccess {{ instance {{ parameters }} }} }} }}"""
    data = await instance.ask(query, {"text": "b"}, account_id=new_id())
    assert data["createInstance"]["instance"]["parameters"] == {"texts": ["a", "b"], "top": 3}


async def test_large_parameters_are_taken_whole(instance: Client) -> None:
    agent_id = to_global_id("Agent", (await add_agent(instance)).id)
    texts = [f"text {number}" for number in range(10_000)]
    row = (await create(instance, new_id(), agentId=agent_id, parameters={"texts": texts}))["instance"]
    assert row["parameters"] == {"texts": texts}


async def test_an_account_has_only_so_many_active_instances(instance: Client) -> None:
    owner = new_id()
    agent_id = to_global_id("Agent", (await add_agent(instance)).id)
    ids = [await made(instance, owner, agentId=agent_id) for _ in range(5)]
    refused = await create(instance, owner, agentId=agent_id, parameters={"texts": ["a"]})
    assert refused["__typename"] == "ConflictError"
    await made(instance, new_id(), agentId=agent_id)
    await put(instance, ids[0], "RUNNING", "SUCCEEDED")
    await made(instance, owner, agentId=agent_id)


async def test_the_same_request_sent_twice_makes_one_instance(instance: Client) -> None:
    owner = new_id()
    agent_id = to_global_id("Agent", (await add_agent(instance)).id)
    given = {"agentId": agent_id, "parameters": {"texts": ["a"]}, "idempotencyKey": "k1"}
    first, second = await create(instance, owner, **given), await create(instance, owner, **given)
    assert first == second
    other = await create(instance, owner, **{**given, "parameters": {"texts": ["b"]}})
    assert other["__typename"] == "ConflictError"
    others = await create(instance, new_id(), **given)
    assert others["instance"]["id"] != first["instance"]["id"]


@pytest.mark.parametrize("kind", ["agent", "template"])
async def test_an_idempotency_key_is_for_the_slug_that_was_asked(instance: Client, kind: str) -> None:
    owner, agents = new_id(), [await add_agent(instance) for _ in range(2)]
    rows = agents if kind == "agent" else [await add_template(instance, agent) for agent in agents]
    first, again, other = [
        await create(instance, owner, parameters={"texts": ["a"]}, idempotencyKey="k", **{f"{kind}Slug": row.slug})
        for row in (rows[0], rows[0], rows[1])
    ]
    assert first == again
    assert other["__typename"] == "ConflictError"


def test_requests_by_id_have_the_hash_that_they_had_before_there_were_slugs() -> None:
    """Hashes are kept with instances, so a request that is sent again after an upgrade must still be the same one."""
    agent_id = UUID("0190c2a5-7a3e-7000-8000-000000000001")
    by_id = NewInstance("n", Origin(agent_id=agent_id), {"texts": ["a"]}, "k")
    assert by_id.request_hash().hex() == HASH_BEFORE_SLUGS
    by_slugs = [NewInstance("n", Origin(**{name: "s"}), {}).request_hash() for name in ("agent_slug", "template_slug")]  # type: ignore[arg-type]
    assert len({*by_slugs, NewInstance("n", Origin(), {}).request_hash()}) == 3


@pytest.mark.parametrize("slug", ["", "\x00", "%", "Sentiment", "x" * 20_000, "ß", "a b"])
@pytest.mark.parametrize("field", ["agentSlug", "templateSlug"])
async def test_what_is_no_slug_names_nothing(instance: Client, field: str, slug: str) -> None:
    answer = await create(instance, new_id(), parameters={}, **{field: slug})
    kind = field.removesuffix("Slug")
    assert answer == {"__typename": "NotFoundError", "message": f"There is no such {kind}."}


async def test_cancel_ends_what_waits_and_asks_what_runs(instance: Client) -> None:
    owner = new_id()
    waiting, running, done = [await made(instance, owner) for _ in range(3)]
    await put(instance, running, "QUEUED", "RUNNING")
    await put(instance, done, "RUNNING", "FAILED", error_code="X", error_message="why")

    async def cancel(instance_id: UUID) -> Any:
        data = await instance.ask(CANCEL, {"id": to_global_id("Instance", instance_id)}, account_id=owner)
        return data["cancelInstance"]

    ended = (await cancel(waiting))["instance"]
    assert (ended["status"], ended["isTerminal"]) == ("CANCELLED", True)
    assert ended["finishedAt"]
    asked = (await cancel(running))["instance"]
    assert (asked["status"], asked["isTerminal"]) == ("RUNNING", False)
    assert asked["cancelRequestedAt"]
    assert (await cancel(running))["instance"]["cancelRequestedAt"] == asked["cancelRequestedAt"]
    for each in (waiting, done):
        assert (await cancel(each))["__typename"] == "ConflictError"


async def test_delete_hides_what_has_ended(instance: Client) -> None:
    owner = new_id()
    instance_id = await made(instance, owner)
    variables = {"id": to_global_id("Instance", instance_id)}
    early = await instance.ask(DELETE, variables, account_id=owner)
    assert early["deleteInstance"]["__typename"] == "ConflictError"
    await put(instance, instance_id, "RUNNING", "SUCCEEDED", result={"mood": "good"})
    gone = await instance.ask(DELETE, variables, account_id=owner)
    assert gone["deleteInstance"]["id"] == variables["id"]
    assert await instance.ask(ONE, variables, account_id=owner) == {"instance": None}
    assert await instance.entities("Instance", [instance_id], "{ id }", account_id=owner) == [None]
    data = await instance.ask("{ instances { totalCount nodes { id } } }", account_id=owner)
    assert data == {"instances": {"totalCount": 0, "nodes": []}}
    again = await instance.ask(DELETE, variables, account_id=owner)
    assert again["deleteInstance"]["__typename"] == "NotFoundError"


OWNER, OTHER = new_id(), new_id()
WHO: dict[str, dict[str, Any]] = {
    "anonymous": {},
    "owner": {"account_id": OWNER},
    "owner's key without scopes": {"account_id": OWNER, "scopes": []},
    "owner's key that reads": {"account_id": OWNER, "scopes": ["instances:read"]},
    "other": {"account_id": OTHER},
    "admin": {"account_id": OTHER, "role": "admin"},
    "admin's key without scopes": {"account_id": OTHER, "role": "admin", "scopes": []},
}
# Who -> sees it, lists Account.instances, may list their own, and what cancelling and deleting answer.
MATRIX = [
    ("anonymous", False, False, "UNAUTHENTICATED", "UnauthenticatedError"),
    ("owner", True, True, None, None),
    ("owner's key without scopes", False, False, "FORBIDDEN", "ForbiddenError"),
    ("owner's key that reads", True, True, None, "ForbiddenError"),
    ("other", False, False, None, "NotFoundError"),
    ("admin", True, True, None, "NotFoundError"),
    ("admin's key without scopes", False, False, "FORBIDDEN", "ForbiddenError"),
]


@pytest.mark.parametrize(("name", "sees", "lists", "own", "changes"), MATRIX)
async def test_who_may_do_what(
    instance: Client, name: str, sees: bool, lists: bool, own: str | None, changes: str | None
) -> None:
    who = WHO[name]
    instance_id = await made(instance, OWNER)
    variables = {"id": to_global_id("Instance", instance_id)}
    assert ((await instance.ask(ONE, variables, **who))["instance"] is not None) is sees
    (entity,) = await instance.entities("Instance", [instance_id], "{ status }", **who)
    assert (entity is not None) is sees

    representation = {"__typename": "Account", "id": to_global_id("Account", OWNER)}
    query = """query ($r: [_Any!]!) { _entities(representations: $r) {
      ... on Account { id instances { totalCount nodes { id } } } } }"""
    answer = (await instance.post(query, {"r": [representation]}, **who)).json()
    if lists:
        listed = answer["data"]["_entities"][0]["instances"]["nodes"]
        assert variables["id"] in [node["id"] for node in listed]
    else:
        assert answer["data"]["_entities"] == [{"id": representation["id"], "instances": None}]
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert answer["errors"][0]["path"] == ["_entities", 0, "instances"]

    answer = (await instance.post("{ instances { nodes { id } } }", **who)).json()
    if own:
        assert answer["errors"][0]["extensions"]["code"] == own
    else:
        mine = [node["id"] for node in answer["data"]["instances"]["nodes"]]
        assert (variables["id"] in mine) is (who["account_id"] == OWNER)

    for mutation, field in ((CANCEL, "cancelInstance"), (DELETE, "deleteInstance")):
        kind = (await instance.ask(mutation, variables, **who))[field]["__typename"]
        assert kind == (changes or f"{field[0].upper()}{field[1:]}Success")
    if changes:
        await put(instance, instance_id, "CANCELLED")


async def test_create_needs_somebody_with_the_scope(instance: Client) -> None:
    given = {"agentId": to_global_id("Agent", (await add_agent(instance)).id), "parameters": {"texts": ["a"]}}
    for who, answer in (
        ({}, "UnauthenticatedError"),
        ({"account_id": OWNER, "scopes": ["instances:read"]}, "ForbiddenError"),
    ):
        data = await instance.ask(CREATE, {"input": given}, **who)
        assert data["createInstance"]["__typename"] == answer


async def test_result_error_and_filters(instance: Client) -> None:
    owner = new_id()
    agent = await add_agent(instance)
    ok = await made(instance, owner, agentId=to_global_id("Agent", agent.id), name="B")
    failed = await made(instance, owner, name="A")
    await put(instance, ok, "RUNNING", "SUCCEEDED", result={"n": 2**70}, progress=1.0)
    await put(instance, failed, "RUNNING", "FAILED", error_code="BAD_TABLE", error_message="No columns.")
    query = """query ($f: InstanceFilter, $o: InstanceOrder! = NEWEST) { instances(filter: $f, orderBy: $o) {
      totalCount nodes { id result error { code message } } } }"""

    async def listed(order: str = "NEWEST", **filters: Any) -> Any:
        data = await instance.ask(query, {"f": filters, "o": order}, account_id=owner)
        return data["instances"]

    (row,) = (await listed(status="SUCCEEDED"))["nodes"]
    assert row["result"] == {"n": 2**70}
    assert row["error"] is None
    (row,) = (await listed(status="FAILED"))["nodes"]
    assert row["error"] == {"code": "BAD_TABLE", "message": "No columns."}
    assert (await listed(agentId=to_global_id("Agent", agent.id)))["totalCount"] == 1
    assert (await listed(status="RUNNING"))["totalCount"] == 0
    ids = [to_global_id("Instance", each) for each in (ok, failed)]
    for order, expected in (("NEWEST", ids[::-1]), ("OLDEST", ids), ("NAME", ids[::-1]), ("NAME_DESCENDING", ids)):
        assert [node["id"] for node in (await listed(order))["nodes"]] == expected, order


async def test_entities_take_one_query(instance: Client) -> None:
    owner = new_id()
    ids = [await made(instance, owner) for _ in range(5)]
    for some in (ids[:1], ids):
        with instance.counting() as statements:
            rows = await instance.entities(
                "Instance", [*some, new_id()], "{ id status agent { id } owner { id } }", account_id=owner
            )
        assert [row and from_global_id("Instance", row["id"]) for row in rows] == [*some, None]
        assert len(statements) == 1


async def test_documents_are_read_only_where_they_are_selected(instance: Client) -> None:
    owner = new_id()
    done, waiting = await made(instance, owner), await made(instance, owner)
    await put(instance, done, "RUNNING", "SUCCEEDED", result={"mood": "good"})
    for selection, queries in (("id name", 1), ("id result parameters", 2)):
        with instance.counting() as statements:
            data = await instance.ask(f"{{ instances {{ nodes {{ {selection} }} }} }}", account_id=owner)
            rows = await instance.entities("Instance", [done, waiting], f"{{ {selection} }}", account_id=owner)
        assert data["instances"]["nodes"] == rows[::-1]
        assert len(statements) == 2 * queries
        selected = [statement.split("FROM", 1)[0] for statement in statements]
        assert sum("result" in columns for columns in selected) == (0 if queries == 1 else 2)
    assert rows[0] == {"id": to_global_id("Instance", done), "result": {"mood": "good"}, "parameters": {"texts": ["a"]}}
    assert rows[1] is not None
    assert rows[1]["result"] is None


async def test_lists_of_many_accounts_take_two_queries(instance: Client) -> None:
    owners = [new_id() for _ in range(4)]
    for owner in owners:
        await made(instance, owner)
    with instance.counting() as statements:
        rows = await instance.entities(
            "Account", owners, "{ instances { totalCount nodes { id } } }", account_id=new_id(), role="admin"
        )
    assert [row and row["instances"]["totalCount"] for row in rows] == [1, 1, 1, 1]
    assert len(statements) == 2


async def test_subscriptions_are_the_gateways(instance: Client) -> None:
    answer = await instance.post("subscription { instancesUpdated { id } }", account_id=new_id())
    assert answer.status == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
