"""JSON Schemas of strangers and values for them: every problem with its path, and no schema that hurts."""

import time
from typing import Any

import pytest

from subgraphs.common.parameters import MAXIMUM_PROBLEMS, schema_problems, value_problems


def paths(schema: dict[str, Any], value: object) -> list[str]:
    return ["/".join(problem.path) for problem in value_problems(schema, value, ("p",))]


OBJECT: dict[str, Any] = {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (OBJECT, {}, []),
        (OBJECT, [], ["p"]),
        ({"required": ["a", "b"]}, {"b": 1}, ["p/a"]),
        ({"required": ["a", "b"]}, {}, ["p/a", "p/b"]),
        ({"properties": {"a": {"required": ["b"]}}}, {"a": {}}, ["p/a/b"]),
        (
            {"properties": {"a": {"items": {"type": "integer"}}}},
            {"a": [1, "x", 1.5, True]},
            ["p/a/1", "p/a/2", "p/a/3"],
        ),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, True, "1", [1], {"x": 1}]}, []),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [1, 1.0]}, ["p/a"]),
        ({"properties": {"a": {"uniqueItems": True}}}, {"a": [{"x": 1, "y": [2]}, {"y": [2.0], "x": 1}]}, ["p/a"]),
        ({"$defs": {"n": {"type": "number"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, {"a": "x"}, ["p/a"]),
        ({"properties": {"a": {"$ref": "#/$defs/none"}}}, {"a": 1}, ["p"]),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}}, {"a": 1}, ["p"]),
        ({"$defs": {"l": {"$ref": "#/$defs/l"}}, "$ref": "#/$defs/l"}, {}, ["p"]),
    ],
)
def test_values(schema: dict[str, Any], value: object, expected: list[str]) -> None:
    assert paths(schema, value) == expected


def test_problems_are_bounded_in_number_and_length() -> None:
    many = value_problems({"items": {"type": "string"}}, [1] * 10_000, ("p",))
    assert len(many) == MAXIMUM_PROBLEMS
    (long,) = value_problems({"type": "string"}, ["x" * 10_000], ("p",))
    assert len(long.message) < 400


def test_unique_items_take_linear_time() -> None:
    started = time.perf_counter()
    assert paths({"uniqueItems": True}, [{"k": number} for number in range(20_000)]) == []
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (OBJECT, []),
        ({}, ["p/type"]),
        ({"type": "object", "required": "a"}, ["p/required"]),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, ["p/properties/a/type"]),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, ["p/properties/a/pattern"]),
        ({"type": "object", "allOf": [{"$ref": "file:///etc/passwd"}]}, ["p/allOf/0/$ref"]),
        ({"type": "object", "allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {}}}, []),
        ({"type": "object", "properties": {"$ref": {"type": "string"}}}, []),
    ],
)
def test_schemas(schema: dict[str, Any], expected: list[str]) -> None:
    assert ["/".join(problem.path) for problem in schema_problems(schema, ("p",))] == expected
