"""JSON Schemas and values of parameters -> problems with places; synchronous, for small ones and a separate process.

jsonschema-rs checks: its regular expressions take linear time, and it fetches nothing (docs/adr).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from shared_schema.json_text import json_bytes, json_text
from subgraphs.common.errors import FieldProblem
from subgraphs.common.parameters.graph import Graph, Path
from subgraphs.common.parameters.measure import SchemaSize, measure
from subgraphs.common.parameters.words import schema_problem, value_problem

# Enough for a form to mark its fields; a list of a million wrong items makes no million problems.
MAX_PROBLEMS: Final = 50
#: What is within these takes some milliseconds, and needs no process of its own.
QUICK_SCHEMA_BYTES: Final = 8 * 1024
QUICK_VALUE_BYTES: Final = 4 * 1024
_QUICK_CHECKS: Final = 100
_QUICK_PATTERNS: Final = 20

# Bytes of a compiled pattern. A lookup in Unicode's tables that is repeated a hundred times needs some of them.
_PATTERNS: Final = RegexOptions(size_limit=2_000_000, dfa_size_limit=4_000_000)
_QUICK_PATTERN: Final = RegexOptions(size_limit=64_000, dfa_size_limit=1_000_000)
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that is ready to check values, or why it is not."""

    validator: Draft202012Validator | None
    size: SchemaSize
    #: Its patterns, its size and what a place can need are all small.
    is_quick: bool


def schema_problems(schema: Mapping[str, Any], path: Path) -> list[FieldProblem]:
    """Problems of a JSON Schema (2020-12) for parameters: invalid parts, and parts that are too large."""
    if schema.get("type") != "object":
        return [FieldProblem((*path, "type"), 'Parameters are an object: the schema needs "type": "object".')]
    # Measured before anything reads it as a schema.
    graph = Graph(schema, path)
    if problems := graph.problems[:MAX_PROBLEMS] or measure(graph).problems(path):
        return problems
    try:
        _validator(schema, _PATTERNS)
    except ValidationError as error:
        return [schema_problem(error, path)]
    return []


def too_large(value: object, max_bytes: int, path: Path) -> list[FieldProblem]:
    """The problem of a value that takes more bytes than are allowed where it is stored, if it does."""
    size = json_bytes(value)
    if size <= max_bytes:
        return []
    subject = "The schema" if path[-1:] == ("parametersSchema",) else "The parameters"
    verb = "takes" if subject == "The schema" else "take"
    return [FieldProblem(path, f"{subject} {verb} {size:,} bytes of JSON; at most {max_bytes:,} are allowed.")]


def value_problems(schema: Mapping[str, Any], value: object, path: Path) -> list[FieldProblem]:
    """Problems of a value by a schema, at most `MAX_PROBLEMS`, ordered by their places."""
    compiled = compiled_schema(schema)
    if compiled.validator is None:
        # It was stored by an earlier version, which allowed more.
        return [FieldProblem(path, "The agent's schema can't be checked safely: its publisher has to simplify it.")]
    problems: dict[tuple[Path, str], FieldProblem] = {}
    for error in islice(compiled.validator.iter_errors(value), MAX_PROBLEMS):
        for problem in value_problem(error, schema, value, path):
            problems.setdefault((problem.path, problem.message), problem)
    return sorted(problems.values(), key=lambda each: each.path)[:MAX_PROBLEMS]


_compiled: OrderedDict[str, Compiled] = OrderedDict()


def compiled_schema(schema: Mapping[str, Any]) -> Compiled:
    """The schema, measured and compiled; the ones used last are kept."""
    text = json_text(schema)
    known = _compiled.get(text)
    if known is None:
        known = _compiled[text] = _compile(schema, len(text.encode()))
        while len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    _compiled.move_to_end(text)
    return known


def _compile(schema: Mapping[str, Any], size_in_bytes: int) -> Compiled:
    graph = Graph(schema, ())
    size = measure(graph)
    if graph.problems or size.problems(()):
        return Compiled(None, size, is_quick=True)
    small = size_in_bytes <= QUICK_SCHEMA_BYTES and size.checks <= _QUICK_CHECKS and size.patterns <= _QUICK_PATTERNS
    if small:
        try:
            return Compiled(_validator(schema, _QUICK_PATTERN), size, is_quick=True)
        except ValidationError:
            pass
    try:
        return Compiled(_validator(schema, _PATTERNS), size, is_quick=False)
    except ValidationError:
        return Compiled(None, size, is_quick=True)


def _validator(schema: Mapping[str, Any], patterns: RegexOptions) -> Draft202012Validator:
    return Draft202012Validator(dict(schema), pattern_options=patterns, offline=True, validate_formats=False)
