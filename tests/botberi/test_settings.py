"""The documented settings are the real ones."""

from pathlib import Path

import pytest

from botberi import settings_table
from botberi.settings import GatewaySettings, SeedSettings, ServiceSettings, UpSettings

ROOT = Path(__file__).parents[2]


def test_the_documented_table_is_the_real_one() -> None:
    page = (ROOT / "docs/operations/settings.md").read_text()
    assert page.endswith(settings_table.table()), "run: python -m botberi.settings_table, and put it into the page"


def test_every_variable_says_what_it_means_and_who_reads_it() -> None:
    for setting in settings_table.settings().values():
        assert setting.about, setting
        assert setting.readers, setting


def test_the_environment_templates_set_known_variables_alone() -> None:
    known = set(settings_table.settings())
    files = [*(ROOT / "env/dev").glob("*.env"), *(ROOT / "env/prod").glob("*.env.template")]
    assert len(files) > 10
    for path in files:
        for line in path.read_text().splitlines():
            name = line.partition("=")[0]
            if name.startswith("BOTBERI_"):
                # `…_FILE` names a file with the value.
                assert name in known or name.removesuffix("_FILE") in known, f"{path.name}: {name}"


@pytest.mark.parametrize("one", [GatewaySettings, ServiceSettings, UpSettings, SeedSettings])
def test_defaults_need_no_environment(one: type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_table.settings():
        monkeypatch.delenv(name, raising=False)
    one()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTBERI_AMQP_URL", "amqp://user:hidden-word@host/")
    monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", "postgresql://user:hidden-word@host/user_psql")
    assert "hidden-word" not in repr(UpSettings())
