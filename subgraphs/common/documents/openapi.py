"""Endpoints beside GraphQL -> an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

OPENAPI_VERSION: Final = "3.1.0"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `answers` is status -> (what it means, its content type or None for no body)."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, tuple[str, str | None]]
    #: Parameters in the path and the query, name -> meaning; those of the path are in braces there.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: JSON Schema of the body.
    body: Mapping[str, Any] | None = None
    #: Headers that the request needs, name -> meaning.
    headers: Mapping[str, str] = field(default_factory=dict)
    tag: str = "operations"


def openapi(title: str, description: str, version: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The document, ready for JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "description": description, "version": version},
        "paths": paths,
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": {str(status): _answer(*answer) for status, answer in endpoint.answers.items()},
    }
    parameters = [
        {
            "name": name,
            "in": "path" if f"{{{name}}}" in endpoint.path else "query",
            "required": f"{{{name}}}" in endpoint.path,
            "description": meaning,
            "schema": {"type": "string"},
        }
        for name, meaning in endpoint.parameters.items()
    ]
    parameters += [
        {"name": name, "in": "header", "required": True, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in endpoint.headers.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": endpoint.body}}}
    return operation


def _answer(meaning: str, content_type: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": meaning}
    if content_type is not None:
        answer["content"] = {content_type: {"schema": {"type": "string"} if "json" not in content_type else {}}}
    return answer
