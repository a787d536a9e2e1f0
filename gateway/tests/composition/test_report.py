"""Reports: what people see, and the forms that machines read."""

import re

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.composition.report import findings, github, sarif, text, to_json

FED = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])\n'
A = Subgraph("a", FED + 'type Query {\n  "How many."\n  count: Int\n  other: Int\n}\n')
B = Subgraph("b", FED + "type Query {\n  count: Int\n  other: Int\n}\n")
SUBGRAPHS = [A, B]
FILES = {"a": "graphs/a b.graphql"}
FOUND = findings(compose(SUBGRAPHS).errors, SUBGRAPHS, FILES)


def test_text_is_grouped_by_code_with_every_place_and_patch() -> None:
    report = text(FOUND)
    assert report.count("INVALID_FIELD_SHARING (2)") == 1
    assert "--> graphs/a b.graphql:4:3 (subgraph a)" in report  # past the description
    assert "--> b:3:3\n" in report
    assert "    4 |   count: Int\n      |   ^^^^^\n" in report
    assert "      -   count: Int\n      +   count: Int @shareable\n" in report
    assert report.count("expected: ") == 1
    assert report.endswith("see: docs/reference/errors/INVALID_FIELD_SHARING.md\n")
    assert text([]) == ""


def test_colours_change_nothing_but_colours() -> None:
    coloured = text(FOUND, colour=True)
    assert "\x1b[1;31merror\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text(FOUND)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    subgraphs = [Subgraph("a", "type Query { a: Nope } # \x1b[2J\x07")]
    report = text(findings(compose(subgraphs).errors, subgraphs))
    assert "\x1b" not in report
    assert "\x07" not in report


def test_json_keeps_what_problems_say() -> None:
    errors = compose(SUBGRAPHS).errors
    answer = to_json(None, FOUND, [])
    assert (answer["ok"], answer["supergraph"], answer["hints"]) == (False, None, [])
    for entry, problem in zip(answer["errors"], errors, strict=True):
        plain = problem.as_dict()
        assert {key: entry[key] for key in ("code", "message", "level")} == {
            key: plain[key] for key in ("code", "message", "level")
        }
        for place, known in zip(entry["locations"], plain["locations"], strict=True):
            assert known.items() <= place.items()
    assert answer["errors"][0]["patch"][0]["text"] == " @shareable"


def test_sarif_names_rules_places_and_fixes() -> None:
    log = sarif(FOUND)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["id"] == "INVALID_FIELD_SHARING"
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("INVALID_FIELD_SHARING", 0, "error")
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "graphs/a%20b.graphql"
    assert physical["region"] == {"startLine": 4, "startColumn": 3, "endColumn": 8}
    assert first["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "b.graphql"
    changes = first["fixes"][0]["artifactChanges"]
    assert [c["artifactLocation"]["uri"] for c in changes] == ["graphs/a%20b.graphql", "b.graphql"]
    assert changes[0]["replacements"][0]["insertedContent"] == {"text": " @shareable"}
    # what the schema of SARIF asks of each result
    assert all(result["message"]["text"] for result in run["results"])


def test_github_annotations_are_escaped() -> None:
    lines = github(FOUND).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("::error file=graphs/a b.graphql,line=4,col=3,title=INVALID_FIELD_SHARING::")
    subgraphs = [Subgraph("a:b,c", "type Query { a: Nope }")]
    (line,) = github(findings(compose(subgraphs).errors, subgraphs)).splitlines()
    assert "file=a%3Ab%2Cc.graphql," in line


def test_hints_are_milder() -> None:
    subgraphs = [
        Subgraph("a", FED + 'type Query {\n  "One."\n  count: Int @shareable\n}\n'),
        Subgraph("b", FED + 'type Query {\n  "Two."\n  count: Int @shareable\n}\n'),
    ]
    found = findings(compose(subgraphs).hints, subgraphs)
    assert text(found).startswith("warning INCONSISTENT_DESCRIPTION")
    assert sarif(found)["runs"][0]["results"][0]["level"] == "warning"
    assert github(found).startswith("::warning ")
