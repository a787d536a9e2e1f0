"""What clients get wrong: each answered with a clear error and a code, and the platform goes on."""

from typing import Any

import pytest

from tests.platform.clients import Client
from tests.platform.running import RunningPlatform

CASES: list[tuple[str, dict[str, Any], int, str]] = [
    ("not GraphQL", {"query": "{ agents {"}, 400, "GRAPHQL_PARSE_FAILED"),
    ("unknown field", {"query": "{ agents { nope } }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
    ("unknown argument", {"query": "{ agents(nope: 1) { totalCount } }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
    (
        "wrong variable",
        {"query": "query($n: Int) { agents(first: $n) { totalCount } }", "variables": {"n": "three"}},
        400,
        "BAD_USER_INPUT",
    ),
    ("missing variable", {"query": "query($s: String!) { agent(slug: $s) { id } }"}, 400, "BAD_USER_INPUT"),
    ("missing parameter", {"query": "{ agent { id } }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
    (
        "huge depth",
        {"query": "{ agents " + "{ nodes { templates { nodes { agent " * 40 + "{ id }" + " } } } }" * 40 + "}"},
        400,
        "LIMIT_EXCEEDED",
    ),
    (
        "no such operation",
        {"query": "query A { me { id } }", "operationName": "B"},
        400,
        "OPERATION_RESOLUTION_FAILURE",
    ),
    ("no query at all", {"variables": {}}, 400, "BAD_REQUEST"),
    ("a subgraph's inner doors", {"query": "{ _service { sdl } }"}, 400, "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("body", "status", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_each_mistake_has_its_code(anonymous: Client, body: dict[str, Any], status: int, code: str) -> None:
    accept = {"accept": "application/graphql-response+json"}
    found, answer = await anonymous.post(body, headers=accept)
    assert (found, answer["errors"][0]["extensions"]["code"]) == (status, code), answer
    assert answer["errors"][0]["message"]
    assert "data" not in answer


async def test_bodies_that_are_no_request(platform: RunningPlatform, anonymous: Client) -> None:
    for content, kind in ((b"\xff\xfe", "application/json"), (b"[", "application/json"), (b"query", "text/plain")):
        async with anonymous.session.post(platform.url, data=content, headers={"content-type": kind}) as response:
            assert 400 <= response.status < 500, content
            answer = await response.json(content_type=None)
            assert answer["errors"][0]["extensions"]["code"]
    huge = b'{"query": "' + b" " * 3_000_000 + b'{ me { id } }"}'
    async with anonymous.session.post(
        platform.url, data=huge, headers={"content-type": "application/json"}
    ) as response:
        assert response.status == 413


async def test_ids_that_are_none(user: Client) -> None:
    for wrong in ("", "x", "QWdlbnQ6", "💥", "A" * 5000):
        answer = await user.execute("query($id: ID!) { instance(id: $id) { id } }", {"id": wrong})
        assert (answer.get("data") or {}).get("instance") is None
    assert (await user.ask("{ me { displayName } }"))["me"]


async def test_errors_tell_nothing_of_the_inside(anonymous: Client) -> None:
    for _, body, _, _ in CASES:
        _, answer = await anonymous.post(body)
        text = str(answer)
        for inside in ("Traceback", "site-packages", "asyncpg", "sqlalchemy", "SELECT "):
            assert inside not in text, answer
