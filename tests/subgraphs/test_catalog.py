"""The catalog over HTTP: what admins may change, what others see, and how lists run."""

from typing import Any

import pytest

from shared_schema.ids import from_global_id, new_id, to_global_id
from tests.subgraphs.conftest import SCHEMA, Client, add_agent, add_template

AGENT_FIELDS = (
    "id slug name summary description workflow workflowVersion version status tags parametersSchema "
    "publisher { id } createdAt updatedAt publishedAt retiredAt"
)
TEMPLATE_FIELDS = (
    "id slug name summary description parameters version status tags publisher { id } agent { id slug } "
    "createdAt updatedAt"
)
ERRORS = "... on Error { message } ... on ValidationError { fields { path message } }"


def mutation(name: str) -> str:
    """The text of one of the eight mutations."""
    verb, kind = (name.removesuffix("Agent"), "Agent") if name.endswith("Agent") else (name[:-8], "Template")
    fields = AGENT_FIELDS if kind == "Agent" else TEMPLATE_FIELDS
    success = f"... on {name[0].upper()}{name[1:]}Success {{ {kind.lower()} {{ {fields} }} }}"
    if verb == "create":
        head, call = f"$input: Create{kind}Input!", "input: $input"
    elif verb == "update":
        head, call = f"$id: ID!, $input: Update{kind}Input!", "id: $id, input: $input"
    else:
        head, call = "$id: ID!, $expectedVersion: Int", "id: $id, expectedVersion: $expectedVersion"
    return f"mutation ({head}) {{ {name}({call}) {{ __typename {success} {ERRORS} }} }}"


async def change(client: Client, name: str, variables: dict[str, Any], **who: Any) -> Any:
    """Run a mutation, as an admin if no other caller is named."""
    who = who or {"account_id": new_id(), "role": "admin"}
    return (await client.ask(mutation(name), variables, **who))[name]


def slug() -> str:
    return f"s-{new_id().hex[-12:]}"


def agent_input(**values: Any) -> dict[str, Any]:
    return {"slug": slug(), "name": "Agent", "workflow": "sentiment", "parametersSchema": SCHEMA, **values}


async def test_an_agent_lives_from_draft_to_retirement(catalog: Client) -> None:
    admin = {"account_id": new_id(), "role": "admin"}
    given = agent_input(tags=["text", "nlp", "text"], summary="Does it", name="  Agent ")
    made = (await change(catalog, "createAgent", {"input": given}, **admin))["agent"]
    assert made["status"] == "DRAFT"
    assert made["name"] == "Agent"
    assert made["tags"] == ["text", "nlp"]
    assert made["parametersSchema"] == SCHEMA
    assert from_global_id("Account", made["publisher"]["id"]) == admin["account_id"]

    by_slug = "query ($slug: String!) { agent(slug: $slug) { id status } }"
    assert await catalog.ask(by_slug, {"slug": given["slug"]}) == {"agent": None}
    assert (await catalog.ask(by_slug, {"slug": given["slug"]}, **admin))["agent"]["id"] == made["id"]

    renamed = {"id": made["id"], "input": {"name": "Better", "expectedVersion": made["version"]}}
    updated = (await change(catalog, "updateAgent", renamed, **admin))["agent"]
    assert updated["name"] == "Better"
    assert updated["summary"] == "Does it"
    assert updated["version"] > made["version"]

    published = (await change(catalog, "publishAgent", {"id": made["id"]}, **admin))["agent"]
    assert published["status"] == "PUBLISHED"
    assert published["publishedAt"]
    assert (await catalog.ask(by_slug, {"slug": given["slug"]}))["agent"]["status"] == "PUBLISHED"
    again = await change(catalog, "publishAgent", {"id": made["id"]}, **admin)
    assert again["__typename"] == "ConflictError"

    retired = (await change(catalog, "retireAgent", {"id": made["id"]}, **admin))["agent"]
    assert retired["status"] == "RETIRED"
    assert await catalog.ask(by_slug, {"slug": given["slug"]}) == {"agent": None}
    again = await change(catalog, "retireAgent", {"id": made["id"]}, **admin)
    assert again["__typename"] == "ConflictError"
    # Who ran it may still see what it was.
    (entity,) = await catalog.entities("Agent", [from_global_id("Agent", made["id"])], "{ name }")
    assert entity == {"name": "Better"}


async def test_a_template_lives_from_draft_to_retirement(catalog: Client) -> None:
    agent = await add_agent(catalog, "DRAFT")
    agent_id = to_global_id("Agent", agent.id)
    given = {"slug": slug(), "name": "T", "agentId": agent_id, "parameters": {"top": 3}}
    made = (await change(catalog, "createTemplate", {"input": given}))["template"]
    assert made["status"] == "DRAFT"
    assert made["agent"]["id"] == agent_id
    refused = await change(catalog, "publishTemplate", {"id": made["id"]})
    assert refused["__typename"] == "ConflictError"
    await change(catalog, "publishAgent", {"id": agent_id})
    published = (await change(catalog, "publishTemplate", {"id": made["id"]}))["template"]
    assert published["status"] == "PUBLISHED"
    changed = {"id": made["id"], "input": {"parameters": {"texts": ["a"]}, "tags": ["x"]}}
    assert (await change(catalog, "updateTemplate", changed))["template"]["parameters"] == {"texts": ["a"]}
    data = await catalog.ask("query ($s: String!) { template(slug: $s) { name tags } }", {"s": given["slug"]})
    assert data == {"template": {"name": "T", "tags": ["x"]}}
    retired = (await change(catalog, "retireTemplate", {"id": made["id"]}))["template"]
    assert retired["status"] == "RETIRED"


async def test_a_templates_limits_go_with_null_and_stay_when_left_out(catalog: Client) -> None:
    agent_id = to_global_id("Agent", (await add_agent(catalog)).id)
    given = {"slug": slug(), "name": "T", "agentId": agent_id, "parameters": {}, "maxAttempts": 2, "timeoutSeconds": 30}
    made = (await change(catalog, "createTemplate", {"input": given}))["template"]
    seen = "query ($s: String!) { template(slug: $s) { name maxAttempts timeoutSeconds } }"
    admin = {"account_id": new_id(), "role": "admin", "scopes": ["catalog:write", "catalog:read"]}
    for change_, expected in (
        ({"name": "U"}, ("U", 2, 30)),
        ({"name": None, "maxAttempts": None}, ("U", None, 30)),
        ({"maxAttempts": 4, "timeoutSeconds": None}, ("U", 4, None)),
        ({}, ("U", 4, None)),
    ):
        answer = await change(catalog, "updateTemplate", {"id": made["id"], "input": change_})
        assert answer["__typename"] == "UpdateTemplateSuccess", answer
        row = (await catalog.ask(seen, {"s": given["slug"]}, **admin))["template"]
        assert (row["name"], row["maxAttempts"], row["timeoutSeconds"]) == expected
    refused = await change(catalog, "updateTemplate", {"id": made["id"], "input": {"maxAttempts": 0}})
    assert refused["__typename"] == "ValidationError"


ACCOUNT = new_id()


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        ({}, "UnauthenticatedError"),
        ({"account_id": ACCOUNT}, "ForbiddenError"),
        ({"account_id": ACCOUNT, "role": "user", "scopes": ["catalog:write"]}, "ForbiddenError"),
        ({"account_id": ACCOUNT, "role": "admin", "scopes": ["instances:write"]}, "ForbiddenError"),
    ],
)
async def test_only_admins_with_the_scope_change_the_catalog(catalog: Client, who: dict[str, Any], answer: str) -> None:
    agent = await add_agent(catalog)
    template = await add_template(catalog, agent)
    ids = {"Agent": to_global_id("Agent", agent.id), "Template": to_global_id("Template", template.id)}
    new_template = {"slug": slug(), "name": "T", "agentId": ids["Agent"], "parameters": {}}
    with catalog.counting() as statements:
        for kind, create in (("Agent", agent_input()), ("Template", new_template)):
            for name, variables in (
                (f"create{kind}", {"input": create}),
                (f"update{kind}", {"id": ids[kind], "input": {"name": "x"}}),
                (f"publish{kind}", {"id": ids[kind]}),
                (f"retire{kind}", {"id": ids[kind]}),
            ):
                data = await catalog.ask(mutation(name), variables, **who)
                assert data[name]["__typename"] == answer, name
    # Refusals go into the audit log, by events.
    assert [statement for statement in statements if not statement.startswith("INSERT INTO outbox ")] == []


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"slug": "Not A Slug"}, ["slug"]),
        ({"slug": "a--b"}, ["slug"]),
        ({"slug": "a" * 81}, ["slug"]),
        ({"slug": ""}, ["slug"]),
        ({"name": " "}, ["name"]),
        ({"name": "x" * 121}, ["name"]),
        ({"summary": "x" * 301}, ["summary"]),
        ({"summary": "a\x1bb"}, ["summary"]),
        ({"description": "x" * 20_001}, ["description"]),
        ({"workflow": ""}, ["workflow"]),
        ({"workflowVersion": ""}, ["workflowVersion"]),
        ({"tags": ["ok", "Not ok"]}, ["tags", "1"]),
        ({"tags": [f"t{n}" for n in range(17)]}, ["tags"]),
        ({"parametersSchema": []}, ["parametersSchema"]),
        ({"parametersSchema": {"type": "objekt"}}, ["parametersSchema", "type"]),
        ({"parametersSchema": {"type": "array"}}, ["parametersSchema", "type"]),
        (
            {"parametersSchema": {"type": "object", "properties": {"a": {"minimum": "one"}}}},
            ["parametersSchema", "properties", "a", "minimum"],
        ),
        (
            {"parametersSchema": {"type": "object", "properties": {"a": {"$ref": "http://10.0.0.1/x"}}}},
            ["parametersSchema", "properties", "a", "$ref"],
        ),
        ({"parametersSchema": {"type": "object", "description": "x" * 70_000}}, ["parametersSchema"]),
    ],
)
async def test_create_and_update_agent_name_what_is_wrong(
    catalog: Client, values: dict[str, Any], path: list[str]
) -> None:
    answer = await change(catalog, "createAgent", {"input": agent_input(**values)})
    assert answer["__typename"] == "ValidationError"
    assert [field["path"] for field in answer["fields"]] == [path]
    agent = await add_agent(catalog)
    variables = {"id": to_global_id("Agent", agent.id), "input": values}
    answer = await change(catalog, "updateAgent", variables)
    assert [field["path"] for field in answer["fields"]] == [path]


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ([], ["parameters"]),
        ({"texts": "one"}, ["parameters", "texts"]),
        ({"texts": ["a", 2]}, ["parameters", "texts", "1"]),
        ({"top": 11}, ["parameters", "top"]),
        ({"other": 1}, ["parameters", "other"]),
        ({"texts": ["x" * 1_000_000]}, ["parameters"]),
    ],
)
async def test_a_templates_parameters_fit_the_agent(catalog: Client, parameters: Any, path: list[str]) -> None:
    agent = await add_agent(catalog)
    given = {"slug": slug(), "name": "T", "agentId": to_global_id("Agent", agent.id), "parameters": parameters}
    answer = await change(catalog, "createTemplate", {"input": given})
    assert [field["path"] for field in answer["fields"]] == [path]


async def test_conflicts_are_typed(catalog: Client) -> None:
    agent = await add_agent(catalog)
    template = await add_template(catalog, agent)
    agent_id, template_id = to_global_id("Agent", agent.id), to_global_id("Template", template.id)
    other = await add_agent(catalog)
    new_template = {"slug": template.slug, "name": "T", "agentId": agent_id, "parameters": {}}
    narrow = {"type": "object", "properties": {"top": {"maximum": 2}}}
    cases: list[tuple[str, dict[str, Any]]] = [
        ("createAgent", {"input": agent_input(slug=agent.slug)}),
        ("updateAgent", {"id": agent_id, "input": {"slug": other.slug}}),
        ("updateAgent", {"id": agent_id, "input": {"name": "x", "expectedVersion": 99}}),
        ("updateAgent", {"id": agent_id, "input": {"parametersSchema": narrow}}),
        ("publishAgent", {"id": agent_id, "expectedVersion": 99}),
        ("retireAgent", {"id": agent_id, "expectedVersion": 99}),
        ("createTemplate", {"input": new_template}),
        ("updateTemplate", {"id": template_id, "input": {"name": "x", "expectedVersion": 99}}),
        ("retireTemplate", {"id": template_id, "expectedVersion": 99}),
    ]
    for name, variables in cases:
        assert (await change(catalog, name, variables))["__typename"] == "ConflictError", (name, variables)


async def test_what_is_not_there_is_not_found(catalog: Client) -> None:
    agent_id, template_id = to_global_id("Agent", new_id()), to_global_id("Template", new_id())
    new_template = {"slug": slug(), "name": "T", "agentId": agent_id, "parameters": {}}
    for name, variables in (
        ("updateAgent", {"id": agent_id, "input": {"name": "x"}}),
        ("publishAgent", {"id": agent_id}),
        ("retireAgent", {"id": agent_id}),
        ("createTemplate", {"input": new_template}),
        ("updateTemplate", {"id": template_id, "input": {"name": "x"}}),
        ("publishTemplate", {"id": template_id}),
        ("retireTemplate", {"id": template_id}),
    ):
        assert (await change(catalog, name, variables))["__typename"] == "NotFoundError", name
    wrong_type = await change(catalog, "publishAgent", {"id": template_id})
    assert [field["path"] for field in wrong_type["fields"]] == [["id"]]


async def test_lists_show_what_is_published_and_admins_the_rest(catalog: Client) -> None:
    tag = slug()
    for status in ("DRAFT", "PUBLISHED", "RETIRED"):
        agent = await add_agent(catalog, status, tags=[tag])
        await add_template(catalog, agent, status, tags=[tag])
    for kind in ("agents", "templates"):
        filter_type = "AgentFilter" if kind == "agents" else "TemplateFilter"
        query = f"query ($f: {filter_type}) {{ {kind}(filter: $f) {{ totalCount nodes {{ status }} }} }}"

        async def statuses(status: str | None, query: str = query, kind: str = kind, **who: Any) -> list[str]:
            data = await catalog.ask(query, {"f": {"tag": tag, "status": status}}, **who)
            assert data[kind]["totalCount"] == len(data[kind]["nodes"])
            return sorted(node["status"] for node in data[kind]["nodes"])

        assert await statuses(None) == ["PUBLISHED"]
        assert await statuses("PUBLISHED", account_id=new_id()) == ["PUBLISHED"]
        admin = {"account_id": new_id(), "role": "admin"}
        assert await statuses(None, **admin) == ["DRAFT", "PUBLISHED", "RETIRED"]
        for status in ("DRAFT", "RETIRED"):
            assert await statuses(status, **admin) == [status]
            error = await catalog.fail(query, {"f": {"status": status}}, account_id=new_id())
            assert error["extensions"]["code"] == "FORBIDDEN"


async def test_drafts_stay_hidden_as_entities(catalog: Client) -> None:
    draft = await add_agent(catalog, "DRAFT")
    template = await add_template(catalog, draft, "DRAFT")
    admin = {"account_id": new_id(), "role": "admin"}
    assert await catalog.entities("Agent", [draft.id], "{ name }") == [None]
    assert await catalog.entities("Template", [template.id], "{ name }", account_id=new_id()) == [None]
    assert await catalog.entities("Agent", [draft.id], "{ name }", **admin) == [{"name": "Sentiment"}]


async def test_filters_and_search(catalog: Client) -> None:
    mark = new_id().hex[-10:]
    one = await add_agent(catalog, name=f"Forecasting {mark}", summary="Predicts series", tags=["ts"])
    two = await add_agent(catalog, name=f"Clustering {mark}", description="Groups customers'rows")
    query = """query ($s: String, $f: AgentFilter) { agents(search: $s, filter: $f, orderBy: NAME) {
      totalCount nodes { id } } }"""

    async def found(search: str | None, **filters: Any) -> list[Any]:
        data = await catalog.ask(query, {"s": search, "f": filters})
        assert data["agents"]["totalCount"] == len(data["agents"]["nodes"])
        return [from_global_id("Agent", node["id"]) for node in data["agents"]["nodes"]]

    assert await found(mark) == [two.id, one.id]
    assert await found(f"{mark} forecast") == [one.id]
    assert await found(f"{mark} predict") == [one.id]
    assert await found(f"clust {mark[:6]}") == [two.id]
    assert await found(f"{mark} nothing") == []
    assert await found(mark, tag="ts") == [one.id]
    assert await found(mark, publisherId=to_global_id("Account", two.publisher_id)) == [two.id]
    for hostile in ("' | 'a", "!!!", ":*", "a & | b", "\\", "'; DROP TABLE agents; --", "&", "%"):
        assert one.id not in await found(f"{hostile} zzz{mark}zzz")
    assert set(await found("  ", tag="ts")) >= {one.id}
    error = await catalog.fail(query, {"s": "x" * 201})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    error = await catalog.fail(query, {"f": {"publisherId": "nonsense"}})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_entities_and_nested_lists_take_as_many_queries_for_many_as_for_one(catalog: Client) -> None:
    agents = [await add_agent(catalog) for _ in range(8)]
    for agent in agents:
        for _ in range(3):
            await add_template(catalog, agent)
    selection = "{ name templates(first: 2) { totalCount pageInfo { hasNextPage } nodes { name agent { slug } } } }"
    counts = []
    for ids in ([agents[0].id], [agent.id for agent in agents]):
        with catalog.counting() as statements:
            rows = await catalog.entities("Agent", ids, selection)
        counts.append(len(statements))
        for row in rows:
            assert row is not None
            assert row["templates"]["totalCount"] == 3
            assert row["templates"]["pageInfo"] == {"hasNextPage": True}
            assert len(row["templates"]["nodes"]) == 2
    # The agents; the pages; the counts; the templates' agents are the loaded ones.
    assert counts == [3, 3]
