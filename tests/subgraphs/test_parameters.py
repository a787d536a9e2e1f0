"""JSON Schemas of users and values for them: every problem with its place, in plain words, and no schema that hurts."""

import time
from typing import Any

import pytest

from subgraphs.common.parameters import MAX_PROBLEMS, schema_problems, value_problems


def problems(schema: dict[str, Any], value: object) -> list[tuple[str, str]]:
    return [("/".join(problem.path[1:]), problem.message) for problem in value_problems(schema, value, ("p",))]


def paths(schema: dict[str, Any], value: object) -> list[str]:
    return ["/".join(problem.path) for problem in value_problems(schema, value, ("p",))]


OBJECT: dict[str, Any] = {"type": "object"}
EITHER: dict[str, Any] = {"oneOf": [{"required": ["rows"]}, {"required": ["csv"]}]}
TEXTS: dict[str, Any] = {
    "$defs": {
        "text": {
            "type": "object",
            "properties": {"language": {"enum": ["de", "en"]}, "text": {"type": "string", "minLength": 1}},
            "required": ["text"],
            "additionalProperties": False,
        }
    },
    "properties": {"texts": {"type": "array", "items": {"$ref": "#/$defs/text"}}},
}


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


WORDS: dict[str, tuple[dict[str, Any], object, list[tuple[str, str]]]] = {
    "type": ({"properties": {"a": {"type": "string"}}}, {"a": 1}, [("a", "`a` must be a text.")]),
    "types": (
        {"properties": {"a": {"type": ["integer", "null"]}}},
        {"a": "x"},
        [("a", "`a` must be a whole number or null.")],
    ),
    "the whole": (OBJECT, [], [("", "The parameters must be an object.")]),
    "required": (TEXTS, {"texts": [{}]}, [("texts/0/text", "`texts[0].text` is required, and missing.")]),
    "enum": (
        TEXTS,
        {"texts": [{"text": "a"}, {"text": "b"}, {"text": "c"}, {"text": "d", "language": "secret"}]},
        [("texts/3/language", '`texts[3].language` must be one of "de", "en".')],
    ),
    "additionalProperties": (
        TEXTS,
        {"texts": [{"text": "a", "lang": 1}]},
        [("texts/0/lang", "`texts[0].lang` is not known here.")],
    ),
    "additionalProperties alone": ({"additionalProperties": False}, {"x": 1}, [("x", "`x` is not known here.")]),
    "unevaluatedProperties": ({"unevaluatedProperties": False}, {"x": 1}, [("x", "`x` is not known here.")]),
    "const": ({"properties": {"a": {"const": {"b": 1}}}}, {"a": 2}, [("a", '`a` must be {"b": 1}.')]),
    "minLength": (TEXTS, {"texts": [{"text": ""}]}, [("texts/0/text", "`texts[0].text` needs at least 1 character.")]),
    "maxLength": (
        {"properties": {"a": {"maxLength": 2000}}},
        {"a": "x" * 2001},
        [("a", "`a` may have at most 2,000 characters.")],
    ),
    "pattern": (
        {"properties": {"a": {"pattern": "^[a-z]+$"}}},
        {"a": "A"},
        [("a", '`a` must match the pattern "^[a-z]+$".')],
    ),
    "minimum": ({"properties": {"a": {"minimum": 1}}}, {"a": 0}, [("a", "`a` must be at least 1.")]),
    "maximum": ({"properties": {"a": {"maximum": 1.5}}}, {"a": 2}, [("a", "`a` must be at most 1.5.")]),
    "exclusiveMinimum": ({"properties": {"a": {"exclusiveMinimum": 1}}}, {"a": 1}, [("a", "`a` must be more than 1.")]),
    "exclusiveMaximum": ({"properties": {"a": {"exclusiveMaximum": 1}}}, {"a": 1}, [("a", "`a` must be less than 1.")]),
    "multipleOf": ({"properties": {"a": {"multipleOf": 5}}}, {"a": 7}, [("a", "`a` must be a multiple of 5.")]),
    "minItems": ({"properties": {"a": {"minItems": 2}}}, {"a": [1]}, [("a", "`a` needs at least 2 items.")]),
    "maxItems": ({"properties": {"a": {"maxItems": 1}}}, {"a": [1, 2]}, [("a", "`a` may have at most 1 item.")]),
    "items beyond": (
        {"properties": {"a": {"prefixItems": [{}], "items": False}}},
        {"a": [1, 2]},
        [("a/1", "`a[1]` is not allowed here.")],
    ),
    "unevaluatedItems": (
        {"properties": {"a": {"prefixItems": [{}], "unevaluatedItems": False}}},
        {"a": [1, 2]},
        [("a", "`a` has items beyond those that are known here.")],
    ),
    "uniqueItems": (
        {"properties": {"a": {"uniqueItems": True}}},
        {"a": [1, 1]},
        [("a", "`a` has the same item twice.")],
    ),
    "contains": (
        {"properties": {"a": {"contains": {"type": "integer"}}}},
        {"a": ["x"]},
        [("a", "`a` needs at least 1 item of the form that it is about.")],
    ),
    "minContains": (
        {"properties": {"a": {"contains": {"type": "integer"}, "minContains": 2}}},
        {"a": [1]},
        [("a", "`a` needs at least 2 items of the form that it is about.")],
    ),
    "maxContains": (
        {"properties": {"a": {"contains": {"type": "integer"}, "maxContains": 1}}},
        {"a": [1, 2]},
        [("a", "`a` may have at most 1 item of the form that it is about.")],
    ),
    "minProperties": ({"minProperties": 1}, {}, [("", "The parameters need at least 1 member.")]),
    "maxProperties": ({"maxProperties": 1}, {"a": 1, "b": 1}, [("", "The parameters may have at most 1 member.")]),
    "propertyNames": (
        {"propertyNames": {"maxLength": 2}},
        {"long": 1},
        [("long", "`long` has a name that does not fit: it may have at most 2 characters.")],
    ),
    "dependentRequired": (
        {"dependentRequired": {"a": ["b"]}},
        {"a": 1},
        [("b", "`b` is required, and missing.")],
    ),
    "dependentSchemas": (
        {"dependentSchemas": {"a": {"required": ["b"]}}},
        {"a": 1},
        [("b", "`b` is required, and missing.")],
    ),
    "none of two": (EITHER, {}, [("", "The parameters need one of `rows`, `csv`.")]),
    "both of two": (EITHER, {"rows": 1, "csv": 1}, [("", "The parameters take only one of `rows`, `csv`.")]),
    "anyOf": (
        {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
        {"a": 1},
        [("a", "`a` fits none of its forms: it must be a text or must be null.")],
    ),
    "anyOf, meant to be one": (
        {"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"minimum": 1}}]}}},
        {"a": [1, 0]},
        [("a/1", "`a[1]` must be at least 1.")],
    ),
    "not": (
        {"properties": {"a": {"not": {"type": "null"}}}},
        {"a": None},
        [("a", "`a` has a form that is not allowed here.")],
    ),
    "then": (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"a": 1},
        [("b", "`b` is required, and missing.")],
    ),
    "false": ({"properties": {"a": False}}, {"a": 1}, [("a", "`a` is not allowed here.")]),
    "an odd name": (
        {"additionalProperties": {"type": "null"}},
        {"a b\n": 1},
        [("a b\n", '`["a b\\n"]` must be null.')],
    ),
}


@pytest.mark.parametrize(("schema", "value", "expected"), WORDS.values(), ids=WORDS.keys())
def test_words(schema: dict[str, Any], value: object, expected: list[tuple[str, str]]) -> None:
    assert problems(schema, value) == expected


def test_no_sentence_quotes_the_value() -> None:
    for schema, _, _ in WORDS.values():
        for secret in ("hunter2", ["hunter2", "hunter2"], {"texts": ["hunter2"], "a": "hunter2"}):
            assert all("hunter2" not in message for _, message in problems(schema, secret))


def test_problems_are_bounded_in_number_and_length() -> None:
    many = value_problems({"items": {"type": "string"}}, [1] * 10_000, ("p",))
    assert len(many) == MAX_PROBLEMS
    unknown = value_problems({"additionalProperties": False}, {f"n{number}": 1 for number in range(10_000)}, ("p",))
    assert len(unknown) == MAX_PROBLEMS
    (long,) = value_problems({"const": "x" * 10_000}, 1, ("p",))
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
        ({"type": "object", "patternProperties": {"(": {}}}, ["p/patternProperties/("]),
        ({"type": "object", "allOf": [{"$ref": "file:///etc/passwd"}]}, ["p/allOf/0/$ref"]),
        ({"type": "object", "allOf": [{"$ref": "#/$defs/none"}]}, ["p/allOf/0/$ref"]),
        ({"type": "object", "allOf": [{"$ref": "#/type"}]}, ["p/allOf/0/$ref"]),
        ({"type": "object", "allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {}}}, []),
        ({"type": "object", "properties": {"a": {"$dynamicRef": "#"}}}, ["p/properties/a/$dynamicRef"]),
        ({"type": "object", "properties": {"a": {"$id": "http://a/b", "$ref": "#"}}}, ["p/properties/a/$id"]),
        ({"type": "object", "properties": {"$ref": {"type": "string"}}}, []),
        ({"type": "object", "properties": {"child": {"$ref": "#"}, "next": {"items": {"$ref": "#"}}}}, []),
    ],
)
def test_schemas(schema: dict[str, Any], expected: list[str]) -> None:
    found = ["/".join(problem.path) for problem in schema_problems(schema, ("p",))]
    assert found[: len(expected) or None] == expected
