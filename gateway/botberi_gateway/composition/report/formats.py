"""Findings -> JSON, SARIF 2.1.0 and GitHub annotations."""

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import quote

from botberi_gateway.composition.report.edits import Edit
from botberi_gateway.composition.report.findings import Finding, Place

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVELS: Final = {"ERROR": "error", "WARN": "warning", "INFO": "note", "DEBUG": "note"}
_GITHUB_LEVELS: Final = {"ERROR": "error", "WARN": "warning", "INFO": "notice", "DEBUG": "notice"}


def to_json(supergraph: str | None, errors: Sequence[Finding], hints: Sequence[Finding]) -> dict[str, Any]:
    """`{ok, supergraph, errors, hints}`."""
    return {
        "ok": not errors,
        "supergraph": supergraph,
        "errors": [one.as_dict() for one in errors],
        "hints": [one.as_dict() for one in hints],
    }


def sarif(found: Sequence[Finding]) -> dict[str, Any]:
    """One run; a rule for each code that was found."""
    rules = {one.code: one for one in reversed(found)}
    codes = sorted(rules)
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "botberi-gateway compose",
                        "version": _version(),
                        "rules": [_rule(rules[code]) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, codes) for one in found],
            }
        ],
    }


def github(found: Iterable[Finding]) -> str:
    """A line of workflow commands for each finding, at its first place."""
    lines = []
    for one in found:
        properties = {"title": one.code}
        if one.places:
            at = one.places[0]
            properties = {"file": at.file or f"{at.subgraph}.graphql", "line": str(at.line), "col": str(at.column)}
            properties["title"] = one.code
        body = "\n".join([one.message, *one.details, f"Expected: {one.expected}"])
        listed = ",".join(f"{name}={_escape(value, ':,')}" for name, value in properties.items())
        lines.append(f"::{_GITHUB_LEVELS[one.level]} {listed}::{_escape(body)}")
    return "".join(f"{line}\n" for line in lines)


def _escape(text: str, more: str = "") -> str:
    """As workflow commands ask for it: percent signs first."""
    for sign in "%\r\n" + more:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _version() -> str:
    try:
        return version("botberi-gateway")
    except PackageNotFoundError:  # run from a source tree that isn't installed
        return "0"


def _rule(one: Finding) -> dict[str, Any]:
    return {
        "id": one.code,
        "shortDescription": {"text": one.says or one.code},
        "help": {"text": f"{one.expected} See {one.page}."},
        "defaultConfiguration": {"level": _SARIF_LEVELS[one.level]},
    }


def _result(one: Finding, codes: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.code,
        "ruleIndex": codes.index(one.code),
        "level": _SARIF_LEVELS[one.level],
        "message": {"text": "\n".join([one.message, *one.details])},
        "locations": [_location(place) for place in one.places[:1]],
    }
    if one.places[1:]:
        result["relatedLocations"] = [_location(place) for place in one.places[1:]]
    if one.patch:
        result["fixes"] = [_fix(one)]
    return result


def _location(place: Place) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.file, place.subgraph)},
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endColumn": place.column + place.width,
            },
        },
        "logicalLocations": [{"name": place.subgraph, "kind": "module"}],
    }


def _fix(one: Finding) -> dict[str, Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in one.patch:
        by_file.setdefault(_uri(edit.file, edit.subgraph), []).append(edit)
    return {
        "description": {"text": one.expected},
        "artifactChanges": [
            {
                "artifactLocation": {"uri": uri},
                "replacements": [
                    {
                        "deletedRegion": {
                            "startLine": edit.line,
                            "startColumn": edit.column,
                            "endLine": edit.end_line,
                            "endColumn": edit.end_column,
                        },
                        "insertedContent": {"text": edit.text},
                    }
                    for edit in edits
                ],
            }
            for uri, edits in by_file.items()
        ],
    }


def _uri(file: str | None, subgraph: str) -> str:
    """A relative reference; a subgraph that came from no file gets a name like one."""
    return quote(file.replace("\\", "/")) if file else quote(f"{subgraph}.graphql", safe="")
