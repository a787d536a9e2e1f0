"""Settings come from the environment, and a wrong one says so without telling secrets."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared_schema.settings import AmqpSettings, DatabaseSettings, SettingsError, StateSettings


def test_names_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOTBERI_USER_DATABASE_URL", "BOTBERI_SHARED_DATABASE_URL", "BOTBERI_AMQP_URL", "BOTBERI_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert DatabaseSettings().user_database_url is None
    assert AmqpSettings().amqp_url is None
    assert str(StateSettings().state_dir) == ".botberi"
    monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", "postgres://u:p@h/d")
    monkeypatch.setenv("BOTBERI_AMQP_URL", "")
    assert DatabaseSettings().require_user_database_url() == "postgresql://u:p@h/d"
    assert AmqpSettings().amqp_url is None
    with pytest.raises(SettingsError, match="BOTBERI_SHARED_DATABASE_URL is not set"):
        DatabaseSettings().require_shared_database_url()


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "hunter2", "postgresql://"])
def test_wrong_urls_are_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", url)
    monkeypatch.setenv("BOTBERI_AMQP_URL", url)
    for settings in (DatabaseSettings, AmqpSettings):
        with pytest.raises(ValidationError) as caught:
            settings()
        assert "must look like" in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_secrets_stay_out_of_reprs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("BOTBERI_AMQP_URL", "amqp://u:hunter2@h/")
    assert "hunter2" not in repr(DatabaseSettings()) + repr(AmqpSettings())


def test_a_value_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("amqp://u:hunter2@h/\n")
    monkeypatch.delenv("BOTBERI_AMQP_URL", raising=False)
    monkeypatch.setenv("BOTBERI_AMQP_URL_FILE", str(tmp_path / "url"))
    assert AmqpSettings().amqp_url == "amqp://u:hunter2@h/"
    monkeypatch.setenv("BOTBERI_AMQP_URL", "amqp://other:x@h/")
    assert AmqpSettings().amqp_url == "amqp://other:x@h/", "what the environment says itself wins"
    monkeypatch.delenv("BOTBERI_AMQP_URL")
    monkeypatch.setenv("BOTBERI_AMQP_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"BOTBERI_AMQP_URL_FILE: .* can't be read: No such file"):
        AmqpSettings()
