"""A configuration's file, the environment and options: what they set, what is refused and how, what is shown."""

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from botberi_gateway.cli import app
from botberi_gateway.config import GatewayConfig
from botberi_gateway.config.document import parse_document
from botberi_gateway.config.json_schema import json_schema
from botberi_gateway.config.load import hints, in_files, load, shape_of
from botberi_gateway.config.problem import ConfigError
from botberi_gateway.server.checks import CHECKS
from gateway.tests.support.pages import Block, blocks

MANUAL = Path(__file__).parents[3] / "docs/gateway/configuration.md"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "gateway.yaml"
        file.write_text(text)
        return file

    return write


def problems(file: Path | None, **how: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, checks=CHECKS, **how)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serverr: {}", ["1: serverr: there is no such setting; is server meant?"]),
        (
            "engine:\n  operation:\n    max_depht: 3",
            ["3: engine.operation.max_depht: there is no such setting; is engine.operation.max_depth meant?"],
        ),
        ("max_depth: 3", ["1: max_depth: there is no such setting; is engine.operation.max_depth meant?"]),
        (
            "server:\n  max-header-bytes: 9",
            ["2: server.max-header-bytes: "],
        ),
        ("server: {port: many}", ["1: server.port: it needs a whole number, not 'many'"]),
        ("server: {port: 70000}", ["1: server.port: it needs at most 65535, not '70000'"]),
        ("engine: {operation: {max_depth: 0}}", ["1: engine.operation.max_depth: it needs at least 1, not '0'"]),
        (
            "engine: {planning_timeout_seconds: -1}",
            ["_seconds: it needs more than 0, not '-1'"],
        ),
        (
            "engine: {planning_timeout_seconds: .nan}",
            ["_seconds: it needs a number, not '.nan'"],
        ),
        ("server: {metrics: yes}", ["1: server.metrics: it needs true or false, not 'yes'"]),
        ("log: {level: loud}", ["1: log.level: it needs one of debug, info, warning, error, not 'loud'"]),
        ("transport: {allowed_origins: https://a.example}", ["1: transport.allowed_origins: it needs a list"]),
        ("server: 3", ["1: server: it needs a mapping of settings"]),
        ("server: {port: 1}\nserver: {port: 2}", ["1: server: it is given twice"]),
        ("- 1", ["1: it is no mapping of settings"]),
        ("a: [1", ["1: it is not valid YAML: expected ',' or ']', but got '<stream end>'"]),
        (
            "server: {host: '${NOT_SET_HERE}'}",
            ["1: server.host: the environment has no NOT_SET_HERE"],
        ),
        ("server: {path: graphql}", ["1: server.path: 'graphql' does not begin with a slash"]),
        ("transport: {public_url: ftp://x}", ["1: transport.public_url: 'ftp://x' is no http or https URL"]),
        ("transport: {forward_headers: [host]}", ["these headers can't"]),
        (
            "graph: {subgraphs: {a: {schema: {sdl: x}}}}",
            ["graph.subgraphs.a: it needs a url or an app"],
        ),
        ("graph: {supergraph: {sdl: a, file: b}}", ["graph.supergraph: it needs one of file, url and sdl"]),
        (
            "graph: {subgraphs: {a: {url: localhost}}}",
            ["1: graph.subgraphs.a.url: it needs a URL"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(written: Callable[[str], Path], text: str, expected: list[str]) -> None:
    said = problems(written(text))
    assert len(said) == len(expected)
    for line, part in zip(said, expected, strict=True):
        assert part.lower() in line.lower(), line


def test_all_mistakes_are_said_at_once(written: Callable[[str], Path]) -> None:
    file = written("server: {port: x, paht: /}\nlog: {level: '${NOT_SET_HERE}'}")
    said = problems(file, environ={"BOTBERI_GATEWAY__SERVER__PROT": "1"}, options={"engine.max_errors": "0"})
    assert [line.split(": ")[0:2] for line in said] == [
        ["2", "log.level"],
        ["1", "server.port"],
        ["1", "server.paht"],
        ["BOTBERI_GATEWAY__SERVER__PROT", "server.prot"],
        ["option", "engine.max_errors"],
    ]


def test_an_option_wins_over_the_environment_and_that_over_the_file(written: Callable[[str], Path]) -> None:
    file = written("engine: {operation: {max_depth: 1, max_aliases: 1, max_fields: 1}}")
    environ = {
        "BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_ALIASES": "2",
        "BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_DEPTH": "2",
        "BOTBERI_GATEWAY__TRANSPORT__OWN_HOSTS": "a.example, b.example",
        "BOTBERI_GATEWAY__TRANSPORT__RESPONSE_HEADERS": '{"a": ["b"]}',
    }
    result = load(file, environ=environ, options={"engine.operation.max_depth": 3}, checks=CHECKS)
    limits = result.config.engine.operation
    assert (limits.max_depth, limits.max_aliases, limits.max_fields) == (3, 2, 1)
    assert result.config.transport.own_hosts == ("a.example", "b.example")
    assert result.config.transport.response_headers == {"a": ("b",)}
    origins = {path.rpartition(".")[2]: str(origin) for path, origin in result.origins.items()}
    assert origins["max_depth"] == "option"
    assert origins["max_aliases"] == "BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_ALIASES"
    assert origins["max_fields"] == f"{file}:1"


def test_the_option_of_forwarded_headers_adds_to_them(written: Callable[[str], Path]) -> None:
    option = {"transport.forward_headers": ["x-b"]}
    from_file = load(written("transport: {forward_headers: [x-a]}"), options=option).config
    assert from_file.transport.forward_headers == ("x-a", "x-b")
    assert load(options=option).config.transport.forward_headers[-2:] == ("x-request-id", "x-b")


def test_variables_and_files_are_expanded_and_their_content_is_never_shown(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    file = written(
        "server: {port: '${PORT:-99}', host: '$${x}'}\n"
        "engine:\n  subgraph:\n    headers: {authorization: 'Bearer ${TOKEN}', x-key: 'file:token', x-plain: hush}\n"
        "log: {level: '${LEVEL:-debug}'}\n"
    )
    environ = {"TOKEN": "t0ken", "LEVEL": ""}
    result = load(file, environ=environ)
    headers = {"authorization": "Bearer t0ken", "x-key": "s3cret", "x-plain": "hush"}
    assert result.config.engine.subgraph.headers == headers
    assert (result.config.server.port, result.config.server.host) == (99, "${x}")
    assert result.config.log.level == "debug"
    assert result.files == [file, tmp_path / "token"]
    shown = CliRunner(env=environ).invoke(app, ["config", "show", str(file)]).output
    assert "Bearer ${TOKEN}" in shown
    assert '"file:token"' in shown
    for secret in ("t0ken", "s3cret", "hush"):
        assert secret not in shown


def test_a_wrong_secret_is_not_repeated(written: Callable[[str], Path]) -> None:
    [said] = problems(written("server: {port: '${SECRET}'}"), environ={"SECRET": "s3cret"})
    assert "s3cret" not in said


def test_texts_stay_as_they_are_written(written: Callable[[str], Path]) -> None:
    config = load(written("engine: {subgraph: {headers: {a: no, b: 010, c: 1.10, d: 2026-01-01}}}")).config
    assert dict(config.engine.subgraph.headers) == {"a": "no", "b": "010", "c": "1.10", "d": "2026-01-01"}


def test_anchors_and_merged_mappings(written: Callable[[str], Path]) -> None:
    file = written(
        "engine: {operation: &o {max_depth: 7}}\n"
        "graph:\n  subgraphs:\n    a: &a {url: 'http://a/'}\n    b: {<<: *a, introspection_url: 'http://b/'}\n"
    )
    subgraphs = load(file).config.graph.subgraphs
    assert (subgraphs["b"].url, subgraphs["b"].introspection_url) == ("http://a/", "http://b/")


def test_an_anchor_within_itself_is_refused(written: Callable[[str], Path]) -> None:
    assert any("nested too deeply" in line for line in problems(written("server: &s {path: *s}")))


def test_relative_files_begin_at_the_configuration_or_in_the_working_folder(written: Callable[[str], Path]) -> None:
    file = written("graph: {supergraph: {file: s.graphql}}")
    assert load(file).config.graph.supergraph.file == file.parent / "s.graphql"
    by_option = load(file, options={"graph.supergraph": {"file": "s.graphql"}})
    assert by_option.config.graph.supergraph.file == Path("s.graphql")


def test_json_with_tabs_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text('{\n\t"server": {"port": 99},\n\t"transport": {"graphiql_query": "a\\tb \\u00e9"}\n}')
    config = load(file).config
    assert (config.server.port, config.transport.graphiql_query) == (99, "a\tb é")
    file.write_text("{'server': 1}")
    assert "not valid JSON" in problems(file)[0]


def _examples(kind: Any, value: Any, path: str = "") -> dict[str, Any]:
    """Another value than the default for each value of the tree that a file can have."""
    examples: dict[str, Any] = {}
    kinds = hints(kind)
    for declared in fields(kind):
        own = kinds[declared.name]
        below = f"{path}.{declared.name}".lstrip(".")
        present = getattr(value, declared.name)
        if is_dataclass(present):
            examples |= _examples(type(present), present, below)
        elif in_files(own):
            examples[below] = _another(own, present, below)
    return examples


def _another(kind: Any, present: Any, path: str) -> Any:
    if isinstance(present, Enum):
        return next(member.value for member in type(present) if member is not present)
    options = [option for option in get_args(kind) if isinstance(option, str)]
    if options:
        return next(option for option in options if option != present)
    if isinstance(present, bool):
        return not present
    if isinstance(present, int):
        return present + 1
    if isinstance(present, float):
        return present + 0.5
    if shape_of(kind) is not None:
        return None  # a table or list; an entry of each has a test of its own
    if path.endswith("url"):
        return "https://elsewhere.example"
    return "/elsewhere" if present is None or str(present).startswith("/") else f"{present}x"


EXAMPLES = {path: value for path, value in _examples(GatewayConfig, GatewayConfig()).items() if value is not None}


def test_every_value_is_reachable_by_file_environment_and_option(written: Callable[[str], Path]) -> None:
    assert len(EXAMPLES) > 100
    schema = jsonschema.Draft202012Validator(json_schema())
    for path, value in EXAMPLES.items():
        nested: Any = value
        for key in reversed(path.split(".")):
            nested = {key: nested}
        schema.validate(nested)
        name = "BOTBERI_GATEWAY__" + path.upper().replace(".", "__")
        text = json.dumps(value) if not isinstance(value, str) else value
        for result in (
            load(written(yaml.safe_dump(nested))),
            load(environ={name: text}),
            load(options={path: value}),
        ):
            found: Any = result.config
            for key in path.split("."):
                found = getattr(found, key)
            assert (str(found) if isinstance(found, Path) else found) == value, path
            assert set(result.origins) == {path}


def test_what_show_prints_is_a_configuration_again(written: Callable[[str], Path], tmp_path: Path) -> None:
    file = written("server: {port: 99}\ngraph: {subgraphs: {a: {url: 'http://a/'}}}\nengine: {max_errors: 3}\n")
    shown = CliRunner().invoke(app, ["config", "show", str(file), "--max-cost", "7"]).output
    again = tmp_path / "again.yaml"
    again.write_text(shown)
    assert load(again).config == load(file, options={"engine.operation.max_cost": 7}).config
    changed = CliRunner().invoke(app, ["config", "show", str(file), "--changed", "--max-cost", "7"]).output
    assert changed.splitlines() == [
        "server:",
        f"  port: 99  # {file}:1",
        "engine:",
        f"  max_errors: 3  # {file}:3",
        "  operation:",
        "    max_cost: 7  # --max-cost",
        "graph:",
        "  subgraphs:",
        "    a:",
        f'      url: "http://a/"  # {file}:2',
    ]
    listed = json.loads(CliRunner().invoke(app, ["config", "show", str(file), "--json"]).output)
    assert {"path": "server.port", "value": 99, "origin": f"{file}:1"} in listed


def test_init_writes_a_file_that_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    assert CliRunner().invoke(app, ["config", "init", str(file)]).exit_code == 0
    assert CliRunner().invoke(app, ["config", "check", str(file)]).output == f"{file} can be used.\n"
    assert load(file).config.watch
    again = CliRunner().invoke(app, ["config", "init", str(file)])
    assert (again.exit_code, "--force" in again.output) == (2, True)


def test_check_says_what_is_wrong_for_people_and_programs(written: Callable[[str], Path]) -> None:
    file = written("server: {prot: 1}")
    result = CliRunner().invoke(app, ["config", "check", str(file)])
    assert (result.exit_code, "is server.port meant?" in result.output) == (2, True)
    result = CliRunner().invoke(app, ["config", "check", str(file), "--json"])
    [problem] = json.loads(result.output)["problems"]
    assert (problem["path"], problem["line"], problem["source"]) == ("server.prot", 1, str(file))


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for wrong in ({"serverr": {}}, {"server": {"port": "many"}}, {"engine": {"max_errors": 0}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    jsonschema.validate({"server": {"port": "${PORT:-8080}"}}, schema)
    result = CliRunner().invoke(app, ["config", "schema"])
    assert json.loads(result.output) == schema


def test_a_text_of_many_aliases_is_read_in_no_time() -> None:
    """Each level names the one before it ten times; the reader must not write them out."""
    levels = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 4)]
    document = parse_document("\n".join(levels), "x", Path(), {})
    assert set(document.root.entries) == {f"a{i}" for i in range(4)}


@pytest.mark.parametrize("block", blocks(MANUAL, "yaml"), ids=lambda block: block.text.partition("\n")[0])
def test_the_manuals_file_can_be_used(written: Callable[[str], Path], tmp_path: Path, block: Block) -> None:
    text = block.text.replace("/run/secrets/subgraph-token", "token")
    (tmp_path / "token").write_text("x")
    config = load(written(text), checks=CHECKS).config
    assert (config.server.port, config.engine.subgraph.headers) == (8080, {"authorization": "x"})


def test_the_manuals_program_reads_it(written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written("server: {port: 99}").parent)
    [block] = blocks(MANUAL, "python")
    names: dict[str, Any] = {}
    exec(compile(block.text, str(MANUAL), "exec"), names)
    assert names["config"].server.port == 99


SAMPLES = [(page, block) for page in sorted(MANUAL.parent.glob("*.md")) for block in blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "block"), SAMPLES, ids=lambda value: getattr(value, "stem", ""))
def test_samples_of_the_manual_can_be_used(
    written: Callable[[str], Path], tmp_path: Path, page: Path, block: Block
) -> None:
    (tmp_path / "token").write_text("x")
    text = block.text.replace("/run/secrets/subgraph-token", "token")
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "x")
    load(written(text), environ=environ, checks=CHECKS)
