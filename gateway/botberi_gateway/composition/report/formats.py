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
        "errors": [finding.as_dict() for finding in errors],
        "hints": [finding.as_dict() for finding in hints],
    }


def sarif(results: Sequence[Finding]) -> dict[str, Any]:
    """One run; a rule for each code that was found."""
    rules = {finding.code: finding for finding in reversed(results)}
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
                "results": [_result(finding, codes) for finding in results],
            }
        ],
    }


def github(results: Iterable[Finding]) -> str:
    """A line of workflow commands for each finding, at its first place."""
    lines = []
    for finding in results:
        properties = {"title": finding.code}
        if finding.places:
            at = finding.places[0]
            properties = {"file": at.file or f"{at.subgraph}.graphql", "line": str(at.line), "col": str(at.column)}
            properties["title"] = finding.code
        body = "\n".join([finding.message, *finding.details, f"Expected: {finding.expected}"])
        listed = ",".join(f"{name}={_escape(value, ':,')}" for name, value in properties.items())
        lines.append(f"::{_GITHUB_LEVELS[finding.level]} {listed}::{_escape(body)}")
    return "".join(f"{line}\n" for line in lines)


def _escape(text: str, more: str = "") -> str:
    """The text as GitHub's workflow commands need it; percent signs are escaped first."""
    for sign in "%\r\n" + more:
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def _version() -> str:
    try:
        return version("botberi-gateway")
    except PackageNotFoundError:  # run from a source tree that isn't installed
        return "0"


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.code,
        "shortDescription": {"text": finding.says or finding.code},
        "help": {"text": f"{finding.expected} See {finding.page}."},
        "defaultConfiguration": {"level": _SARIF_LEVELS[finding.level]},
    }


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _SARIF_LEVELS[finding.level],
        "message": {"text": "\n".join([finding.message, *finding.details])},
        "locations": [_location(place) for place in finding.places[:1]],
    }
    if finding.places[1:]:
        result["relatedLocations"] = [_location(place) for place in finding.places[1:]]
    if finding.patch:
        result["fixes"] = [_fix(finding)]
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


def _fix(finding: Finding) -> dict[str, Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in finding.patch:
        by_file.setdefault(_uri(edit.file, edit.subgraph), []).append(edit)
    return {
        "description": {"text": finding.expected},
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
