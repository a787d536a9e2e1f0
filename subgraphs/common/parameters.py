"""JSON Schemas and values of parameters -> problems with their paths; schemas from strangers stay harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from itertools import islice
from json import dumps
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from subgraphs.common.errors import FieldProblem

# Enough for a form to mark its fields; a list of a million wrong items makes no million problems.
MAXIMUM_PROBLEMS = 50
MAXIMUM_MESSAGE = 300

# Below this a check takes a few milliseconds; above, it leaves the event loop alone.
QUICK_BYTES = 8 * 1024

# No `retrieve`: a `$ref` that leads out of the schema is an error, never a download.
_REGISTRY: Registry[Any] = Registry()


def _unique_items(_: Any, wanted: bool, instance: object, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    if not wanted or not isinstance(instance, list):
        return
    seen: set[str] = set()
    for position, item in enumerate(instance):
        canonical = dumps(_canonical(item), sort_keys=True)
        if canonical in seen:
            yield ValidationError(f"The item at {position} occurs before.")
            return
        seen.add(canonical)


def _canonical(value: object) -> object:
    """Values that JSON Schema calls equal, made so: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _canonical(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    return value


# jsonschema compares each item with each other one: 3,000 objects took 8 s.
_Validator = extend(Draft202012Validator, {"uniqueItems": _unique_items})  # type: ignore[no-untyped-call]


def schema_problems(schema: Mapping[str, Any], path: tuple[str, ...]) -> list[FieldProblem]:
    """What is wrong with a JSON Schema (2020-12) for parameters."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as problem:
        return [_problem(problem, path)]
    if schema.get("type") != "object":
        return [FieldProblem((*path, "type"), 'Parameters are an object: the schema needs "type": "object".')]
    for place, reference in _references(schema, path):
        if not reference.startswith("#"):
            return [FieldProblem(place, "A reference may only lead to a place in the schema itself.")]
    return []


def value_problems(schema: Mapping[str, Any], value: object, path: tuple[str, ...]) -> list[FieldProblem]:
    """What is wrong with a value by a schema, at most `MAXIMUM_PROBLEMS`, ordered by their paths."""
    validator = _Validator(schema, registry=_REGISTRY)
    try:
        found = list(islice(validator.iter_errors(value), MAXIMUM_PROBLEMS))
    except Unresolvable:
        return [FieldProblem(path, "The agent's schema refers to something that is not in it.")]
    except RecursionError:
        return [FieldProblem(path, "The value, or the agent's schema, is nested too deeply.")]
    return sorted((_problem(each, path) for each in found), key=lambda each: each.path)


async def check_value(schema: Mapping[str, Any], value: object, path: tuple[str, ...]) -> list[FieldProblem]:
    """As `value_problems`; a large value is checked in a thread, so that others are served meanwhile."""
    if json_size(value) <= QUICK_BYTES:
        return value_problems(schema, value, path)
    return await asyncio.to_thread(value_problems, schema, value, path)


def json_size(value: object) -> int:
    """How many bytes the value takes as JSON; numbers beyond 64 bits count as too many."""
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return 2**63


def _problem(error: ValidationError | SchemaError, path: tuple[str, ...]) -> FieldProblem:
    place = (*path, *(str(step) for step in error.absolute_path))
    message = error.message
    required = error.validator_value
    if error.validator == "required" and isinstance(error.instance, dict) and isinstance(required, list):
        # The path of what is missing, not of what misses it: that is where a form marks it.
        missing = [name for name in required if name not in error.instance]
        named = next((name for name in missing if message.startswith(repr(name))), None)
        if named is not None:
            return FieldProblem((*place, named), "This is required.")
    if len(message) > MAXIMUM_MESSAGE:
        message = message[:MAXIMUM_MESSAGE] + "…"
    return FieldProblem(place, message)


def _references(schema: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(schema, Mapping):
        for name, part in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(part, str):
                yield (*path, name), part
            else:
                yield from _references(part, (*path, name))
    elif isinstance(schema, list):
        for position, part in enumerate(schema):
            yield from _references(part, (*path, str(position)))
