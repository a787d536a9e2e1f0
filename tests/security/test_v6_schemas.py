"""V6: patterns and references that explode in an agent's schema -> a refusal on publishing, and no stalled loop."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from subgraphs.common.errors import Unavailable
from subgraphs.common.parameters import MAX_DEPTH, MAX_EXPANDED, ParameterChecks, schema_problems, value_problems
from workers.registry import WORKFLOWS

P = ("parameters",)
SLOW_WORDS = ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*)*x", "^([a-z]+)*$", r"(\w+\s?)+$", "^(a*)*$"]
NOT_LINEAR = [r"(a)\1", "(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", "(((a{1000}){1000}){1000}){1000}", "("]


def doubling(count: int, how: Any) -> dict[str, Any]:
    """Definitions that each lead to the next one twice."""
    definitions = {f"d{number}": how({"$ref": f"#/$defs/d{number + 1}"}) for number in range(count)}
    return {
        "type": "object",
        "$defs": {**definitions, f"d{count}": {"type": "object"}},
        "allOf": [{"$ref": "#/$defs/d0"}],
    }


def deep(levels: int) -> dict[str, Any]:
    """Definitions that each hold the next one: shallow as written, deep as expanded."""
    definitions = {f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(levels)}
    return {"type": "object", "$defs": {**definitions, f"d{levels}": {}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}


# A schema that leads to itself twice for the same member: little as expanded, and 2^64 checks for 400 bytes of value.
SAME_MEMBER_TWICE: dict[str, Any] = {
    "type": "object",
    "allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}],
}
BOMBS: dict[str, dict[str, Any]] = {
    "allOf": doubling(19, lambda ref: {"allOf": [ref, ref]}),
    "anyOf": doubling(19, lambda ref: {"anyOf": [ref, ref]}),
    "oneOf": doubling(19, lambda ref: {"oneOf": [ref, ref]}),
    "if and then": doubling(19, lambda ref: {"if": ref, "then": ref, "else": ref}),
    "not and allOf": doubling(19, lambda ref: {"not": ref, "allOf": [ref]}),
    "properties": doubling(19, lambda ref: {"properties": {"a": ref, "b": ref}}),
    "items": doubling(19, lambda ref: {"items": ref, "contains": ref}),
    "dependentSchemas": doubling(19, lambda ref: {"dependentSchemas": {"a": ref, "b": ref}}),
    "patternProperties": doubling(19, lambda ref: {"patternProperties": {"a": ref, "b": ref}}),
    "the same member twice": SAME_MEMBER_TWICE,
    "a circle": {"type": "object", "$defs": {"l": {"$ref": "#/$defs/l"}}, "$ref": "#/$defs/l"},
    "itself": {"type": "object", "allOf": [{"$ref": "#"}]},
    "too deep": deep(MAX_DEPTH),
    "too many patterns": {"type": "object", "properties": {f"p{n}": {"pattern": "a"} for n in range(500)}},
}
HARMLESS: dict[str, dict[str, Any]] = {
    "a tree": {
        "type": "object",
        "properties": {"value": {"type": "number"}, "left": {"$ref": "#"}, "right": {"$ref": "#"}},
    },
    "a list of itself": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}},
    "one definition in many places": {
        "type": "object",
        "$defs": {"d": {"type": "string", "pattern": r"^[\w-]{1,64}$"}},
        "properties": {f"p{number}": {"$ref": "#/$defs/d"} for number in range(200)},
    },
    "a level below the limit": deep(MAX_DEPTH // 2 - 5),
    **{slug: workflow.input_model.model_json_schema() for slug, workflow in WORKFLOWS.items()},
}


@pytest.fixture
async def checks() -> AsyncIterator[ParameterChecks]:
    made = ParameterChecks(processes=1, seconds=2.0)
    yield made
    await made.aclose()


@pytest.mark.parametrize("pattern", SLOW_WORDS)
def test_a_pattern_that_backtracks_elsewhere_takes_no_time_here(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    assert schema_problems(schema, P) == []
    started = time.perf_counter()
    value_problems(schema, {"a": "a" * 100_000 + "!"}, P)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("pattern", NOT_LINEAR)
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_pattern_that_cannot_be_linear_is_refused_when_it_is_published(pattern: str, keyword: str) -> None:
    inner = {keyword: pattern if keyword == "pattern" else {pattern: {}}}
    (problem,) = schema_problems({"type": "object", "properties": {"a": inner}}, P)
    assert problem.path[:4] == (*P, "properties", "a", keyword)
    assert "linear time" in problem.message


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_schema_that_explodes_is_refused_when_it_is_published(bomb: dict[str, Any]) -> None:
    started = time.perf_counter()
    problems = schema_problems(bomb, P)
    assert time.perf_counter() - started < 1
    assert problems
    assert problems[0].path == P


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_one_that_was_stored_before_checks_nothing(bomb: dict[str, Any]) -> None:
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"a": value, "b": {}}
    started = time.perf_counter()
    (problem,) = value_problems(bomb, value, P)
    assert time.perf_counter() - started < 1
    assert "can't be checked safely" in problem.message


@pytest.mark.parametrize("schema", HARMLESS.values(), ids=HARMLESS.keys())
def test_schemas_that_people_write_are_taken(schema: dict[str, Any]) -> None:
    assert schema_problems(schema, P) == []


def test_the_largest_schema_is_measured_quickly() -> None:
    many = {f"p{number}": {"type": "string", "enum": ["a", "b"]} for number in range(1_500)}
    schema = {"type": "object", "properties": {"a": {"properties": many, "items": {"$ref": "#"}}}}
    started = time.perf_counter()
    assert schema_problems(schema, P) == []
    assert time.perf_counter() - started < 1
    assert MAX_EXPANDED > 1_500 * 3


async def longest_stall(work: Any) -> tuple[Any, float]:
    """Result of an awaitable, and for how long the loop served no other task meanwhile."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            longest = max(longest, time.perf_counter() - before - 0.005)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.02)
    result = await work
    watching.cancel()
    return result, longest


# Patterns of this size are linear, and their factor is large: 20,000 states for every character.
HEAVY: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "string", "pattern": "^(.*x.{1,2000}y)*.{1,2000}z$"}}},
}


async def test_what_takes_long_is_ended_by_a_clock_and_stalls_no_other(checks: ParameterChecks) -> None:
    value = {"a": ["xy" * 200_000 + "!"] * 2}
    await checks.value(HEAVY, {"a": ["x" * 5_000]}, P)  # The process is started.
    started = time.perf_counter()
    problems, stall = await longest_stall(checks.value(HEAVY, value, P))
    assert time.perf_counter() - started < 4
    assert [problem.path for problem in problems] == [P] or problems
    assert stall < 0.3
    # Another process answers the next one.
    assert await checks.value({"type": "object"}, {"a": "x" * 10_000}, P) == []


async def test_a_large_value_is_checked_apart_and_a_small_one_at_once(checks: ParameterChecks) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}
    assert await checks.value(schema, {"a": [1]}, P) == []
    assert not checks._idle
    (problem,) = await checks.value(schema, {"a": [*range(10_000), "x"]}, P)
    assert problem.message == "`a[10000]` must be a whole number."
    assert len(checks._idle) == 1


async def test_a_request_that_ends_leaves_no_half_answer_for_the_next(checks: ParameterChecks) -> None:
    large = {"a": "x" * 20_000}
    for number in range(20):
        task = asyncio.create_task(checks.value({"type": "object", "required": [f"r{number}"]}, large, P))
        await asyncio.sleep(0.001 * (number % 5))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        (problem,) = await checks.value({"type": "object", "required": ["own"]}, large, P)
        assert problem.path == (*P, "own")


async def test_too_many_that_wait_are_refused_with_the_reason() -> None:
    checks = ParameterChecks(processes=1, max_waiting=3)
    large = {"a": "x" * 20_000}
    answers = await asyncio.gather(
        *(checks.value({"type": "object"}, large, P) for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
    assert answers.count([]) == 3
    await checks.aclose()


@pytest.mark.parametrize("slug", WORKFLOWS)
def test_a_workers_own_models_have_no_engine_that_backtracks(slug: str) -> None:
    """A run's input is checked by its model in the run's process, which a clock ends; its patterns are linear."""
    waiting: list[type[BaseModel]] = [WORKFLOWS[slug].input_model]
    while waiting:
        model = waiting.pop()
        assert model.model_config.get("regex_engine", "rust-regex") == "rust-regex"
        for field in model.model_fields.values():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                waiting.append(field.annotation)
