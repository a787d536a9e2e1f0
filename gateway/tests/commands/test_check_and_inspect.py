"""`check` and `inspect` on the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from botberi_gateway.cli import app
from gateway.tests.support.toy_graph import ACCOUNTS, REVIEWS, SUPERGRAPH, federated_sdl


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.graphql").write_text("type Query { a: Int b(x: Int): Int }")
    (tmp_path / "safe.graphql").write_text("type Query { a: Int b(x: Int): Int c: Int }")
    (tmp_path / "odd.graphql").write_text("type Query { a: Int b(x: Int, y: Int): Int }")
    (tmp_path / "worse.graphql").write_text("type Query { b(x: Int): Int }")
    (tmp_path / "bad.graphql").write_text("type Query { b: Nope }")
    (tmp_path / "super.graphql").write_text(SUPERGRAPH)
    for name, sdl in (("accounts", ACCOUNTS), ("reviews", REVIEWS)):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / f"{name}.graphql").write_text(federated_sdl(sdl))
    (tmp_path / "q.graphql").write_text(
        "query Me($with: Boolean!) { me { name again: name reviews @include(if: $with) { body } } }"
    )
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    assert "Traceback" not in result.output
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("new", "options", "status", "said"),
    [
        ("old.graphql", [], 0, "Nothing changed"),
        ("safe.graphql", [], 0, 'FIELD_ADDED "Query.c" was added.'),
        ("odd.graphql", [], 0, "OPTIONAL_ARG_ADDED"),
        ("odd.graphql", ["--fail-on", "dangerous"], 1, "0 breaking, 1 dangerous, 0 safe."),
        ("worse.graphql", [], 1, 'FIELD_REMOVED "Query.a" was removed.'),
        ("worse.graphql", ["--fail-on", "never"], 0, "1 breaking"),
        ("bad.graphql", [], 1, "do not compose"),
        ("missing.graphql", [], 2, "can't be read"),
    ],
)
def test_check(new: str, options: list[str], status: int, said: str) -> None:
    code, out = run("check", "old.graphql", new, *options)
    assert (code, said in out) == (status, True), out


def test_check_in_json() -> None:
    code, out = run("check", "old.graphql", "worse.graphql", "--json")
    answer = json.loads(out)
    assert (code, answer["ok"], answer["counts"]) == (1, False, {"breaking": 1, "dangerous": 0, "safe": 0})
    assert answer["changes"][0]["coordinate"] == "Query.a"


def test_check_takes_supergraphs_lists_and_folders(folder: Path) -> None:
    entries = [{"name": p.stem, "file": f"set/{p.name}"} for p in (folder / "set").iterdir()]
    (folder / "set.yaml").write_text(json.dumps(entries))
    assert run("check", "set", "set.yaml") == (0, "Nothing changed for clients.\n")
    code, out = run("check", "super.graphql", "set", "--fail-on", "never")
    assert code == 0, out
    (folder / "empty").mkdir()
    assert run("check", "empty", "set")[0] == 2


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("supergraph", ["subgraphs\n  accounts: ", "object User", 'keys: "id" in accounts']),
        ("graph", ["User\n  entered: accounts by User", "reviews: reviews"]),
        ("operation", ["kind: query", "$with: Boolean!", "again: name", "reviews if $with"]),
        (
            "fetches",
            ["requests: 2", "step: 1", "subgraph: accounts", "step: 2", "subgraph: reviews", "at: ", "if: $with"],
        ),
        ("fetches", ["because: for Query.", "User.reviews, key 'id' of User"]),
        ("plan", ["QueryPlan {", 'service: "reviews"']),
        (
            "program",
            [
                "fetch 1 (reviews)\n    after: fetch 0\n    rows1_0\n      for: me\n      row by: the key id",
                "me: User\n        each of: fetch 0",
                "name: String!: fetch 0",
                "reviews: [Review!]!\n            each of: rows1_0",
            ],
        ),
        (
            "code",
            [
                "# $with = false\n# flight: this execution",
                "\nasync def run(flight):",
                "# $with = false, when run often\n# flight: this execution",
                "v_name_0 = ",
            ],
        ),
    ],
)
def test_each_stage_can_be_looked_at(stage: str, said: list[str]) -> None:
    query = ["--query", "q.graphql"] if stage in ("operation", "fetches", "plan", "program", "code") else []
    code, out = run("inspect", stage, "--supergraph", "super.graphql", *query)
    assert code == 0, out
    for words in said:
        assert words in out, out
    code, data = run("inspect", stage, "--supergraph", "super.graphql", *query, "--json")
    assert code == 0
    assert json.loads(data)
    code, composed = run("inspect", stage, "set/accounts.graphql", "set/reviews.graphql", *query)
    assert code == 0, composed


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["plan", "--supergraph", "super.graphql"], 2, "needs --query"),
        (["graph"], 2, "Give SDL files"),
        (["everything", "--supergraph", "super.graphql"], 2, "everything"),
        (["graph", "--supergraph", "old.graphql"], 1, "INVALID_SUPERGRAPH"),
        (["graph", "bad.graphql"], 1, "do not compose"),
        (["plan", "--supergraph", "super.graphql", "--query", "old.graphql"], 1, "OPERATION_RESOLUTION_FAILURE"),
        (["operation", "old.graphql", "--query", "q.graphql"], 1, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_looked_at(arguments: list[str], status: int, said: str) -> None:
    code, out = run("inspect", *arguments)
    assert (code, said in out) == (status, True), out


def test_inspect_lists_deferred_fetches_behind_what_they_need(folder: Path) -> None:
    (folder / "late.graphql").write_text("{ me { name ... @defer { reviews { body } } } ... @defer { whoami } }")
    code, out = run("inspect", "fetches", "--supergraph", "super.graphql", "--query", "late.graphql", "--json")
    assert code == 0
    found = [(fetch["step"], fetch["subgraph"]) for fetch in json.loads(out)["fetch"]]
    assert sorted(found) == [(1, "accounts"), (1, "accounts"), (2, "reviews")]
