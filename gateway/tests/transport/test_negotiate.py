"""Accept and Content-Type headers, as tables."""

import pytest

from botberi_gateway.transport.negotiate import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    JSON,
    choose,
    is_utf8,
    parse_media_type,
    prefers_html,
)

OFFERED = (JSON, GRAPHQL_JSON, EVENT_STREAM)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL_JSON),
        ("application/graphql-response+json, application/json", JSON),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8;q=0.5", GRAPHQL_JSON),
        ("application/json;q=0.5, */*;q=0.1", JSON),
        ("text/event-stream", EVENT_STREAM),
        ("text/event-stream, */*;q=0.1", EVENT_STREAM),
        ("APPLICATION/JSON", JSON),
        ("application/json;q=0", None),
        ("application/json; charset=utf-16", None),
        ("text/plain", None),
        ("nonsense", None),
        ("", JSON),
        ("application/json;q=banana", None),
        (",,,;;;===", None),
        ("*/*;q=0.1, application/graphql-response+json", GRAPHQL_JSON),
        ("application/json;q=0, */*", GRAPHQL_JSON),
    ],
)
def test_the_answer_is_what_the_client_likes_best(accept: str | None, expected: str | None) -> None:
    assert choose(accept, OFFERED) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        (None, False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
    ],
)
def test_only_a_navigation_prefers_html(accept: str | None, expected: bool) -> None:
    assert prefers_html(accept) is expected


def test_a_header_of_many_parts_costs_little() -> None:
    assert choose("a/b," * 200_000) is None
    assert parse_media_type("application/json" + ";a=b" * 100_000)[0] == "application/json"


@pytest.mark.parametrize(
    ("charset", "good"), [(None, True), ("utf-8", True), ("UTF-8", True), ("utf8", True), ("latin1", False)]
)
def test_only_utf8_is_spoken(charset: str | None, good: bool) -> None:
    assert is_utf8(charset) is good
