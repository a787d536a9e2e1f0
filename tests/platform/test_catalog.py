"""The catalog as anybody sees it, and as admins change it."""

import secrets
from typing import Any

from tests.platform.clients import Client

SLUGS = "{ edges { cursor } nodes { slug } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount }"


async def test_built_in_agents_are_published_with_templates(anonymous: Client) -> None:
    query = (
        "{ agents(filter: {status: PUBLISHED}) "
        "{ nodes { slug summary parametersSchema templates { nodes { slug } } } } }"
    )
    agents = {agent["slug"]: agent for agent in (await anonymous.ask(query))["agents"]["nodes"]}
    assert {"text-insights", "table-clusters", "forecast", "tabular-anomaly"} <= set(agents)
    for slug in ("text-insights", "table-clusters", "forecast"):
        assert agents[slug]["parametersSchema"]["type"] == "object"
        assert agents[slug]["templates"]["nodes"]


async def test_pages_forwards_and_backwards_meet(anonymous: Client) -> None:
    everything = (await anonymous.ask(f"{{ agents(first: 100, orderBy: NAME) {SLUGS} }}"))["agents"]
    whole = [node["slug"] for node in everything["nodes"]]
    assert everything["totalCount"] == len(whole) >= 4

    forwards: list[str] = []
    after = None
    while True:
        page = (
            await anonymous.ask(
                f"query($after: String) {{ agents(first: 3, after: $after, orderBy: NAME) {SLUGS} }}", {"after": after}
            )
        )["agents"]
        forwards += [node["slug"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert forwards == whole

    last = (await anonymous.ask(f"{{ agents(last: 2, orderBy: NAME) {SLUGS} }}"))["agents"]
    assert [node["slug"] for node in last["nodes"]] == whole[-2:]
    assert last["pageInfo"]["hasPreviousPage"] is True


async def test_search_and_filters(anonymous: Client) -> None:
    async def slugs(arguments: str) -> list[str]:
        data = await anonymous.ask(f"{{ agents({arguments}) {{ nodes {{ slug }} }} }}")
        return [node["slug"] for node in data["agents"]["nodes"]]

    assert await slugs('search: "forecast"') == ["forecast"]
    assert await slugs('search: "no such thing at all"') == []
    tags = (await anonymous.ask('{ agent(slug: "text-insights") { tags } }'))["agent"]["tags"]
    assert "text-insights" in await slugs(f'filter: {{tag: "{tags[0]}"}}')
    assert (await anonymous.ask('{ agent(slug: "nope") { id } }'))["agent"] is None


async def test_only_admins_change_the_catalog(anonymous: Client, user: Client) -> None:
    given = new_agent()
    refused: list[tuple[Client, str]] = [(anonymous, "UnauthenticatedError"), (user, "ForbiddenError")]
    for client, expected in refused:
        assert (await client.mutate("createAgent", "", input=given))["__typename"] == expected
    agent = (await anonymous.ask('{ agent(slug: "forecast") { id } }'))["agent"]
    for client, expected in refused:
        for field in ("publishAgent", "retireAgent"):
            assert (await client.mutate(field, "", id=agent["id"]))["__typename"] == expected


async def test_an_agents_life(admin: Client, anonymous: Client, user: Client) -> None:
    given = new_agent()
    fields = "agent { id status version name }"
    made = await admin.mutate("createAgent", f"... on CreateAgentSuccess {{ {fields} }}", input=given)
    agent = made["agent"]
    assert agent["status"] == "DRAFT"
    look = f'{{ agent(slug: "{given["slug"]}") {{ status }} }}'
    assert (await anonymous.ask(look))["agent"] is None, "drafts are for admins alone"

    taken = await admin.mutate("createAgent", "", input=given)
    assert taken["__typename"] == "ConflictError"
    broken = await admin.mutate("createAgent", "", input=new_agent() | {"parametersSchema": {"type": "nonsense"}})
    assert broken["__typename"] == "ValidationError"
    assert broken["fields"][0]["path"][0] == "parametersSchema"

    change = (
        "mutation($id: ID!, $input: UpdateAgentInput!) { updateAgent(id: $id, input: $input) "
        "{ __typename ... on UpdateAgentSuccess { agent { name version } } } }"
    )
    changed = await admin.ask(change, {"id": agent["id"], "input": {"name": "Another name"}})
    assert changed["updateAgent"]["agent"]["name"] == "Another name"
    stale = await admin.ask(change, {"id": agent["id"], "input": {"name": "x", "expectedVersion": 1}})
    assert stale["updateAgent"]["__typename"] == "ConflictError"

    published = await admin.mutate("publishAgent", f"... on PublishAgentSuccess {{ {fields} }}", id=agent["id"])
    assert published["agent"]["status"] == "PUBLISHED"
    assert (await anonymous.ask(look))["agent"]["status"] == "PUBLISHED"

    template = {"slug": f"t-{secrets.token_hex(4)}", "name": "T", "agentId": agent["id"], "parameters": {"n": 3}}
    made = await admin.mutate(
        "createTemplate", "... on CreateTemplateSuccess { template { id status } }", input=template
    )
    assert made["template"]["status"] == "DRAFT"
    wrong = await admin.mutate("createTemplate", "", input=template | {"slug": "t-wrong", "parameters": {"n": "three"}})
    assert wrong["__typename"] == "ValidationError"
    await admin.mutate("publishTemplate", "", id=made["template"]["id"])
    seen = await anonymous.ask(f'{{ template(slug: "{template["slug"]}") {{ name agent {{ name }} }} }}')
    assert seen["template"]["agent"]["name"] == "Another name"

    retired = await admin.mutate("retireAgent", f"... on RetireAgentSuccess {{ {fields} }}", id=agent["id"])
    assert retired["agent"]["status"] == "RETIRED"
    refused = await user.mutate("createInstance", "", input={"agentId": agent["id"], "parameters": {"n": 1}})
    assert refused["__typename"] != "CreateInstanceSuccess"


def new_agent() -> dict[str, Any]:
    """An agent that the catalog doesn't have."""
    return {
        "slug": f"agent-{secrets.token_hex(4)}",
        "name": "Tried",
        "workflow": "forecast",
        "parametersSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
