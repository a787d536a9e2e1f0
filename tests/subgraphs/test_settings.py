"""What a subgraph says when it is started without what it needs, and its command line."""

from pathlib import Path

import pytest

from shared_schema.settings import SettingsError
from subgraphs.catalog.app import create_app as create_catalog
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.cli import run
from subgraphs.identity.app import create_app as create_identity
from subgraphs.identity.settings import IdentitySettings

URL = "postgresql://somebody@127.0.0.1/somewhere"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER_DATABASE_URL", "SHARED_DATABASE_URL", "ASSERTION_JWKS_FILE", "ASSERTION_JWKS_URL"):
        monkeypatch.delenv(f"BOTBERI_{name}", raising=False)


def test_a_missing_database_is_named() -> None:
    with pytest.raises(SettingsError, match="BOTBERI_USER_DATABASE_URL"):
        create_identity(IdentitySettings(), jwks={"keys": []})
    with pytest.raises(SettingsError, match="BOTBERI_SHARED_DATABASE_URL"):
        create_catalog(CatalogSettings(), jwks={"keys": []})


def test_missing_keys_are_named() -> None:
    with pytest.raises(SettingsError, match="BOTBERI_ASSERTION_JWKS_FILE"):
        create_catalog(CatalogSettings(shared_database_url=URL))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTBERI_SESSION_COOKIE_SECURE", "true")
    monkeypatch.setenv("BOTBERI_SIGN_IN_ATTEMPTS", "3")
    monkeypatch.setenv("BOTBERI_SUBGRAPH_MAX_DEPTH", "")
    settings = IdentitySettings()
    assert settings.session_cookie_secure is True
    assert settings.sign_in_attempts == 3
    assert settings.subgraph_max_depth == 30


@pytest.mark.parametrize(("name", "value"), [("SIGN_IN_ATTEMPTS", "0"), ("PASSWORD_THREADS", "many")])
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BOTBERI_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        IdentitySettings()


def test_the_command_line_prints_and_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["identity", "print-schema"])
    assert run("identity", "type Query\n", tmp_path) == 0
    assert capsys.readouterr().out == "type Query\n"
    monkeypatch.setattr("sys.argv", ["identity", "print-schema", "--write"])
    assert run("identity", "type Query\n", tmp_path) == 0
    assert (tmp_path / "schema.graphql").read_text() == "type Query\n"
