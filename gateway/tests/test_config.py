"""The configuration: names follow the rules, the manual's table is complete, `serve` has the options that it names."""

import json
from pathlib import Path

import typer.main

from botberi_gateway.cli import app
from botberi_gateway.config import GatewayConfig
from botberi_gateway.config.json_schema import json_schema
from botberi_gateway.config.page import page
from botberi_gateway.config.setting import BYTES, SECONDS, Setting, settings_of

PAGE = Path(__file__).parents[2] / "docs/reference/gateway-configuration.md"
SETTINGS = [entry for entry in settings_of(GatewayConfig()) if isinstance(entry, Setting)]
#: Values with a unit that are neither a limit nor a time.
OTHERS = {
    "engine.operation.assumed_list_size",
    "graph.warm_operations",
    "graphs.*.warm_operations",
    "transport.compression.compress_from_bytes",
} | {
    f"engine.subgraph{entry}.{name}"
    for entry in ("", "s.*")
    for name in ("breaker.min_requests", "compress_from_bytes")
}


def test_the_documented_table_is_the_real_one() -> None:
    assert PAGE.read_text() == page(), "run: python -m botberi_gateway.config docs/reference"
    schema = json.loads(PAGE.with_name("gateway-configuration.schema.json").read_text())
    assert schema == json_schema(), "run: python -m botberi_gateway.config docs/reference"


def test_there_is_every_branch() -> None:
    branches = {setting.path.rpartition(".")[0] for setting in SETTINGS}
    assert branches == {
        "",
        "log",
        "graph",
        "graph.supergraph",
        "graph.contract",
        "graphs.*",
        "graphs.*.supergraph",
        "graphs.*.contract",
        "graphs.*.subgraphs.*",
        "graphs.*.subgraphs.*.schema",
        "graph.subgraphs.*",
        "graph.subgraphs.*.schema",
        "server",
        "plugins[]",
        "transport",
        "transport.websocket",
        "transport.batching",
        "transport.compression",
        "transport.uploads",
        "transport.headers",
        "transport.headers.all",
        "transport.headers.all.request[]",
        "transport.headers.all.response[]",
        "transport.headers.subgraphs.*",
        "transport.headers.subgraphs.*.request[]",
        "transport.headers.subgraphs.*.response[]",
        "engine",
        "engine.operation",
        "engine.budget",
        "engine.event_source",
        *(
            f"engine.subgraph{entry}{branch}"
            for entry in ("", "s.*")
            for branch in ("", ".subscriptions", ".websocket", ".retry", ".breaker", ".balancing", ".tls")
        ),
        "engine.in_process",
    }


def test_numbers_have_a_unit_and_others_have_none() -> None:
    for setting in SETTINGS:
        if setting.path in ("server.port", "server.workers"):
            continue
        is_number = isinstance(setting.default, int | float) and not isinstance(setting.default, bool)
        assert bool(setting.unit) == is_number, setting


def test_times_end_with_seconds_and_limits_begin_with_max() -> None:
    for setting in SETTINGS:
        name = setting.path.rpartition(".")[2]
        assert name.endswith("_seconds") == (setting.unit == SECONDS), setting
        assert name.endswith("_bytes") == (setting.unit == BYTES), setting
        if setting.unit not in ("", SECONDS) and setting.path not in OTHERS:
            assert name.startswith("max_"), setting


def test_meanings_are_sentences() -> None:
    for setting in SETTINGS:
        assert setting.meaning[0].isupper() or setting.meaning[0] == "`", setting
        assert setting.meaning.endswith("."), setting
        assert "|" not in setting.meaning, setting


def test_serve_has_the_options_with_these_meanings_and_defaults() -> None:
    command = typer.main.get_command(app).get_command(None, "serve")  # type: ignore[attr-defined]
    options = {"/".join((*option.opts, *option.secondary_opts)): option for option in command.params}
    named = [setting for setting in SETTINGS if setting.option is not None]
    assert len(named) > 25
    for setting in named:
        option = options[str(setting.option)]
        assert option.default is None, "an option that isn't given must leave the file's value"
        assert option.help.startswith(setting.meaning.replace("`", "")), setting
        if isinstance(setting.default, int | str) and not isinstance(setting.default, bool):
            assert option.help.endswith(f"[default: {setting.default}]"), setting
