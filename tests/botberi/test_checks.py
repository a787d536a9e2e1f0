"""`./test`: system packages are named before they are installed; `--no-system-packages` lists what is skipped instead."""

from pathlib import Path

import pytest

from lab.checks import command, debian
from lab.checks.steps import Step


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine that lacks two packages, on which `apt-get` only notes what it was asked for; and no other checks."""
    there: list[str] = []

    def package(name: str, tests: str) -> debian.SystemPackage:
        return debian.SystemPackage(name, tests, lambda: name in there)

    def steps(packages: list[debian.SystemPackage], cwd: Path) -> list[Step]:
        there.extend(one.name for one in packages)
        return [Step("apt install", ["true"], cwd, 10)]

    monkeypatch.setattr(debian, "PACKAGES", (package("some-server", "tests of it"), package("a-browser", "its tests")))
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install_steps", steps)
    monkeypatch.setattr(command, "_linters", list)
    monkeypatch.setattr(command, "_pytest", lambda arguments: 0)
    return there


def test_packages_are_named_and_installed(installed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run([]) == 0
    assert installed == ["some-server", "a-browser"]
    said = capsys.readouterr().out
    assert said.index("some-server") < said.index("apt install"), "what is installed is said before it happens"
    assert "for tests of it" in said
    assert "--no-system-packages" in said
    assert "skipped" not in said


def test_without_system_packages_nothing_is_installed_and_what_is_skipped_is_listed(
    installed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(["--no-system-packages"]) == 0
    assert installed == []
    said = capsys.readouterr().out
    assert "some-server    skipped: not installed, so tests of it are skipped" in said
    assert "a-browser      skipped: not installed, so its tests are skipped" in said


def test_other_arguments_go_to_pytest_alone(
    installed: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(command, "_pytest", lambda arguments: given.append(arguments) or 0)
    assert command.run(["--no-system-packages", "gateway/tests", "-k", "plan"]) == 0
    assert given == [["gateway/tests", "-k", "plan"]]
    assert installed == []
