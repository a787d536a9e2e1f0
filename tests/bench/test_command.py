"""`lab bench`: what it says of itself, and of what is missing."""

from pathlib import Path

import pytest

from lab.bench.cli import main
from lab.bench.gateway import hive_router, tools
from lab.bench.peers import PeersMissing


def test_the_workloads_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", "--list"]) == 0
    assert "200 operations in rotation" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [["--peers", "nginx"], ["--queries", "huge"], ["--workloads", "x"], ["--rounds", "0"]]
)
def test_what_there_is_not_is_a_mistake_of_use(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_without_go_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.build.cache_clear()
    monkeypatch.setattr(tools, "go", lambda: None)
    assert main(["gateway", "--peers", "", "--queries", "small"]) == 2
    assert "install Go" in capsys.readouterr().err


def test_without_cargo_hive_router_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hive_router, "CACHE", tmp_path)
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(PeersMissing, match="cargo"):
        hive_router.router_binary()
