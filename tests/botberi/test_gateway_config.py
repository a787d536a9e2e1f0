"""The platform's gateway takes the gateway's own configuration, by the same loader and checks."""

from pathlib import Path

import pytest

from botberi.run.errors import StartError
from botberi.settings import GatewaySettings
from botberi.wiring.gateway_config import gateway_config
from shared_schema.contracts.assertion import HEADER


def test_file_and_variables_hold_over_the_platforms_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("engine: {operation: {max_depth: 7}, budget: {max_entities: 9}}\n")
    monkeypatch.setenv("BOTBERI_GATEWAY_CONFIG", str(file))
    monkeypatch.setenv("BOTBERI_GATEWAY__ENGINE__OPERATION__MAX_ALIASES", "3")
    monkeypatch.setenv("BOTBERI_MAX_ENTITIES", "8")
    monkeypatch.setenv("BOTBERI_MAX_COST", "5")
    config = gateway_config(GatewaySettings())
    limits = config.engine.operation
    assert (limits.max_depth, limits.max_aliases, limits.max_cost) == (7, 3, 5)
    assert config.engine.budget.max_entities == 9
    assert config.transport.internal_headers == (HEADER,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: {operation: {max_depht: 7}}", "is engine.operation.max_depth meant?"),
        ("transport: {forward_headers: [host]}", "can't be forwarded"),
        ("transport: {internal_headers: []}", "transport.internal_headers: the platform sets this itself"),
        ("graph: {supergraph: {file: x}}", "graph.supergraph.file: the platform sets this itself"),
        ("server: {port: 1}", "server.port: the platform sets this itself"),
    ],
)
def test_what_is_wrong_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    monkeypatch.setenv("BOTBERI_GATEWAY_CONFIG", str(file))
    with pytest.raises(StartError) as caught:
        gateway_config(GatewaySettings())
    assert said in str(caught.value)
