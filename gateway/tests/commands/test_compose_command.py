"""`compose` and `contract` on the command line: where subgraphs come from, how problems are printed, exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from botberi_gateway.cli import app
from botberi_gateway.supergraph import Supergraph
from gateway.tests.support.live_server import LiveServer
from gateway.tests.support.subgraph_server import subgraph_services
from gateway.tests.support.toy_graph import ACCOUNTS, REVIEWS, World, federated_sdl

FED = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@tag"])\n'


@pytest.fixture(scope="module")
def services() -> Iterator[LiveServer]:
    with subgraph_services(World()) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accounts.graphql").write_text(federated_sdl(ACCOUNTS))
    (tmp_path / "reviews.graphql").write_text(federated_sdl(REVIEWS))
    (tmp_path / "bad.graphql").write_text(FED + "type Query {\n  a: Nope\n}\n")
    (tmp_path / "also.graphql").write_text(FED + "type Query {\n  b: Nope\n}\n")
    return tmp_path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


def test_sdl_files_named_as_their_subgraphs(files: Path) -> None:
    code, out, _ = run("compose", "accounts.graphql", "reviews.graphql")
    assert code == 0
    assert [g.name for g in Supergraph.from_sdl(out).graphs.values()] == ["accounts", "reviews"]


def test_every_way_to_name_subgraphs_gives_the_same(files: Path, services: LiveServer) -> None:
    urls = {name: f"{services.url}/{name}" for name in ("accounts", "reviews")}
    sdls = {name: (files / f"{name}.graphql").read_text() for name in urls}
    entries = [{"name": name, "url": url, "sdl": sdls[name]} for name, url in urls.items()]
    (files / "list.json").write_text(json.dumps(entries))
    (files / "asked.json").write_text(json.dumps([{"name": name, "url": url} for name, url in urls.items()]))
    (files / "list.yaml").write_text(
        "".join(f"- name: {name}\n  url: {url}\n  file: {name}.graphql\n" for name, url in urls.items())
    )
    (files / "rover.yaml").write_text(
        "federation_version: 2\nsubgraphs:\n"
        f"  accounts:\n    routing_url: {urls['accounts']}\n    schema: {{file: ./accounts.graphql}}\n"
        f"  reviews:\n    routing_url: {urls['reviews']}\n    schema: {{subgraph_url: {urls['reviews']}}}\n"
    )
    made = [
        run("compose", "--input", "list.json"),
        run("compose", "--subgraphs", "asked.json"),
        run("compose", "--input", "list.yaml"),
        run("compose", "--input", "rover.yaml"),
        run("compose", "--subgraph", f"accounts={urls['accounts']}", "--subgraph", f"reviews={urls['reviews']}"),
    ]
    assert [code for code, _, _ in made] == [0] * 5
    graphs = [Supergraph.from_sdl(out) for _, out, _ in made]
    assert all({g.name: g.url for g in graph.graphs.values()} == urls for graph in graphs)
    assert all(graph.types.keys() == graphs[0].types.keys() for graph in graphs)
    assert made[0][1] == made[2][1]


def test_json_says_ok_supergraph_errors_and_hints(files: Path) -> None:
    code, out, _ = run("compose", "accounts.graphql", "reviews.graphql", "--json")
    answer = json.loads(out)
    assert (code, answer["ok"], answer["errors"]) == (0, True, [])
    assert Supergraph.from_sdl(answer["supergraph"]).graphs.keys() == {"ACCOUNTS", "REVIEWS"}
    code, out, _ = run("compose", "bad.graphql", "also.graphql", "--json")
    answer = json.loads(out)
    assert (code, answer["ok"], answer["supergraph"]) == (1, False, None)
    assert [(e["code"], e["locations"][0]["file"], e["locations"][0]["line"]) for e in answer["errors"]] == [
        ("INVALID_GRAPHQL", "also.graphql", 3),
        ("INVALID_GRAPHQL", "bad.graphql", 3),
    ]


def test_people_see_where_and_how(files: Path) -> None:
    code, out, err = run("compose", "bad.graphql", "also.graphql")
    assert (code, out) == (1, "")
    assert "error INVALID_GRAPHQL (2)" in err
    assert "--> bad.graphql:3:6 (subgraph bad)" in err
    assert "    3 |   a: Nope\n      |      ^^^^" in err
    assert err.endswith("The subgraphs do not compose: 2 errors.\n")


def test_machines_get_their_forms(files: Path) -> None:
    code, out, _ = run("compose", "bad.graphql", "--format", "sarif")
    assert (code, json.loads(out)["runs"][0]["results"][0]["ruleId"]) == (1, "INVALID_GRAPHQL")
    code, out, _ = run("compose", "bad.graphql", "--format", "github")
    assert code == 1
    assert out.startswith("::error file=bad.graphql,line=3,col=6,title=INVALID_GRAPHQL::")
    code, out, _ = run("compose", "accounts.graphql", "--format", "github", "-o", "s.graphql")
    assert code == 0
    assert Supergraph.from_sdl((files / "s.graphql").read_text())


@pytest.mark.parametrize(
    ("content", "arguments", "status", "said"),
    [
        ({}, [], 2, "Give SDL files"),
        ({}, ["missing.graphql"], 2, "missing.graphql can't be read: No such file"),
        ({"a.graphql": b"\xff"}, ["a.graphql"], 2, "not UTF-8"),
        ({"l.yaml": b"a: [1"}, ["--input", "l.yaml"], 2, "not valid YAML"),
        ({"l.yaml": b"- !!python/object/apply:os.system [ls]"}, ["--input", "l.yaml"], 2, "not valid YAML"),
        ({"l.yaml": b"just words"}, ["--input", "l.yaml"], 2, "not a list"),
        ({"l.json": b"[" * 100_000}, ["--input", "l.json"], 2, "not valid JSON"),
        ({"l.json": b"[]"}, ["--input", "l.json"], 2, "not a list"),
        ({"l.json": b"[1]"}, ["--input", "l.json"], 2, "entry 0 needs a name"),
        ({"l.json": b'[{"name": "a", "file": "no.graphql"}]'}, ["--input", "l.json"], 2, "no.graphql can't be read"),
        ({"a.graphql": b"type Query { a: Int }"}, ["a.graphql", "--subgraph", "a=a.graphql"], 2, "same name"),
        ({"a.graphql": b"type Query { a: Int }"}, ["a.graphql", "-o", "no/where.graphql"], 2, "can't be written"),
        ({"a.graphql": b""}, ["a.graphql"], 1, "INVALID_GRAPHQL"),
        ({}, ["--subgraph", "a=http://127.0.0.1:1/"], 1, "SUBGRAPH_UNREACHABLE"),
        ({}, ["--format", "xml", "a.graphql"], 2, "--format"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: dict[str, bytes],
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    code, out, err = run("compose", *arguments)
    assert (code, said in out + err) == (status, True), err


def test_every_subgraph_that_is_down_is_named_with_its_url_and_the_cause() -> None:
    code, _, err = run("compose", "--subgraph", "a=http://127.0.0.1:1/x", "--subgraph", "b=http://nowhere.invalid/")
    assert code == 1
    assert "subgraph 'a' at http://127.0.0.1:1/x gave no SDL" in err
    assert "Connect call failed ('127.0.0.1', 1)" in err
    assert "subgraph 'b' at http://nowhere.invalid/ gave no SDL" in err
    assert "Name or service not known" in err or "name resolution" in err


def test_a_variant_by_tags(files: Path) -> None:
    (files / "t.graphql").write_text(FED + 'type Query {\n  a: Int\n  b: Int @tag(name: "internal")\n}\n')
    assert run("compose", "t.graphql", "-o", "s.graphql")[0] == 0
    code, direct, _ = run("compose", "t.graphql", "--exclude-tag", "internal")
    assert code == 0
    code, later, _ = run("contract", "s.graphql", "--exclude-tag", "internal")
    assert (code, later) == (0, direct)
    assert "b" not in Supergraph.from_sdl(later).api_schema.query_type.fields  # type: ignore[union-attr]
    code, _, err = run("contract", "s.graphql", "--include-tag", "none")
    assert code == 1
    assert "ONLY_INACCESSIBLE_CHILDREN" in err
    assert run("contract", "s.graphql")[0] == 2
    assert run("contract", "t.graphql", "--exclude-tag", "x")[0] == 1


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert all(word in result.output for word in ("compose", "contract", "check", "plan", "serve", "inspect"))
