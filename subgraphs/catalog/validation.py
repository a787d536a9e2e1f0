"""Fields of agents and templates -> every problem with its path at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.errors import FieldProblem
from subgraphs.common.names import deceptive_character, unseen
from subgraphs.common.parameters import too_large
from subgraphs.common.slugs import MAXIMUM_SLUG, is_slug

MAXIMUM_NAME = 120
MAXIMUM_SUMMARY = 300
MAXIMUM_DESCRIPTION = 20_000
MAXIMUM_TAGS = 16
MAXIMUM_TAG = 40
MAXIMUM_ATTEMPTS = 20
MAXIMUM_TIMEOUT = 86_400
MAXIMUM_WORKFLOW = 128
MAXIMUM_WORKFLOW_VERSION = 64


def entry_problems(values: Mapping[str, Any]) -> list[FieldProblem]:
    """Problems of the fields that agents and templates have in common, of those that are given."""
    problems: list[FieldProblem] = []
    if "slug" in values:
        problems += _slug(values["slug"], ("slug",), MAXIMUM_SLUG)
    if "name" in values:
        problems += _text(values["name"], "name", MAXIMUM_NAME, required=True)
    if "summary" in values:
        problems += _text(values["summary"], "summary", MAXIMUM_SUMMARY)
    if "description" in values:
        problems += _text(values["description"], "description", MAXIMUM_DESCRIPTION, lines=True)
    if "workflow" in values:
        problems += _text(values["workflow"], "workflow", MAXIMUM_WORKFLOW, required=True)
    if "workflow_version" in values:
        problems += _text(values["workflow_version"], "workflowVersion", MAXIMUM_WORKFLOW_VERSION, required=True)
    if "tags" in values:
        problems += _tags(values["tags"])
    problems += _within(values, "max_attempts", "maxAttempts", MAXIMUM_ATTEMPTS)
    problems += _within(values, "timeout_seconds", "timeoutSeconds", MAXIMUM_TIMEOUT)
    return problems


def _within(values: Mapping[str, Any], name: str, path: str, maximum: int) -> list[FieldProblem]:
    value = values.get(name)
    if value is None or 1 <= value <= maximum:
        return []
    return [FieldProblem((path,), f"From 1 to {maximum}.")]


def schema_size_problems(schema: object, settings: CatalogSettings) -> list[FieldProblem]:
    """Problems of an agent's schema of parameters that its size shows."""
    path = ("parametersSchema",)
    if not isinstance(schema, dict):
        return [FieldProblem(path, "A JSON Schema of an object is needed.")]
    return too_large(schema, settings.catalog_max_schema_bytes, path)


def parameters_size_problems(parameters: object, settings: CatalogSettings) -> list[FieldProblem]:
    """Problems of a template's parameters that their size shows."""
    path = ("parameters",)
    if not isinstance(parameters, dict):
        return [FieldProblem(path, "Parameters are an object.")]
    return too_large(parameters, settings.parameters_max_bytes, path)


def lenient(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema for templates: they may leave required parameters to the clients that start from them."""
    return {keyword: value for keyword, value in schema.items() if keyword != "required"}


def _slug(text: str, path: tuple[str, ...], maximum: int) -> list[FieldProblem]:
    if not is_slug(text, maximum):
        message = f"Words of a-z and 0-9 joined by single hyphens, at most {maximum} characters."
        return [FieldProblem(path, message)]
    return []


def _text(text: str, name: str, maximum: int, *, required: bool = False, lines: bool = False) -> list[FieldProblem]:
    if required and not text.strip():
        return [FieldProblem((name,), "This must not be empty.")]
    if len(text) > maximum:
        return [FieldProblem((name,), f"At most {maximum} characters are allowed.")]
    allowed = "\n\r\t" if lines else ""
    if any(unicodedata.category(each) == "Cc" and each not in allowed for each in text):
        return [FieldProblem((name,), "Control characters are not allowed.")]
    if not lines and (character := deceptive_character(text)):
        return [FieldProblem((name,), unseen(character))]
    return []


def _tags(tags: Sequence[str]) -> list[FieldProblem]:
    if len(tags) > MAXIMUM_TAGS:
        return [FieldProblem(("tags",), f"At most {MAXIMUM_TAGS} tags are allowed.")]
    return [
        problem for position, tag in enumerate(tags) for problem in _slug(tag, ("tags", str(position)), MAXIMUM_TAG)
    ]
